/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON header of a safetensors file:
 *
 *   {"__metadata__": {"k": "v", …},
 *    "NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * A parser of its own, without recursion: it takes nothing but this form, and
 * notices a name that occurs twice, which a general JSON library would merge.
 */
#ifndef NEVA_ST_HEADER_H
#define NEVA_ST_HEADER_H

#include <glib.h>
#include "safetensors.h"

/* One entry; the view's `data` is not set yet. */
typedef struct {
  NevaTensorView view; /* name is owned by the entry */
  guint64 begin, end;  /* bytes after the header, as the file says */
} NevaStEntry;

/* `text` [length] need not end in zero. Appends NevaStEntry to `entries` (whose
 * clear function must be neva_st_entry_clear). `file` is for messages only.
 * Checks form, names, dtypes, shapes and that the offsets fit the shape. */
gboolean neva_st_header_parse (const char *text, gsize length, const char *file,
    GArray *entries, GError **error);
void neva_st_entry_clear (gpointer entry);

#endif /* NEVA_ST_HEADER_H */
