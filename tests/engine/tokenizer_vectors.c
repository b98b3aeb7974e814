/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders with a tokenizer and tokenizer_vectors.json (text -> ids -> decoded):
 * those named as arguments, or all of tests/data and ../shared/reference.
 * Streaming must give
 * what decoding gives. */
#include "config.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "checkpoint/json_file.h"
#include "text/tokenizer.h"

/* json-glib's strings end at NUL: takes one from the file's own text instead.
 * Returns the text of the next string at *p, past its closing quote. */
static GString *
next_string (const char **p)
{
  GString *out = g_string_new (NULL);
  const char *s = strchr (*p, '"');

  for (s++; *s && *s != '"'; s++) {
    gunichar c = 0;

    if (*s != '\\') {
      g_string_append_c (out, *s);
      continue;
    }
    s++;
    if (*s == 'u') {
      c = (gunichar) g_ascii_strtoull (
          ((char[5]){s[1], s[2], s[3], s[4], 0}), NULL, 16);
      s += 4;
      if (c >= 0xd800 && c < 0xdc00) {
        const gunichar low = (gunichar) g_ascii_strtoull (
            ((char[5]){s[3], s[4], s[5], s[6], 0}), NULL, 16);

        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        s += 6;
      }
      g_string_append_unichar (out, c);
    } else {
      g_string_append_c (out, *s == 'n'   ? '\n'
                              : *s == 't' ? '\t'
                              : *s == 'r' ? '\r'
                              : *s == 'b' ? '\b'
                              : *s == 'f' ? '\f'
                                          : *s);
    }
  }
  *p = s + 1;
  return out;
}

static GArray *
next_ids (const char **p)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  const char *s = strchr (*p, '[') + 1;

  while (*s && *s != ']') {
    char *end;
    const gint32 id = (gint32) g_ascii_strtoll (s, &end, 10);

    if (end == s) {
      s++;
      continue;
    }
    g_array_append_val (ids, id);
    s = end;
  }
  *p = s;
  return ids;
}

static char *
show (const GArray *ids)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < MIN (ids->len, 40); i++)
    g_string_append_printf (out, " %d", g_array_index (ids, gint32, i));
  return g_string_free (out, FALSE);
}

static void
check_vector (const NevaTokenizer *tokenizer, const char *folder,
    const GString *text, const GArray *want, const GString *decoded)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaDetokenizer) stream = neva_detokenizer_new (tokenizer);
  g_autoptr (GString) streamed = g_string_new (NULL);
  g_autofree char *back = NULL, *got_ids = NULL, *want_ids = show (want);
  gsize length = 0;

  CHECK (neva_tokenizer_encode (
             tokenizer, text->str, (gssize) text->len, ids, &error),
      "%s: %s", folder, error ? error->message : "");
  got_ids = show (ids);
  CHECK (ids->len == want->len &&
             memcmp (ids->data, want->data, want->len * sizeof (gint32)) == 0,
      "%s: \"%s\":\n  got %s\n  want%s", folder, text->str, got_ids, want_ids);
  back = neva_tokenizer_decode (
      tokenizer, (const gint32 *) want->data, want->len, FALSE, &length);
  CHECK (length == decoded->len && memcmp (back, decoded->str, length) == 0,
      "%s: \"%s\" decodes to \"%s\", not \"%s\"", folder, text->str, back,
      decoded->str);

  g_free (back);
  back = neva_tokenizer_decode (
      tokenizer, (const gint32 *) want->data, want->len, TRUE, &length);
  for (guint i = 0; i < want->len; i++) {
    neva_detokenizer_push (stream, g_array_index (want, gint32, i), streamed);
    CHECK (streamed->len <= length &&
               memcmp (back, streamed->str, streamed->len) == 0,
        "%s: \"%s\" after token %u", folder, text->str, i);
  }
  neva_detokenizer_flush (stream, streamed);
  CHECK (streamed->len == length && memcmp (back, streamed->str, length) == 0,
      "%s: \"%s\" streams as \"%s\"", folder, text->str, streamed->str);
}

static void
check_folder (const char *folder)
{
  g_autofree char *path =
      g_build_filename (folder, "tokenizer_vectors.json", NULL);
  g_autofree char *vectors = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaTokenizer) tokenizer = NULL;
  const guint before = check_count;

  if (!g_file_get_contents (path, &vectors, NULL, NULL))
    return;
  tokenizer = neva_tokenizer_open (folder, &error);
  CHECK (tokenizer != NULL, "%s", error ? error->message : "");
  if (!tokenizer)
    return;

  for (const char *p = vectors; (p = strstr (p, "\"text\""));) {
    p += strlen ("\"text\"");
    g_autoptr (GString) text = next_string (&p);
    g_autoptr (GArray) ids = next_ids (&p);

    p = strstr (p, "\"decoded\"") + strlen ("\"decoded\"");
    g_autoptr (GString) decoded = next_string (&p);
    check_vector (tokenizer, folder, text, ids, decoded);
  }
  printf ("%s: %u checks\n", folder, check_count - before);
}

static void
check_all (const char *root)
{
  g_autoptr (GDir) dir = g_dir_open (root, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *folder = g_build_filename (root, name, NULL);

    check_folder (folder);
  }
}

int
main (int argc, char **argv)
{
  const char *shared = check_shared (), *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *own = g_build_filename (
      source ? source : ".", "tests", "data", "reference", NULL);
  g_autofree char *reference =
      shared ? g_build_filename (shared, "reference", NULL) : NULL;

  for (int i = 1; i < argc; i++)
    check_folder (argv[i]);
  if (argc < 2)
    check_all (own);
  if (argc < 2 && reference)
    check_all (reference);
  return check_finish ();
}
