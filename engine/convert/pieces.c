/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model is a protocol buffer whose field 1 is repeated, {piece = 1: string,
 * score = 2: float, type = 3: enum}; what is appended to a message is merged
 * with what came before, so appending bytes appends pieces. */
#include "config.h"
#include <string.h>
#include "convert/pieces.h"

#define N_PIECES 8u
#define USER_DEFINED 4u

GBytes *
neva_pieces_append (GBytes *model, const NevaTokenizer *tokenizer, gsize *n)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (model, &length);
  GByteArray *out = g_byte_array_new ();

  *n = neva_tokenizer_size (tokenizer);
  g_byte_array_append (out, data, (guint) length);
  for (guint i = 0; i < N_PIECES; i++) {
    g_autofree char *piece = g_strdup_printf ("<extra_id_%u>", i);
    const guint8 size = (guint8) strlen (piece); /* all are short */
    const guint8 head[] = {0x0a, size + 9, 0x0a, size};
    const guint8 tail[] = {0x15, 0, 0, 0, 0, 0x18, USER_DEFINED};

    if (neva_tokenizer_find (tokenizer, piece) >= 0)
      continue;
    g_byte_array_append (out, head, sizeof head);
    g_byte_array_append (out, (const guint8 *) piece, size);
    g_byte_array_append (out, tail, sizeof tail);
    ++*n;
  }
  return g_byte_array_free_to_bytes (out);
}
