/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The protocol buffer is sentencepiece_model.proto of google/sentencepiece; the
 * normalisation table is a darts-clone double array behind a 4-byte length,
 * then NUL-terminated replacements (its leaves are offsets into them). */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "sentencepiece_check.h"

#define MAX_PIECES (1u << 22)
#define MAX_PIECE_BYTES 4096
#define MAX_TRIE_UNITS (1u << 20)
#define MAX_RULES_ON_A_PATH 32 /* the library's array of matches */
#define MAX_SYMBOLS_ON_A_PATH 64
#define USER_DEFINED 4

typedef struct {
  const guint8 *at, *end;
} Bytes;

typedef struct {
  guint number;
  Bytes bytes;   /* of a length-delimited field */
  guint64 value; /* of the others */
} Field;

G_GNUC_PRINTF (2, 3)
static gboolean
broken (GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *message = NULL;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, message);
  return FALSE;
}

/* ---- Protocol buffer ---------------------------------------------------- */

static gboolean
read_varint (Bytes *b, guint64 *value)
{
  *value = 0;
  for (guint shift = 0; shift < 64 && b->at < b->end; shift += 7) {
    const guint8 byte = *b->at++;

    *value |= (guint64) (byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return TRUE;
  }
  return FALSE;
}

static gboolean
read_fixed (Bytes *b, gsize n, guint64 *value)
{
  if ((gsize) (b->end - b->at) < n)
    return FALSE;

  *value = 0;
  for (gsize i = 0; i < n; i++)
    *value |= (guint64) b->at[i] << (8 * i);
  b->at += n;
  return TRUE;
}

/* FALSE when the bytes are no field; groups, which the format does not use,
 * count as none. */
static gboolean
read_field (Bytes *b, Field *field)
{
  guint64 key, length;

  if (!read_varint (b, &key) || key >> 3 == 0 || key >> 3 > G_MAXINT32)
    return FALSE;

  *field = (Field){.number = (guint) (key >> 3)};
  switch (key & 7) {
    case 0:
      return read_varint (b, &field->value);
    case 1:
      return read_fixed (b, 8, &field->value);
    case 2:
      if (!read_varint (b, &length) || length > (gsize) (b->end - b->at))
        return FALSE;
      field->bytes = (Bytes){b->at, b->at + length};
      b->at += length;
      return TRUE;
    case 5:
      return read_fixed (b, 4, &field->value);
    default:
      return FALSE;
  }
}

/* ---- The normalisation table -------------------------------------------- */

typedef struct {
  const guint8 *units; /* little endian, 4 bytes each */
  guint32 n;
  const guint8 *text;
  gsize text_bytes;
  guint8 *rules; /* [n] 1 + rules on the way to a unit; 0: not reached */
  GArray *stack; /* guint32 */
} Trie;

static guint32
unit (const Trie *trie, guint32 at)
{
  const guint8 *p = trie->units + 4 * (gsize) at;

  return p[0] | (guint32) p[1] << 8 | (guint32) p[2] << 16 |
         (guint32) p[3] << 24;
}

/* Follows one unit to the units behind it. */
static gboolean
follow (Trie *trie, guint32 at)
{
  const guint32 u = unit (trie, at);
  const guint32 base = at ^ (u >> 10) << ((u & 1u << 9) >> 6);
  guint8 rules = trie->rules[at];

  if (base >= trie->n)
    return FALSE;
  if (u >> 8 & 1) {
    const guint32 value = unit (trie, base) & 0x7fffffff;

    if (value >= trie->text_bytes || ++rules > 1 + MAX_RULES_ON_A_PATH)
      return FALSE;
  }
  for (guint32 c = 0; c < 256; c++) {
    const guint32 next = base ^ c;

    if (next >= trie->n)
      return FALSE;
    /* bit 31 marks a value, which no label matches */
    if ((unit (trie, next) & 0x800000ffu) != c)
      continue;
    /* Tails are shared, so that a unit may be reached again; only a longer way
     * matters. A ring with a rule on it grows until it is refused. */
    if (trie->rules[next] < rules) {
      trie->rules[next] = rules;
      g_array_append_val (trie->stack, next);
    }
  }
  return TRUE;
}

static gboolean
check_charsmap (Bytes b, GError **error)
{
  Trie trie = {0};
  const guint32 root = 0;
  guint64 bytes;
  gboolean ok = TRUE;

  if (b.at == b.end)
    return TRUE;
  if (!read_fixed (&b, 4, &bytes) || bytes < 4 || bytes % 4 != 0 ||
      bytes >= (gsize) (b.end - b.at) || bytes / 4 > MAX_TRIE_UNITS ||
      b.end[-1] != '\0')
    return broken (error, "normalisation table of impossible size");

  trie.units = b.at;
  trie.n = (guint32) (bytes / 4);
  trie.text = b.at + bytes;
  trie.text_bytes = (gsize) (b.end - trie.text);
  trie.rules = g_malloc0 (trie.n);
  trie.rules[0] = 1;
  trie.stack = g_array_new (FALSE, FALSE, sizeof root);
  g_array_append_val (trie.stack, root);
  while (ok && trie.stack->len > 0) {
    const guint32 at = g_array_index (trie.stack, guint32, trie.stack->len - 1);

    g_array_set_size (trie.stack, trie.stack->len - 1);
    ok = follow (&trie, at);
  }
  g_free (trie.rules);
  g_array_unref (trie.stack);
  return ok || broken (error, "normalisation table that leads astray");
}

/* ---- Messages ----------------------------------------------------------- */

static gboolean
check_normalizer (Bytes b, NevaSpInfo *info, GError **error)
{
  Field f;

  while (b.at < b.end) {
    if (!read_field (&b, &f))
      return broken (error, "broken normalizer specification");
    if (f.number == 2 && !check_charsmap (f.bytes, error))
      return FALSE;
    if (f.number == 3)
      info->add_dummy_prefix = f.value != 0;
    else if (f.number == 4)
      info->remove_extra_whitespaces = f.value != 0;
  }
  return TRUE;
}

static gboolean
check_trainer (Bytes b, NevaSpInfo *info, GError **error)
{
  Field f;

  while (b.at < b.end) {
    gsize length;

    if (!read_field (&b, &f))
      return broken (error, "broken trainer specification");
    length = (gsize) (f.bytes.end - f.bytes.at);
    if (f.number == 24 && f.value != 0) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
          "sentencepiece with treat_whitespace_as_suffix is not supported");
      return FALSE;
    }
    if (f.number == 44 && f.bytes.at) {
      if (length >= sizeof info->unknown_surface ||
          !g_utf8_validate_len ((const char *) f.bytes.at, length, NULL) ||
          memchr (f.bytes.at, '\0', length))
        return broken (error, "broken unk_surface");
      memcpy (info->unknown_surface, f.bytes.at, length);
      info->unknown_surface[length] = '\0';
    }
  }
  return TRUE;
}

