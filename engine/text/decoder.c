/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "bytelevel.h"
#include "decoder.h"
#include "json_member.h"
#include "utf8.h"

#define MARK "\xe2\x96\x81" /* U+2581, the visible space */

/* ---- The decoder of tokenizer.json -------------------------------------- */

static void
replacement_clear (gpointer data)
{
  NevaReplacement *r = data;

  g_free (r->from);
  g_free (r->to);
}

static void
add_replacement (NevaDecoder *self, const char *from, const char *to)
{
  const NevaReplacement r = {g_strdup (from), g_strdup (to)};

  if (!self->replacements) {
    self->replacements = g_array_new (FALSE, FALSE, sizeof r);
    g_array_set_clear_func (self->replacements, replacement_clear);
  }
  g_array_append_val (self->replacements, r);
}

void
neva_decoder_free (NevaDecoder *self)
{
  if (!self)
    return;

  g_clear_pointer (&self->replacements, g_array_unref);
  g_free (self->strip);
  g_free (self);
}

static gboolean
unsupported (GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "decoder %s is not supported", what);
  return FALSE;
}

static gboolean
parse_replace (NevaDecoder *self, JsonObject *object, GError **error)
{
  JsonObject *pattern = json_member_object (object, "pattern");
  const char *from = json_member_string (pattern, "String", "");

  if (!*from)
    return unsupported (error, "\"Replace\" without a literal pattern");

  add_replacement (self, from, json_member_string (object, "content", ""));
  return TRUE;
}

/* Fuse joins the pieces, so that a Strip behind it acts on the whole text. */
static gboolean
parse_strip (
    NevaDecoder *self, JsonObject *object, gboolean fused, GError **error)
{
  const gint64 start = json_member_int (object, "start", 0);

  if (!fused)
    return unsupported (error, "\"Strip\" before \"Fuse\"");
  if (self->strip || json_member_int (object, "stop", 0) != 0)
    return unsupported (error, "\"Strip\" with \"stop\", or twice,");

  self->strip = g_strdup (json_member_string (object, "content", " "));
  self->strip_start = (guint) CLAMP (start, 0, 1000000);
  return TRUE;
}

static gboolean
parse_step (NevaDecoder *self, JsonNode *node, gboolean *fused, GError **error)
{
  JsonObject *object =
      JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *type = json_member_string (object, "type", "(none)");
  JsonArray *list = json_member_array (object, "decoders");
  g_autofree char *quoted = NULL;

  if (strcmp (type, "Sequence") == 0 && list) {
    for (guint i = 0; i < json_array_get_length (list); i++)
      if (!parse_step (self, json_array_get_element (list, i), fused, error))
        return FALSE;
    return TRUE;
  }
  if (strcmp (type, "Replace") == 0)
    return parse_replace (self, object, error);
  if (strcmp (type, "Strip") == 0)
    return parse_strip (self, object, *fused, error);

  if (strcmp (type, "Fuse") == 0) {
    *fused = TRUE;
  } else if (strcmp (type, "ByteLevel") == 0) {
    self->byte_level = TRUE;
  } else if (strcmp (type, "ByteFallback") == 0) {
    self->byte_fallback = self->whole_runs = TRUE;
  } else if (strcmp (type, "Metaspace") == 0) {
    const char *scheme = json_member_string (object, "prepend_scheme",
        json_member_boolean (object, "add_prefix_space", TRUE) ? "always"
                                                               : "never");

    if (strcmp (scheme, "never") != 0)
      self->lead = NEVA_LEAD_METASPACE;
    add_replacement (
        self, json_member_string (object, "replacement", MARK), " ");
  } else {
    quoted = g_strdup_printf ("type \"%s\"", type);
    return unsupported (error, quoted);
  }
  return TRUE;
}

NevaDecoder *
neva_decoder_parse (JsonNode *node, GError **error)
{
  g_autoptr (NevaDecoder) self = g_new0 (NevaDecoder, 1);
  gboolean fused = FALSE;

  if (!node || JSON_NODE_HOLDS_NULL (node))
    self->spaced = TRUE;
  else if (!parse_step (self, node, &fused, error))
    return NULL;
  if (self->replacements) {
    for (guint i = 0; i < self->replacements->len; i++)
      if (!*g_array_index (self->replacements, NevaReplacement, i).from) {
        unsupported (error, "with an empty replacement character");
        return NULL;
      }
  }
  return g_steal_pointer (&self);
}

NevaDecoder *
neva_decoder_new_sentencepiece (NevaLead lead)
{
  NevaDecoder *self = g_new0 (NevaDecoder, 1);

  self->byte_fallback = TRUE;
  self->lead = lead;
  add_replacement (self, MARK, " ");
  return self;
}

/* ---- Decoding ----------------------------------------------------------- */

void
neva_decoding_init (
    NevaDecoding *self, const NevaDecoder *decoder, gboolean streaming)
{
  *self = (NevaDecoding){.decoder = decoder,
      .streaming = streaming,
      .pending = g_byte_array_new ()};
}

void
neva_decoding_clear (NevaDecoding *self)
{
  g_clear_pointer (&self->pending, g_byte_array_unref);
}

/* Appends text, less what is still to be stripped from the beginning. */
static void
emit (NevaDecoding *self, const char *text, gsize length, GString *out)
{
  const char *strip = self->decoder->strip;
  const gsize strip_length = strip ? strlen (strip) : 0;

  while (strip_length && length > 0 && !self->lead_done) {
    if (self->stripped >= self->decoder->strip_start || length < strip_length ||
        memcmp (text, strip, strip_length) != 0) {
      self->lead_done = TRUE;
      break;
    }
    text += strip_length;
    length -= strip_length;
    self->stripped++;
  }
  g_string_append_len (out, text, (gssize) length);
}

