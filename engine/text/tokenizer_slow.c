/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenizer.model as NeMo has it from Hugging Face: transformers' tokenizer in
 * Python (4.45: tokenization_llama.py), which does otherwise than the one in
 * Rust where texts begin. */
#include "config.h"
#include <string.h>
#include "tokenizer_private.h"

#define MARK "\xe2\x96\x81"

#if HAVE_SENTENCEPIECE

/* Text between added tokens. sentencepiece drops a space at the beginning, so
 * that one goes in behind the unknown token's text, whose ids go again. */
static gboolean
encode_part (const NevaTokenizer *self, const char *text, gsize length,
    GArray *ids, GError **error)
{
  const gsize unk_length = strlen (self->unk);
  g_autoptr (GString) whole = g_string_new (self->unk);
  const guint before = ids->len;
  guint n_unk;

  if (length == 0 || (*text != ' ' && !g_str_has_prefix (text, MARK)))
    return neva_tokenizer_encode_sp (self->sp_bare, text, length, ids, error);
  if (!neva_tokenizer_encode_sp (
          self->sp_bare, self->unk, unk_length, ids, error))
    return FALSE;
  n_unk = ids->len - before;
  g_array_set_size (ids, before);
  g_string_append_len (whole, text, (gssize) length);
  if (!neva_tokenizer_encode_sp (
          self->sp_bare, whole->str, whole->len, ids, error))
    return FALSE;
  if (ids->len - before >= n_unk)
    g_array_remove_range (ids, before, n_unk);
  return TRUE;
}

gboolean
neva_tokenizer_encode_slow (const NevaTokenizer *self, const char *text,
    gsize length, GArray *ids, GError **error)
{
  g_autoptr (GString) spaced = g_string_new_len (text, (gssize) length);
  g_autoptr (GArray) segments =
      g_array_new (FALSE, FALSE, sizeof (NevaSegment));
  const guint before = ids->len;
  gint32 first;

  if (length == 0)
    return TRUE;
  g_string_replace (spaced, MARK, " ", 0);
  if (self->adds_space)
    g_string_prepend (spaced, MARK);
  neva_added_cut (self->added, spaced->str, spaced->len, segments);
  for (guint i = 0; i < segments->len; i++) {
    const NevaSegment *s = &g_array_index (segments, NevaSegment, i);

    if (s->id >= 0)
      g_array_append_val (ids, s->id);
    else if (!encode_part (self, spaced->str + s->start, s->length, ids, error))
      return FALSE;
  }
  if (ids->len - before < 2)
    return TRUE;
  first = g_array_index (ids, gint32, before);
  if (!g_strcmp0 (neva_tokenizer_piece (self, first), MARK) &&
      neva_tokenizer_is_named (self, g_array_index (ids, gint32, before + 1)))
    g_array_remove_index (ids, before);
  return TRUE;
}

char *
neva_tokenizer_decode_slow (
    const NevaTokenizer *self, const gint32 *ids, gsize n_ids)
{
  GString *out = g_string_new (NULL);
  NevaDecoding decoding;

  neva_decoding_init (
      &decoding, self->legacy ? self->decoder : self->decoder_bare, FALSE);
  for (gsize i = 0; i < n_ids; i++) {
    const NevaPiece *piece =
        &g_array_index (self->pieces, NevaPiece, (guint) ids[i]);
    const char *text = piece->surface ? piece->surface : piece->text;

    if (i == 0 && self->adds_space && g_str_has_prefix (text, MARK))
      text += strlen (MARK);
    if (piece->silent)
      neva_decoding_flush (&decoding, out);
    else
      neva_decoding_push (&decoding, text, piece->literal, out);
  }
  neva_decoding_flush (&decoding, out);
  neva_decoding_clear (&decoding);
  neva_utf8_replace_nul (out);
  return g_string_free (out, FALSE);
}

#else

/* Without sentencepiece there is no tokenizer.model, and nobody comes here. */
gboolean
neva_tokenizer_encode_slow (const NevaTokenizer *self, const char *text,
    gsize length, GArray *ids, GError **error)
{
  (void) self, (void) text, (void) length, (void) ids, (void) error;
  return FALSE;
}

char *
neva_tokenizer_decode_slow (
    const NevaTokenizer *self, const gint32 *ids, gsize n_ids)
{
  (void) self, (void) ids, (void) n_ids;
  return NULL;
}

#endif
