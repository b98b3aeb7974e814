/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include <neva/error.h>
#include "json_member.h"
#include "log.h"
#include "py_text.h"
#include "tokenizer_private.h"
#include "utf8.h"

#define MAX_TEXT_BYTES ((gsize) 64 << 20)

/* ---- Vocabulary --------------------------------------------------------- */

static void
piece_clear (gpointer data)
{
  NevaPiece *piece = data;

  g_free (piece->text);
  g_free (piece->surface);
}

static NevaTokenizer *
tokenizer_new (void)
{
  NevaTokenizer *self = g_new0 (NevaTokenizer, 1);

  self->pieces = g_array_new (FALSE, TRUE, sizeof (NevaPiece));
  g_array_set_clear_func (self->pieces, piece_clear);
  self->ids = g_hash_table_new (g_str_hash, g_str_equal);
  self->added = neva_added_new ();
  self->added_normalized = neva_added_new ();
  self->bos = self->eos = -1;
  self->adds_bos = -1;
  return self;
}

void
neva_tokenizer_free (NevaTokenizer *self)
{
  if (!self)
    return;

  neva_bpe_free (self->bpe);
  neva_normalizer_free (self->normalizer);
  neva_pretokenizer_free (self->pretokenizer);
  neva_decoder_free (self->decoder);
  neva_decoder_free (self->decoder_bare);
  neva_added_free (self->added);
  neva_added_free (self->added_normalized);
#if HAVE_SENTENCEPIECE
  neva_sp_free (self->sp);
  neva_sp_free (self->sp_bare);
#endif
  g_hash_table_unref (self->ids);
  g_array_unref (self->pieces);
  g_free (self->unk);
  g_free (self);
}

gboolean
neva_tokenizer_set_piece (
    NevaTokenizer *self, gint64 id, const char *text, GError **error)
{
  NevaPiece *piece;

  if (id < 0 || id >= NEVA_MAX_TOKENS) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "piece \"%s\" has the impossible id %" G_GINT64_FORMAT, text, id);
    return FALSE;
  }
  if (id >= self->pieces->len)
    g_array_set_size (self->pieces, (guint) id + 1);
  piece = &g_array_index (self->pieces, NevaPiece, id);
  if (piece->text) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "pieces \"%s\" and \"%s\" have the same id %" G_GINT64_FORMAT,
        piece->text, text, id);
    return FALSE;
  }
  piece->text = g_strdup (text);
  if (!g_hash_table_contains (self->ids, text))
    g_hash_table_insert (
        self->ids, piece->text, GINT_TO_POINTER ((gint) id + 1));
  return TRUE;
}

gboolean
neva_tokenizer_add_token (
    NevaTokenizer *self, gint64 id, JsonObject *token, GError **error)
{
  const char *content = json_member_string (token, "content", "");
  const gboolean special = json_member_boolean (token, "special", FALSE);
  const gboolean normalized =
      json_member_boolean (token, "normalized", !special);
  g_autoptr (GString) pattern = g_string_new (content);
  NevaAddedToken added;
  gint32 found;

  if (!*content) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "an added token without \"content\"");
    return FALSE;
  }
  /* as the original does: an id that the vocabulary knows goes before the one
   * that is written beside the token */
  found = neva_tokenizer_find (self, content);
  if (found < 0) {
    if (!neva_tokenizer_set_piece (self, id, content, error))
      return FALSE;
    found = (gint32) id;
    g_array_index (self->pieces, NevaPiece, found).literal = TRUE;
  }
  if (special)
    g_array_index (self->pieces, NevaPiece, found).special = TRUE;

  added = (NevaAddedToken){.id = found,
      .lstrip = json_member_boolean (token, "lstrip", FALSE),
      .rstrip = json_member_boolean (token, "rstrip", FALSE),
      .single_word = json_member_boolean (token, "single_word", FALSE)};
  if (!normalized || !self->normalizer) {
    neva_added_insert (self->added, content, &added);
    return TRUE;
  }
  if (!neva_normalizer_run (self->normalizer, pattern, error))
    return FALSE;
  neva_added_insert (self->added_normalized, pattern->str, &added);
  return TRUE;
}

/* ---- Opening ------------------------------------------------------------ */

