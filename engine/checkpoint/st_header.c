/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "st_header.h"

#include <neva/error.h>
#include <string.h>

#define MAX_NAME 1024 /* bytes; names of real checkpoints stay below 200 */

typedef struct {
  const char *at, *end, *start;
  const char *file;
  GError **error;
} Cursor;

/* bytes per element; the table is also the list of what is understood */
static const struct {
  const char name[8];
  guint size;
} dtypes[] = {{"BOOL", 1}, {"U8", 1}, {"I8", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
    {"I16", 2}, {"U16", 2}, {"F16", 2}, {"BF16", 2}, {"I32", 4}, {"U32", 4},
    {"F32", 4}, {"F64", 8}, {"I64", 8}, {"U64", 8}};

void
neva_st_entry_clear (gpointer entry)
{
  g_free ((char *) ((NevaStEntry *) entry)->view.name);
}

static gboolean
fail (const Cursor *c, const char *what)
{
  g_set_error (c->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: header is broken at byte %" G_GSIZE_FORMAT ": %s", c->file,
      (gsize) (c->at - c->start), what);
  return FALSE;
}

static void
skip_space (Cursor *c)
{
  while (c->at < c->end &&
         (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
    c->at++;
}

static gboolean
peek (Cursor *c, char ch)
{
  skip_space (c);
  return c->at < c->end && *c->at == ch;
}

static gboolean
expect (Cursor *c, char ch)
{
  const char what[] = {
      '\'', ch, '\'', ' ', 'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', '\0'};

  if (!peek (c, ch))
    return fail (c, what);
  c->at++;
  return TRUE;
}

/* After a member: TRUE with *more set, on ',' or the closing character. */
static gboolean
next_or_close (Cursor *c, char close, gboolean *more)
{
  if (peek (c, ',')) {
    c->at++;
    *more = TRUE;
    return TRUE;
  }
  *more = FALSE;
  return expect (c, close);
}

static gboolean
parse_unicode_escape (Cursor *c, GString *out)
{
  gunichar u = 0;

  for (int i = 0; i < 4; i++, c->at++) {
    if (c->at >= c->end || !g_ascii_isxdigit (*c->at))
      return fail (c, "four hexadecimal digits expected after \\u");
    u = u << 4 | (gunichar) g_ascii_xdigit_value (*c->at);
  }
  if (u == 0 || (u >= 0xd800 && u < 0xe000))
    return fail (c, "unsupported \\u escape");
  g_string_append_unichar (out, u);
  return TRUE;
}

static gboolean
parse_escape (Cursor *c, GString *out)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *p;

  if (c->at < c->end && *c->at == 'u') {
    c->at++;
    return parse_unicode_escape (c, out);
  }
  p = c->at < c->end && *c->at ? strchr (from, *c->at) : NULL;
  if (!p)
    return fail (c, "unknown escape");
  g_string_append_c (out, to[p - from]);
  c->at++;
  return TRUE;
}

/* `limit` bytes at most; strings of __metadata__ may be long. */
static gboolean
parse_string (Cursor *c, GString *out, gsize limit)
{
  g_string_truncate (out, 0);
  if (!expect (c, '"'))
    return FALSE;
  while (c->at < c->end && *c->at != '"') {
    if ((guchar) *c->at < 0x20)
      return fail (c, "control character in a string");
    if (out->len >= limit)
      return fail (c, "string is too long");
    if (*c->at == '\\') {
      c->at++;
      if (!parse_escape (c, out))
        return FALSE;
    } else {
      g_string_append_c (out, *c->at++);
    }
  }
  if (!expect (c, '"'))
    return FALSE;
  if (!g_utf8_validate (out->str, (gssize) out->len, NULL))
    return fail (c, "string is not UTF-8");
  return TRUE;
}

static gboolean
parse_uint (Cursor *c, guint64 *value)
{
  guint64 v = 0;

  skip_space (c);
  if (c->at >= c->end || !g_ascii_isdigit (*c->at))
    return fail (c, "whole number expected");
  for (; c->at < c->end && g_ascii_isdigit (*c->at); c->at++) {
    if (__builtin_mul_overflow (v, (guint64) 10, &v) ||
        __builtin_add_overflow (v, (guint64) (*c->at - '0'), &v))
      return fail (c, "number is too large");
  }
  *value = v;
  return TRUE;
}

/* [a, b, …] of at most `max`; *n gets the count. */
static gboolean
parse_uints (Cursor *c, guint64 *values, guint max, guint *n)
{
  gboolean more = TRUE;

  *n = 0;
  if (!expect (c, '['))
    return FALSE;
  if (peek (c, ']')) {
    c->at++;
    return TRUE;
  }
  while (more) {
    if (*n == max)
      return fail (c, "too many numbers in an array");
    if (!parse_uint (c, &values[(*n)++]) || !next_or_close (c, ']', &more))
      return FALSE;
  }
  return TRUE;
}

static gboolean
parse_metadata (Cursor *c, GString *scratch)
{
  gboolean more = TRUE;

  if (!expect (c, '{'))
    return FALSE;
  if (peek (c, '}')) {
    c->at++;
    return TRUE;
  }
  while (more) {
    if (!parse_string (c, scratch, G_MAXSIZE) || !expect (c, ':') ||
        !parse_string (c, scratch, G_MAXSIZE) || !next_or_close (c, '}', &more))
      return FALSE;
  }
  return TRUE;
}

enum { SEEN_DTYPE = 1, SEEN_SHAPE = 2, SEEN_OFFSETS = 4, SEEN_ALL = 7 };

static gboolean
parse_dtype (Cursor *c, GString *scratch, NevaTensorView *view)
{
  if (!parse_string (c, scratch, MAX_NAME))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (dtypes); i++) {
    if (g_str_equal (dtypes[i].name, scratch->str)) {
      view->dtype = dtypes[i].name;
      view->bytes = dtypes[i].size;
      return TRUE;
    }
  }
  g_set_error (c->error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "%s: tensor '%s' has the unknown type '%s'", c->file, view->name,
      scratch->str);
  return FALSE;
}

static gboolean
parse_field (Cursor *c, GString *scratch, NevaStEntry *e, guint *seen)
{
  guint64 values[NEVA_TENSOR_MAX_DIMS];
  guint n, field;

  if (!parse_string (c, scratch, MAX_NAME) || !expect (c, ':'))
    return FALSE;
  field = g_str_equal (scratch->str, "dtype")          ? SEEN_DTYPE
          : g_str_equal (scratch->str, "shape")        ? SEEN_SHAPE
          : g_str_equal (scratch->str, "data_offsets") ? SEEN_OFFSETS
                                                       : 0;
  if (!field)
    return fail (c, "unknown key of a tensor");
  if (*seen & field)
    return fail (c, "key of a tensor occurs twice");
  *seen |= field;
  if (field == SEEN_DTYPE)
    return parse_dtype (c, scratch, &e->view);
  if (field == SEEN_SHAPE) {
    if (!parse_uints (c, values, NEVA_TENSOR_MAX_DIMS, &e->view.n_dims))
      return FALSE;
    for (guint i = 0; i < e->view.n_dims; i++)
      e->view.shape[i] = (gsize) values[i];
    return TRUE;
  }
  if (!parse_uints (c, values, 2, &n))
    return FALSE;
  if (n != 2)
    return fail (c, "data_offsets needs two numbers");
  e->begin = values[0];
  e->end = values[1];
  return TRUE;
}

/* Elements and bytes by the shape, against the offsets. */
static gboolean
check_size (const Cursor *c, NevaStEntry *e)
{
  NevaTensorView *view = &e->view;
  gsize n = 1;

  for (guint i = 0; i < view->n_dims; i++) {
    if (__builtin_mul_overflow (n, view->shape[i], &n))
      goto overflow;
  }
  view->n_elements = n;
  if (__builtin_mul_overflow (n, view->bytes, &view->bytes))
    goto overflow;
  if (e->begin > e->end || e->end - e->begin != view->bytes) {
    g_set_error (c->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s': its shape needs %" G_GSIZE_FORMAT
        " bytes, data_offsets are %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
        c->file, view->name, view->bytes, e->begin, e->end);
    return FALSE;
  }
  return TRUE;

overflow:
  g_set_error (c->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: tensor '%s': its shape is too large", c->file, view->name);
  return FALSE;
}

static gboolean
parse_tensor (Cursor *c, GString *scratch, NevaStEntry *e)
{
  gboolean more = TRUE;
  guint seen = 0;

  if (!expect (c, '{'))
    return FALSE;
  while (more) {
    if (!parse_field (c, scratch, e, &seen) || !next_or_close (c, '}', &more))
      return FALSE;
  }
  if (seen != SEEN_ALL)
    return fail (c, "a tensor needs dtype, shape and data_offsets");
  return check_size (c, e);
}

static gboolean
parse_member (Cursor *c, GString *scratch, GHashTable *names, GArray *entries)
{
  NevaStEntry e = {0};

  if (!parse_string (c, scratch, MAX_NAME) || !expect (c, ':'))
    return FALSE;
  if (g_hash_table_contains (names, scratch->str)) {
    g_set_error (c->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s' occurs twice", c->file, scratch->str);
    return FALSE;
  }
  g_hash_table_add (names, g_strdup (scratch->str));
  if (g_str_equal (scratch->str, "__metadata__"))
    return parse_metadata (c, scratch);

  e.view.name = g_strdup (scratch->str);
  if (!parse_tensor (c, scratch, &e)) {
    neva_st_entry_clear (&e);
    return FALSE;
  }
  g_array_append_val (entries, e);
  return TRUE;
}

gboolean
neva_st_header_parse (const char *text, gsize length, const char *file,
    GArray *entries, GError **error)
{
  Cursor c = {text, text + length, text, file, error};
  g_autoptr (GHashTable) names =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GString) scratch = g_string_new (NULL);
  gboolean more = TRUE;

  if (!expect (&c, '{'))
    return FALSE;
  if (peek (&c, '}')) {
    c.at++;
    more = FALSE;
  }
  while (more) {
    if (!parse_member (&c, scratch, names, entries) ||
        !next_or_close (&c, '}', &more))
      return FALSE;
  }
  skip_space (&c);
  if (c.at != c.end)
    return fail (&c, "text after the closing brace");
  return TRUE;
}