static gboolean
check_piece (Bytes b, gsize index, GPtrArray *symbols, GError **error)
{
  Bytes text = {NULL, NULL};
  guint64 type = 1;
  Field f;

  while (b.at < b.end) {
    if (!read_field (&b, &f))
      return broken (error, "piece %" G_GSIZE_FORMAT " is broken", index);
    if (f.number == 1) {
      text = f.bytes;
    } else if (f.number == 2) {
      const guint32 bits = (guint32) f.value;
      float score;

      memcpy (&score, &bits, sizeof score);
      if (!isfinite (score))
        return broken (error, "score of piece %" G_GSIZE_FORMAT, index);
    } else if (f.number == 3) {
      type = f.value;
    }
  }
  if (!text.at || text.at == text.end || text.end - text.at > MAX_PIECE_BYTES ||
      !g_utf8_validate_len (
          (const char *) text.at, (gsize) (text.end - text.at), NULL) ||
      memchr (text.at, '\0', (gsize) (text.end - text.at)))
    return broken (
        error, "text of piece %" G_GSIZE_FORMAT " is empty or no text", index);
  if (type == USER_DEFINED)
    g_ptr_array_add (symbols,
        g_strndup ((const char *) text.at, (gsize) (text.end - text.at)));
  return TRUE;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* User-defined symbols that are prefixes of each other: the library collects
 * all that match at one place. In sorted order the prefixes of a string are a
 * stack. */
static gboolean
check_symbols (GPtrArray *symbols, GError **error)
{
  const char *stack[MAX_SYMBOLS_ON_A_PATH];
  guint depth = 0;

  g_ptr_array_sort (symbols, compare_strings);
  for (guint i = 0; i < symbols->len; i++) {
    const char *symbol = symbols->pdata[i];

    while (depth > 0 && !g_str_has_prefix (symbol, stack[depth - 1]))
      depth--;
    if (depth == MAX_SYMBOLS_ON_A_PATH)
      return broken (error, "too many user-defined symbols within another");
    stack[depth++] = symbol;
  }
  return TRUE;
}

gboolean
neva_sp_check (
    const guint8 *proto, gsize size, NevaSpInfo *info, GError **error)
{
  g_autoptr (GPtrArray) symbols = g_ptr_array_new_with_free_func (g_free);
  NevaSpInfo result = {.add_dummy_prefix = TRUE,
      .remove_extra_whitespaces = TRUE,
      .unknown_surface = " \xe2\x81\x87 "};
  NevaSpInfo unread = {0};
  Bytes b = {proto, size ? proto + size : proto}; /* proto may be NULL then */
  Field f;

  while (b.at < b.end) {
    gboolean ok = TRUE;

    if (!read_field (&b, &f))
      return broken (error, "not a sentencepiece model, or truncated");
    if (f.number <= 5 && !f.bytes.at)
      return broken (error, "field %u of the wrong type", f.number);
    if (f.number == 1)
      ok = check_piece (f.bytes, result.n_pieces++, symbols, error);
    else if (f.number == 2)
      ok = check_trainer (f.bytes, &result, error);
    else if (f.number == 3)
      ok = check_normalizer (f.bytes, &result, error);
    else if (f.number == 5)
      ok = check_normalizer (f.bytes, &unread, error);
    if (!ok)
      return FALSE;
    if (result.n_pieces > MAX_PIECES)
      return broken (error, "more than %u pieces", MAX_PIECES);
  }
  if (result.n_pieces == 0)
    return broken (error, "no pieces");
  if (!check_symbols (symbols, error))
    return FALSE;

  *info = result;
  return TRUE;
}
