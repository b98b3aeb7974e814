/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "runtime/fake.h"

static gboolean
parse_number (const char *key, const char *value, guint64 max, gint64 *out,
    GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 10, 0, max, &number, NULL)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "fake model: '%s=%s' is not a number from 0 to %" G_GUINT64_FORMAT, key,
        value, max);
    return FALSE;
  }
  *out = (gint64) number;
  return TRUE;
}

static gboolean
parse_failure (NevaFakeDriver *fake, const char *value, GError **error)
{
  static const char *const names[] = {
      "never", "load", "encode", "prompt", "answer"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (value, names[i])) {
      fake->fail = (NevaFakeFailure) i;
      return TRUE;
    }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "fake model: 'fail=%s' is not one of load, encode, prompt, answer",
      value);
  return FALSE;
}

static gboolean
parse_option (
    NevaFakeDriver *fake, const char *key, const char *value, GError **error)
{
  NevaModelInfo *info = &fake->parent.info;
  gint64 n = 0;

  if (g_str_equal (key, "fail"))
    return parse_failure (fake, value, error);
  if (!parse_number (key, value, 1 << 20, &n, error))
    return FALSE;

  if (g_str_equal (key, "load"))
    fake->load_ns = n * 1000000;
  else if (g_str_equal (key, "delay"))
    fake->delay_ns = n * 1000000;
  else if (g_str_equal (key, "encode"))
    fake->encode_ns = n * 1000000;
  else if (g_str_equal (key, "tokens"))
    fake->tokens = (guint) n;
  else if (g_str_equal (key, "context"))
    info->context_length = (guint) n;
  else if (g_str_equal (key, "frames"))
    info->num_frames = (guint) n;
  else if (g_str_equal (key, "kv"))
    fake->kv_max = (guint64) n;
  else if (g_str_equal (key, "yes"))
    fake->yes = (guint) n;
  else {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "fake model: no such option '%s'", key);
    return FALSE;
  }
  return TRUE;
}

gboolean
neva_fake_parse (NevaFakeDriver *fake, const char *path, GError **error)
{
  const char *rest = path + strlen ("fake:"), *query = strrchr (rest, '?');
  g_auto (GStrv) options = NULL;

  if (!query || !strchr (query, '=')) {
    fake->text = g_strdup (rest);
  } else {
    fake->text = g_strndup (rest, (gsize) (query - rest));
    options = g_strsplit (query + 1, "&", -1);
    for (char **o = options; *o; o++) {
      char *value = strchr (*o, '=');

      if (value)
        *value++ = '\0';
      if (!parse_option (fake, *o, value ? value : "", error))
        return FALSE;
    }
  }
  if (!g_utf8_validate (fake->text, -1, NULL)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "fake model: the text is not UTF-8");
    return FALSE;
  }
  fake->echo = g_str_equal (fake->text, "echo");
  return TRUE;
}