const char *const *
neva_tokenizer_file_names (void)
{
  static const char *const names[] = {"tokenizer.json", "tokenizer.model",
      "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
      NULL};

  return names;
}

static NevaTokenizer *
open_whole (const NevaFileSet *files, GError **error)
{
  g_autoptr (NevaTokenizer) self = tokenizer_new ();

  if (!neva_tokenizer_read_model (self, files, error))
    return NULL;
  self->adds_bos = FALSE;
  return g_steal_pointer (&self);
}

NevaTokenizer *
neva_tokenizer_open_files (
    const NevaFileSet *files, gboolean whole, GError **error)
{
  g_autoptr (NevaTokenizer) self = tokenizer_new ();
  const gboolean model = neva_file_set_find (files, "tokenizer.model") != NULL;
  const gboolean json = neva_file_set_find (files, "tokenizer.json") != NULL;
  g_autoptr (GError) local = NULL;

  if (!model && !json) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
        "%s: neither tokenizer.json nor tokenizer.model",
        neva_file_set_where (files));
    return NULL;
  }
  if (whole && model)
    return open_whole (files, error);
  if (!json || !neva_tokenizer_read_json (self, files, &local)) {
    if (local && (!model || !g_error_matches (
                                local, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED))) {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
    if (local) {
      neva_info ("%s; reading tokenizer.model instead", local->message);
      g_clear_pointer (&self, neva_tokenizer_free);
      self = tokenizer_new ();
    }
    if (!neva_tokenizer_read_model (self, files, error))
      return NULL;
  }
  if (!neva_tokenizer_read_config (self, files, error))
    return NULL;
  return g_steal_pointer (&self);
}

NevaTokenizer *
neva_tokenizer_open (const char *folder, GError **error)
{
  g_autoptr (NevaFileSet) files = neva_file_set_read (
      folder, neva_tokenizer_file_names (), NEVA_MAX_TOKENIZER_BYTES, error);

  return files ? neva_tokenizer_open_files (files, FALSE, error) : NULL;
}

/* ---- Lookups ------------------------------------------------------------ */

gint32
neva_tokenizer_find (const NevaTokenizer *self, const char *piece)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (self->ids, piece)) - 1;
}

static const NevaPiece *
piece_at (const NevaTokenizer *self, gint32 id)
{
  const NevaPiece *piece;

  if (id < 0 || (guint) id >= self->pieces->len)
    return NULL;
  piece = &g_array_index (self->pieces, NevaPiece, id);
  return piece->text ? piece : NULL;
}

const char *
neva_tokenizer_piece (const NevaTokenizer *self, gint32 id)
{
  const NevaPiece *piece = piece_at (self, id);

  return piece ? piece->text : NULL;
}

gboolean
neva_tokenizer_is_special (const NevaTokenizer *self, gint32 id)
{
  const NevaPiece *piece = piece_at (self, id);

  return piece && piece->special;
}

gsize
neva_tokenizer_size (const NevaTokenizer *self)
{
  return self->pieces->len;
}

gint32
neva_tokenizer_bos (const NevaTokenizer *self)
{
  return self->bos;
}

gint32
neva_tokenizer_eos (const NevaTokenizer *self)
{
  return self->eos;
}

gint32
neva_tokenizer_prompt_bos (const NevaTokenizer *self)
{
  return self->adds_bos > 0 ? self->bos : -1;
}

/* ---- Encoding ----------------------------------------------------------- */

static gboolean
encode_words (const NevaTokenizer *self, const char *text, gsize length,
    gboolean at_start, GArray *ids, GError **error)
{
  NevaWords words = {g_string_new_len (text, (gssize) length),
      g_array_new (FALSE, FALSE, sizeof (NevaSpan))};
  const NevaSpan whole = {0, length, FALSE};
  gboolean ok;

  g_array_append_val (words.words, whole);
  ok = neva_pretokenizer_run (self->pretokenizer, &words, at_start, error);
  for (guint i = 0; ok && i < words.words->len; i++) {
    const NevaSpan *word = &g_array_index (words.words, NevaSpan, i);

    neva_bpe_encode (
        self->bpe, words.text->str + word->start, word->length, ids);
  }
  g_string_free (words.text, TRUE);
  g_array_unref (words.words);
  return ok;
}

