/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON that others wrote, before it goes to a parser that recurses. */
#ifndef NEVA_JSON_H
#define NEVA_JSON_H

#include <glib.h>

G_BEGIN_DECLS

/* FALSE when the text [length] nests deeper than 64 levels, so that json-glib
 * could run out of stack, or holds what is not JSON. Any thread. */
gboolean neva_json_is_shallow (const char *text, gsize length);

G_END_DECLS

#endif /* NEVA_JSON_H */
