/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenizer.model of sentencepiece. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include <neva/error.h>
#include "sentencepiece_check.h"
#include "tokenizer_private.h"

#if HAVE_SENTENCEPIECE

static NevaSentencepiece *
load (const GByteArray *proto, GError **error)
{
  char *message = NULL;
  NevaSentencepiece *sp = neva_sp_new (proto->data, proto->len, &message);

  if (!sp)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "sentencepiece: %s",
        message ? message : "out of memory");
  free (message);
  return sp;
}

static gboolean
take_pieces (NevaTokenizer *self, const NevaSpInfo *info, GError **error)
{
  const gint32 n = neva_sp_size (self->sp);

  for (gint32 id = 0; id < n; id++) {
    const NevaSpKind kind = neva_sp_kind (self->sp, id);
    NevaPiece *piece;

    if (!neva_tokenizer_set_piece (
            self, id, neva_sp_piece (self->sp, id), error))
      return FALSE;
    piece = &g_array_index (self->pieces, NevaPiece, id);
    piece->special = piece->silent = kind == NEVA_SP_CONTROL;
    piece->literal = kind != NEVA_SP_BYTE;
    if (kind == NEVA_SP_UNKNOWN)
      piece->surface = g_strdup (info->unknown_surface);
  }
  self->bos = neva_sp_bos (self->sp);
  self->eos = neva_sp_eos (self->sp);
  return TRUE;
}

static gboolean
take_model (NevaTokenizer *self, GByteArray *proto, GError **error)
{
  /* field 3 (normalizer_spec), 2 bytes: field 3 (add_dummy_prefix) false;
   * appended messages are merged with what came before */
  static const guint8 no_prefix[] = {0x1a, 0x02, 0x18, 0x00};
  NevaSpInfo info;

  if (!neva_sp_check (proto->data, proto->len, &info, error) ||
      !(self->sp = load (proto, error)) || !take_pieces (self, &info, error))
    return FALSE;

  self->decoder = neva_decoder_new_sentencepiece (
      info.remove_extra_whitespaces ? NEVA_LEAD_ALL
      : info.add_dummy_prefix       ? NEVA_LEAD_ONE
                                    : NEVA_LEAD_KEEP);
  self->decoder_bare = neva_decoder_new_sentencepiece (
      info.remove_extra_whitespaces ? NEVA_LEAD_ALL : NEVA_LEAD_KEEP);
  self->adds_bos = TRUE; /* LlamaTokenizer's default */
  g_byte_array_append (proto, no_prefix, sizeof no_prefix);
  return (self->sp_bare = load (proto, error)) != NULL;
}

gboolean
neva_tokenizer_read_model (
    NevaTokenizer *self, const NevaFileSet *files, GError **error)
{
  GBytes *bytes = neva_file_set_find (files, "tokenizer.model");
  g_autoptr (GByteArray) proto = g_byte_array_new ();
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (size > NEVA_MAX_TOKENIZER_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "more than %" G_GSIZE_FORMAT " bytes", NEVA_MAX_TOKENIZER_BYTES);
  } else {
    g_byte_array_append (proto, data, (guint) size);
    if (take_model (self, proto, error))
      return TRUE;
  }
  g_prefix_error (error, "%s/tokenizer.model: ", neva_file_set_where (files));
  return FALSE;
}

#else

gboolean
neva_tokenizer_read_model (
    NevaTokenizer *self, const NevaFileSet *files, GError **error)
{
  (void) self;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "%s/tokenizer.model: built without libsentencepiece",
      neva_file_set_where (files));
  return FALSE;
}

#endif
