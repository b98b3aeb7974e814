/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YAML as a JSON tree, so that one kind of reader serves both. Plain scalars
 * become null, booleans, integers or numbers as PyYAML and OmegaConf resolve
 * them
 * ("1e-5" without a dot included, as OmegaConf does). Aliases are expanded; the
 * size, the depth and the number of nodes are limited. Untrusted bytes. */
#ifndef NEVA_YAML_FILE_H
#define NEVA_YAML_FILE_H

#include <json-glib/json-glib.h>

/* `name` is for messages. Returns: (transfer full) or NULL with error. */
JsonNode *neva_yaml_parse (
    const char *text, gsize length, const char *name, GError **error);

#endif /* NEVA_YAML_FILE_H */