/* Text between added tokens, by tokenizer.json. */
static gboolean
encode_normalized (const NevaTokenizer *self, const char *text, gsize length,
    gboolean at_start, GArray *ids, GError **error)
{
  g_autoptr (GString) normal = g_string_new_len (text, (gssize) length);
  g_autoptr (GArray) segments =
      g_array_new (FALSE, FALSE, sizeof (NevaSegment));

  if (!neva_normalizer_run (self->normalizer, normal, error))
    return FALSE;

  neva_added_cut (self->added_normalized, normal->str, normal->len, segments);
  for (guint i = 0; i < segments->len; i++) {
    const NevaSegment *s = &g_array_index (segments, NevaSegment, i);

    if (s->id >= 0)
      g_array_append_val (ids, s->id);
    else if (!encode_words (self, normal->str + s->start, s->length,
                 at_start && s->start == 0, ids, error))
      return FALSE;
  }
  return TRUE;
}

#if HAVE_SENTENCEPIECE
gboolean
neva_tokenizer_encode_sp (const NevaSentencepiece *sp, const char *text,
    gsize length, GArray *ids, GError **error)
{
  char *message = NULL;
  size_t n = 0;
  int32_t *found = neva_sp_encode (sp, text, length, &n, &message);

  if (!found) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "sentencepiece: %s",
        message ? message : "out of memory");
    free (message);
    return FALSE;
  }
  g_array_append_vals (ids, found, (guint) n);
  free (found);
  return TRUE;
}

static gboolean
encode_sentencepiece (const NevaTokenizer *self, const char *text, gsize length,
    gboolean at_start, GArray *ids, GError **error)
{
  return neva_tokenizer_encode_sp (
      at_start || self->legacy ? self->sp : self->sp_bare, text, length, ids,
      error);
}
#else
#define encode_sentencepiece encode_normalized
#endif

/* Text with added tokens in it. */
static gboolean
encode_segments (const NevaTokenizer *self, const char *text, gsize length,
    GArray *ids, GError **error)
{
  g_autoptr (GArray) segments =
      g_array_new (FALSE, FALSE, sizeof (NevaSegment));
  gboolean ok = TRUE;

  neva_added_cut (self->added, text, length, segments);
  for (guint i = 0; ok && i < segments->len; i++) {
    const NevaSegment *s = &g_array_index (segments, NevaSegment, i);

    if (s->id >= 0)
      g_array_append_val (ids, s->id);
    else if (self->sp)
      ok = encode_sentencepiece (
          self, text + s->start, s->length, s->start == 0, ids, error);
    else
      ok = encode_normalized (
          self, text + s->start, s->length, s->start == 0, ids, error);
  }
  return ok;
}

gboolean
neva_tokenizer_encode (const NevaTokenizer *self, const char *text,
    gssize length, GArray *ids, GError **error)
{
  const gsize n = length < 0 ? strlen (text) : (gsize) length;
  const guint before = ids->len;
  gboolean ok;
  gsize bad_at;

  if (n > MAX_TEXT_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_TOO_LONG,
        "a text of %" G_GSIZE_FORMAT " bytes", n);
    return FALSE;
  }
  if (!neva_utf8_valid ((const guint8 *) text, n, &bad_at)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the text is not UTF-8 at byte %" G_GSIZE_FORMAT, bad_at);
    return FALSE;
  }
  ok = self->slow && !self->legacy
           ? neva_tokenizer_encode_slow (self, text, n, ids, error)
           : encode_segments (self, text, n, ids, error);
  if (!ok)
    g_array_set_size (ids, before);
  return ok;
}

/* ---- Decoding ----------------------------------------------------------- */

static void
decode_one (const NevaTokenizer *self, NevaDecoding *decoding, gint32 id,
    gboolean skip_special, GString *out)
{
  const NevaPiece *piece = piece_at (self, id);

  if (!piece || (skip_special && piece->special))
    return;
  if (piece->silent) {
    /* says nothing, but bytes on both sides of it are no character */
    neva_decoding_flush (decoding, out);
    return;
  }
  neva_decoding_push (decoding, piece->surface ? piece->surface : piece->text,
      piece->literal, out);
}