/* Gives out the characters of the pending bytes; `all`: there is no more to
 * come, so that incomplete ones are replaced. per_byte: one U+FFFD for each bad
 * byte, not for each bad sequence. */
static void
drain (NevaDecoding *self, gboolean per_byte, gboolean all, GString *out)
{
  GByteArray *pending = self->pending;
  gsize at = 0, length;

  while (at < pending->len) {
    const guint8 *p = pending->data + at;
    const gsize left = pending->len - at;
    const NevaUtf8 found = neva_utf8_scan (p, left, &length);

    if (found == NEVA_UTF8_CHAR) {
      emit (self, (const char *) p, length, out);
      at += length;
    } else if (found == NEVA_UTF8_PARTIAL && !all) {
      break;
    } else {
      if (found == NEVA_UTF8_PARTIAL)
        length = left;
      emit (self, NEVA_UTF8_REPLACEMENT, strlen (NEVA_UTF8_REPLACEMENT), out);
      at += per_byte ? 1 : length;
    }
  }
  if (at > 0)
    g_byte_array_remove_range (pending, 0, (guint) at);
}

static void
end_byte_run (NevaDecoding *self, GString *out)
{
  const GByteArray *pending = self->pending;

  if (self->decoder->whole_runs && !self->streaming &&
      !neva_utf8_valid (pending->data, pending->len, NULL)) {
    for (guint i = 0; i < pending->len; i++)
      emit (self, NEVA_UTF8_REPLACEMENT, strlen (NEVA_UTF8_REPLACEMENT), out);
    g_byte_array_set_size (self->pending, 0);
    return;
  }
  drain (self, TRUE, TRUE, out);
}

/* The byte that "<0xNN>" stands for, or -1. */
static int
fallback_byte (const char *piece)
{
  if (strlen (piece) != 6 || strncmp (piece, "<0x", 3) != 0 ||
      piece[5] != '>' || !g_ascii_isxdigit (piece[3]) ||
      !g_ascii_isxdigit (piece[4]))
    return -1;
  return g_ascii_xdigit_value (piece[3]) * 16 + g_ascii_xdigit_value (piece[4]);
}

static void
replace_all (GString *text, const NevaReplacement *r)
{
  const gsize from = strlen (r->from), to = strlen (r->to);
  gsize at = 0;
  const char *hit;

  while ((hit = strstr (text->str + at, r->from))) {
    at = (gsize) (hit - text->str);
    g_string_erase (text, (gssize) at, (gssize) from);
    g_string_insert_len (text, (gssize) at, r->to, (gssize) to);
    at += to;
  }
}

/* Marks at the beginning of the text that disappear. */
static const char *
skip_lead (NevaDecoding *self, const char *piece, gboolean first)
{
  const NevaLead lead = self->decoder->lead;

  if (lead == NEVA_LEAD_METASPACE && first) {
    while (g_str_has_prefix (piece, MARK))
      piece += strlen (MARK);
  } else if (lead == NEVA_LEAD_ONE || lead == NEVA_LEAD_ALL) {
    const gboolean marked = g_str_has_prefix (piece, MARK);

    if (!self->lead_done && marked)
      piece += strlen (MARK);
    if ((marked && lead == NEVA_LEAD_ONE) || *piece)
      self->lead_done = TRUE;
  }
  return piece;
}

void
neva_decoding_push (
    NevaDecoding *self, const char *piece, gboolean literal, GString *out)
{
  const NevaDecoder *decoder = self->decoder;
  const gboolean first = !self->started;
  const int byte =
      decoder->byte_fallback && !literal ? fallback_byte (piece) : -1;
  g_autoptr (GString) text = NULL;

  self->started = TRUE;
  if (decoder->byte_level) {
    text = g_string_new (NULL);
    neva_bytelevel_decode (piece, strlen (piece), text);
    g_byte_array_append (
        self->pending, (const guint8 *) text->str, (guint) text->len);
    drain (self, FALSE, FALSE, out);
    return;
  }
  if (byte >= 0) {
    const guint8 b = (guint8) byte;

    if (decoder->lead == NEVA_LEAD_ONE || decoder->lead == NEVA_LEAD_ALL)
      self->lead_done = TRUE;
    g_byte_array_append (self->pending, &b, 1);
    if (!decoder->whole_runs || self->streaming)
      drain (self, TRUE, FALSE, out);
    return;
  }
  end_byte_run (self, out);
  if (decoder->spaced && !first)
    g_string_append_c (out, ' ');
  text = g_string_new (skip_lead (self, piece, first));
  for (guint i = 0; decoder->replacements && i < decoder->replacements->len;
       i++)
    replace_all (
        text, &g_array_index (decoder->replacements, NevaReplacement, i));
  emit (self, text->str, text->len, out);
}

void
neva_decoding_flush (NevaDecoding *self, GString *out)
{
  if (self->decoder->byte_level)
    drain (self, FALSE, TRUE, out);
  else
    end_byte_run (self, out);
}

void
neva_decoder_append_bytes (const NevaDecoder *decoder, const char *piece,
    gboolean literal, gboolean first, GByteArray *bytes)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const int byte =
      decoder->byte_fallback && !literal ? fallback_byte (piece) : -1;
  NevaDecoding decoding;

  if (decoder->byte_level) {
    neva_bytelevel_decode (piece, strlen (piece), text);
  } else if (byte >= 0) {
    g_string_append_c (text, (char) byte);
  } else {
    neva_decoding_init (&decoding, decoder, TRUE);
    decoding.started = decoding.lead_done = !first;
    neva_decoding_push (&decoding, piece, literal, text);
    neva_decoding_clear (&decoding);
  }
  g_byte_array_append (bytes, (const guint8 *) text->str, (guint) text->len);
}
