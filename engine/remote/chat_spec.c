/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What needs no network: where to post to, and with which key. */
#include "config.h"
#include <string.h>
#include "remote/chat_private.h"

static gboolean
is_http (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  return uri && g_uri_get_host (uri) && *g_uri_get_host (uri) &&
         (!strcmp (g_uri_get_scheme (uri), "http") ||
             !strcmp (g_uri_get_scheme (uri), "https"));
}

gboolean
neva_chat_parse_spec (
    const char *spec, char **url, char **model, GError **error)
{
  const char *base =
      g_str_has_prefix (spec, "openai:") ? spec + strlen ("openai:") : NULL;
  const char *hash = base ? strrchr (base, '#') : NULL;
  g_autofree char *address = NULL;
  gsize length;

  if (!base) {
    address = g_strdup (spec);
  } else if (!hash || !hash[1]) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "'%s' names no model: openai:<base-url>#<model> expected", spec);
    return FALSE;
  } else {
    for (length = hash - base; length && base[length - 1] == '/';)
      length--;
    address = g_strdup_printf ("%.*s/chat/completions", (int) length, base);
  }
  if (!is_http (address)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "'%s' is no http or https address", spec);
    return FALSE;
  }
  *url = g_steal_pointer (&address);
  *model = base ? g_strdup (hash + 1) : NULL;
  return TRUE;
}

/* The key ends up in a header: printable ASCII without space, nothing else. */
static gboolean
is_key (const char *key)
{
  for (const char *p = key; *p; p++) {
    if (!g_ascii_isgraph (*p))
      return FALSE;
  }
  return *key != 0;
}

gboolean
neva_chat_find_key (const char *key_file, char **key, GError **error)
{
  static const char *const variables[] = {"API_TOKEN", "OPENAI_API_KEY"};
  g_autofree char *text = NULL, *line = NULL;
  const char *source = key_file;

  if (key_file) {
    g_autoptr (GError) local = NULL;

    if (!g_file_get_contents (key_file, &text, NULL, &local)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "key file %s: %s",
          key_file, local->message);
      return FALSE;
    }
  }
  for (gsize i = 0; !text && i < G_N_ELEMENTS (variables); i++) {
    const char *value = g_getenv (variables[i]);

    if (value && *value)
      text = g_strdup (value), source = variables[i];
  }
  if (!text) {
    *key = NULL;
    return TRUE;
  }
  line = g_strndup (text, strcspn (text, "\r\n"));
  g_strstrip (line);
  if (!is_key (line)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the key in %s is empty or holds characters that no key has", source);
    return FALSE;
  }
  *key = g_steal_pointer (&line);
  return TRUE;
}
