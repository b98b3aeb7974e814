/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "convert/json_out.h"
#include "convert/sink.h"

void
neva_json_int (JsonBuilder *b, const char *key, gint64 value)
{
  json_builder_set_member_name (b, key);
  json_builder_add_int_value (b, value);
}

void
neva_json_bool (JsonBuilder *b, const char *key, gboolean value)
{
  json_builder_set_member_name (b, key);
  json_builder_add_boolean_value (b, value);
}

void
neva_json_real (JsonBuilder *b, const char *key, double value)
{
  json_builder_set_member_name (b, key);
  json_builder_add_double_value (b, value);
}

int
neva_float_digits (float value, double *shortest)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE], format[8];

  for (int digits = 1;; digits++) {
    g_snprintf (format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd (text, sizeof text, format, (double) value);
    *shortest = g_ascii_strtod (text, NULL);
    if ((float) *shortest == value || digits == 9)
      return digits;
  }
}

void
neva_json_float (JsonBuilder *b, const char *key, float value)
{
  double shortest;

  neva_float_digits (value, &shortest);
  neva_json_real (b, key, shortest);
}

void
neva_json_text (JsonBuilder *b, const char *key, const char *value)
{
  json_builder_set_member_name (b, key);
  if (value)
    json_builder_add_string_value (b, value);
  else
    json_builder_add_null_value (b);
}

void
neva_json_begin (JsonBuilder *b, const char *key)
{
  json_builder_set_member_name (b, key);
  json_builder_begin_object (b);
}

gboolean
neva_file_write (const char *folder, const char *name, const void *data,
    gsize length, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  NevaSink *sink = neva_sink_new (path, error);

  if (!sink)
    return FALSE;
  neva_sink_write (sink, data, length);
  return neva_sink_close (sink, error);
}

gboolean
neva_json_write (
    const char *folder, const char *name, JsonBuilder *b, GError **error)
{
  g_autoptr (JsonNode) root = json_builder_get_root (b);
  g_autofree char *text = json_to_string (root, TRUE);
  g_autofree char *lines = g_strconcat (text, "\n", NULL);

  return neva_file_write (folder, name, lines, strlen (lines), error);
}
