/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values of a Hydra command line: the grammar of key=VALUE, and what
 * OmegaConf makes of ${…} in it. */
#ifndef NEVA_EVAL_HYDRA_H
#define NEVA_EVAL_HYDRA_H

#include <json-glib/json-glib.h>

/* A VALUE: null, true, a number, 'quoted' or "quoted" text, [a, b], {a: b}, or
 * text without quotes, in which a backslash escapes one of \()[]{}:=, and a
 * space. What would be a syntax error there (a list without its end, text
 * behind a quote) is text. (transfer full) */
JsonNode *neva_hydra_value (const char *text);

/* The value with all ${…} in it resolved: ${a.b} and ${.b} (a key, from the
 * root or beside this one), ${oc.env:NAME} and ${oc.env:NAME,other},
 * ${oc.select:key,other}, ${oc.decode:text}. A text that is nothing but one
 * ${…} gets its type. key: the value's own, dotted. budget: values and bytes
 * that may still be looked at, less what was; values that depend on themselves
 * end with it. NEVA_ERROR_BAD_INPUT names what cannot be resolved.
 * (transfer full) */
JsonNode *neva_hydra_resolve (JsonObject *root, const char *key,
    JsonNode *value, gsize *budget, GError **error);

/* "???": OmegaConf's value that is still to be given. */
gboolean neva_hydra_is_missing (JsonNode *value);

/* The node at a dotted key; NULL where there is none. (transfer none) */
JsonNode *neva_hydra_find (JsonObject *root, const char *key);

#endif /* NEVA_EVAL_HYDRA_H */
