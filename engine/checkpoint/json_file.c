/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "json_file.h"

#include <neva/error.h>
#include <errno.h>
#include <glib/gstdio.h>

#define MAX_DEPTH 64

/* json-glib also takes comments and strings in single quotes, in which brackets
 * would hide from the count; JSON has neither. */
gboolean
neva_json_is_shallow (const char *text, gsize length)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < length; i++) {
    const char ch = text[i];

    if (in_string) {
      if (ch == '\\')
        i++;
      else if (ch == '"')
        in_string = FALSE;
    } else if (ch == '"') {
      in_string = TRUE;
    } else if (ch == '/' || ch == '#' || ch == '\'') {
      return FALSE;
    } else if (ch == '{' || ch == '[') {
      if (++depth > MAX_DEPTH)
        return FALSE;
    } else if ((ch == '}' || ch == ']') && depth > 0) {
      depth--;
    }
  }
  return TRUE;
}

static char *
read_text (const char *path, gsize max_bytes, gsize *length, GError **error)
{
  g_autoptr (GError) io = NULL;
  GStatBuf st;
  char *text;

  if (g_stat (path, &st) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path,
        g_strerror (errno));
    return NULL;
  }
  if (!S_ISREG (st.st_mode) || (guint64) st.st_size > max_bytes) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: not a file of at most %" G_GSIZE_FORMAT " bytes", path, max_bytes);
    return NULL;
  }
  if (!g_file_get_contents (path, &text, length, &io)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path, io->message);
    return NULL;
  }
  return text;
}

JsonNode *
neva_json_parse_object (
    const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) json = NULL;
  JsonNode *root;

  if (length == 0 || !g_utf8_validate (text, (gssize) length, NULL)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", name,
        length == 0 ? "the file is empty" : "not UTF-8 text");
    return NULL;
  }
  if (!neva_json_is_shallow (text, length)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: not JSON, or nested deeper than %d levels", name, MAX_DEPTH);
    return NULL;
  }
  if (!json_parser_load_from_data (parser, text, (gssize) length, &json)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", name, json->message);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: a JSON object is expected", name);
    return NULL;
  }
  return json_node_ref (root);
}

JsonNode *
neva_json_file_read (
    const char *folder, const char *name, gsize max_bytes, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *text = NULL;
  gsize length;

  if (!(text = read_text (path, max_bytes, &length, error)))
    return NULL;
  return neva_json_parse_object (text, length, path, error);
}