void
neva_tokenizer_append_bytes (
    const NevaTokenizer *self, gint32 id, gboolean first, GByteArray *bytes)
{
  const NevaPiece *piece = piece_at (self, id);

  if (piece && !piece->silent && !piece->special)
    neva_decoder_append_bytes (self->decoder,
        piece->surface ? piece->surface : piece->text, piece->literal, first,
        bytes);
}

char *
neva_tokenizer_decode (const NevaTokenizer *self, const gint32 *ids,
    gsize n_ids, gboolean skip_special, gsize *length)
{
  GString *out = g_string_new (NULL);
  NevaDecoding decoding;

  neva_decoding_init (&decoding, self->decoder, FALSE);
  for (gsize i = 0; i < n_ids; i++)
    decode_one (self, &decoding, ids[i], skip_special, out);
  neva_decoding_flush (&decoding, out);
  neva_decoding_clear (&decoding);
  if (length)
    *length = out->len;
  return g_string_free (out, FALSE);
}

char *
neva_tokenizer_decode_text (const NevaTokenizer *self, const gint32 *ids,
    gsize n_ids, gboolean skip_special)
{
  gsize length;
  g_autofree char *text =
      neva_tokenizer_decode (self, ids, n_ids, skip_special, &length);
  GString *out = g_string_new_len (text, (gssize) length);

  neva_utf8_replace_nul (out);
  return g_string_free (out, FALSE);
}

/* Added to the model in the wrapper around it. */
static gboolean
is_behind_model (const NevaTokenizer *self, gint32 id)
{
#if HAVE_SENTENCEPIECE
  return self->sp && id >= neva_sp_size (self->sp) && piece_at (self, id);
#else
  (void) self, (void) id;
  return FALSE;
#endif
}

gboolean
neva_tokenizer_is_named (const NevaTokenizer *self, gint32 id)
{
  const NevaPiece *piece = piece_at (self, id);

  return piece && (piece->named || (piece->additional && !self->nemo_tokens));
}

char *
neva_tokenizer_decode_unnamed (
    const NevaTokenizer *self, const gint32 *ids, gsize n_ids)
{
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (gsize i = 0; i < n_ids; i++) {
    if (piece_at (self, ids[i]) && !neva_tokenizer_is_named (self, ids[i]))
      g_array_append_val (kept, ids[i]);
  }
  if (self->slow)
    return neva_tokenizer_decode_slow (
        self, (const gint32 *) (void *) kept->data, kept->len);
  return neva_tokenizer_decode_text (
      self, (const gint32 *) (void *) kept->data, kept->len, FALSE);
}

char *
neva_tokenizer_decode_legacy (
    const NevaTokenizer *self, const gint32 *ids, gsize n_ids)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (gsize at = 0, end; at <= n_ids; at = end + 1) {
    g_autofree char *text = NULL;

    for (end = at; end < n_ids && !is_behind_model (self, ids[end]);)
      end++;
    text = neva_tokenizer_decode_text (self, ids + at, end - at, FALSE);
    g_string_append (out, text);
    if (end < n_ids)
      g_string_append_printf (out, " %s ", piece_at (self, ids[end])->text);
  }
  return g_strdup (neva_py_strip (out->str));
}

struct _NevaDetokenizer {
  const NevaTokenizer *tokenizer;
  NevaDecoding decoding;
};

NevaDetokenizer *
neva_detokenizer_new (const NevaTokenizer *tokenizer)
{
  NevaDetokenizer *self = g_new0 (NevaDetokenizer, 1);

  self->tokenizer = tokenizer;
  neva_decoding_init (&self->decoding, tokenizer->decoder, TRUE);
  return self;
}

void
neva_detokenizer_free (NevaDetokenizer *self)
{
  if (!self)
    return;

  neva_decoding_clear (&self->decoding);
  g_free (self);
}

void
neva_detokenizer_push (NevaDetokenizer *self, gint32 id, GString *text)
{
  decode_one (self->tokenizer, &self->decoding, id, TRUE, text);
}

void
neva_detokenizer_flush (NevaDetokenizer *self, GString *text)
{
  neva_decoding_flush (&self->decoding, text);
}
