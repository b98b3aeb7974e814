/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Token ids and decoded text of tokenizer_vectors.json: all exactly equal. */
#include "config.h"
#include <string.h>
#include "stages.h"
#include "text/tokenizer.h"

/* json-glib's strings end at NUL. Its escape becomes that of a private
 * character in the file's text, which is turned back in the parsed string. */
#define NUL_STAND_IN "\xee\x80\x80" /* U+E000 */

static JsonNode *
read_vectors (Report *r, const char *folder)
{
  g_autofree char *path =
      g_build_filename (folder, "tokenizer_vectors.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, &error))
    goto fail;
  for (char *p = text; *p; p++) {
    if (*p == '\\' && g_str_has_prefix (p, "\\u0000"))
      memcpy (p, "\\ue000", 6);
    if (*p == '\\' && p[1])
      p++;
  }
  if (!json_parser_load_from_data (parser, text, -1, &error))
    goto fail;
  return json_node_ref (json_parser_get_root (parser));

fail:
  report_failure (r, "tokenizer_vectors", error->message);
  return NULL;
}

static GString *
real_text (JsonObject *vector, const char *key)
{
  GString *text = g_string_new (json_object_get_string_member (vector, key));
  char *at;

  while ((at = strstr (text->str, NUL_STAND_IN))) {
    const gssize pos = at - text->str;

    /* strstr () ends at the first NUL, so the rest waits behind it */
    g_string_erase (text, pos, (gssize) strlen (NUL_STAND_IN));
    g_string_insert_len (text, pos, "", 1);
  }
  return text;
}

static gboolean
same_ids (const GArray *ids, JsonArray *want)
{
  if (ids->len != json_array_get_length (want))
    return FALSE;
  for (guint i = 0; i < ids->len; i++) {
    if (g_array_index (ids, gint32, i) != json_array_get_int_element (want, i))
      return FALSE;
  }
  return TRUE;
}

void
check_text (Report *r, const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (folder, &error);
  g_autoptr (JsonNode) root = NULL;
  JsonArray *vectors;
  gsize encoded = 0, decoded = 0;

  if (!tokenizer) {
    report_failure (r, "tokenizer", error->message);
    return;
  }
  if (!(root = read_vectors (r, folder)))
    return;
  vectors = json_node_get_array (root);
  for (guint i = 0; i < json_array_get_length (vectors); i++) {
    JsonObject *v = json_array_get_object_element (vectors, i);
    g_autoptr (GString) text = real_text (v, "text");
    g_autoptr (GString) want = real_text (v, "decoded");
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
    g_autofree char *got = NULL;
    gsize length;

    if (!neva_tokenizer_encode (
            tokenizer, text->str, (gssize) text->len, ids, NULL))
      continue;
    encoded += same_ids (ids, json_object_get_array_member (v, "ids"));
    got = neva_tokenizer_decode (
        tokenizer, (const gint32 *) ids->data, ids->len, FALSE, &length);
    decoded += length == want->len && memcmp (got, want->str, length) == 0;
  }
  report_equal (r, "token ids", encoded, json_array_get_length (vectors));
  report_equal (r, "decoded text", decoded, json_array_get_length (vectors));
}

static char *
decode_nemo (
    const NevaTokenizer *tokenizer, const gint32 *ids, gsize n, gboolean legacy)
{
  return legacy ? neva_tokenizer_decode_legacy (tokenizer, ids, n)
                : neva_tokenizer_decode_unnamed (tokenizer, ids, n);
}

void
check_nemo_text (Report *r, JsonObject *expected,
    const NevaTokenizer *tokenizer, gboolean legacy)
{
  JsonArray *vectors = json_object_has_member (expected, "texts")
                           ? json_object_get_array_member (expected, "texts")
                           : NULL;
  gsize encoded = 0, texts = 0, decoded = 0;

  for (guint i = 0; vectors && i < json_array_get_length (vectors); i++) {
    JsonObject *v = json_array_get_object_element (vectors, i);
    JsonArray *want = json_object_get_array_member (v, "ids");
    const char *text =
        json_object_get_string_member_with_default (v, "text", NULL);
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
    g_autofree char *got = NULL;

    if (text) {
      texts++;
      encoded += neva_tokenizer_encode (tokenizer, text, -1, ids, NULL) &&
                 same_ids (ids, want);
    }
    g_array_set_size (ids, 0);
    for (guint k = 0; k < json_array_get_length (want); k++) {
      const gint32 id = (gint32) json_array_get_int_element (want, k);

      g_array_append_val (ids, id);
    }
    got = decode_nemo (
        tokenizer, (const gint32 *) (void *) ids->data, ids->len, legacy);
    decoded += !strcmp (got, json_object_get_string_member (v, "decoded"));
  }
  if (!vectors)
    return;
  report_equal (r, "token ids", encoded, texts);
  report_equal (r, "decoded text", decoded, json_array_get_length (vectors));
}
