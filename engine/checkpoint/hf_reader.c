/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "hf_reader.h"

#include <math.h>

NevaHfReader
neva_hf_child (const NevaHfReader *r, const char *key, const char *path)
{
  NevaHfReader child = {NULL, r->file, path, r->error};
  JsonNode *node = neva_hf_node (r, key);

  if (node && !JSON_NODE_HOLDS_OBJECT (node))
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE, "an object is expected");
  else if (node)
    child.object = json_node_get_object (node);
  return child;
}

gboolean
neva_hf_failed (const NevaHfReader *r)
{
  return *r->error != NULL;
}

void
neva_hf_fail (const NevaHfReader *r, const char *key, NevaError code,
    const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  if (neva_hf_failed (r))
    return;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (
      r->error, NEVA_ERROR, code, "%s: %s%s: %s", r->file, r->path, key, what);
}

JsonNode *
neva_hf_node (const NevaHfReader *r, const char *key)
{
  JsonNode *node = r->object ? json_object_get_member (r->object, key) : NULL;

  return node && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

gboolean
neva_hf_has (const NevaHfReader *r, const char *key)
{
  return neva_hf_node (r, key) != NULL;
}

gboolean
neva_hf_node_double (JsonNode *node, double *value)
{
  GType type;

  if (!JSON_NODE_HOLDS_VALUE (node))
    return FALSE;
  type = json_node_get_value_type (node);
  if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
    return FALSE;
  *value = json_node_get_double (node);
  return isfinite (*value);
}

double
neva_hf_double (
    const NevaHfReader *r, const char *key, double def, double min, double max)
{
  JsonNode *node = neva_hf_node (r, key);
  double value;

  if (!node)
    return def;
  if (!neva_hf_node_double (node, &value) || !(value >= min && value <= max)) {
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE,
        "a number from %g to %g is expected", min, max);
    return def;
  }
  return value;
}

gint64
neva_hf_int (
    const NevaHfReader *r, const char *key, gint64 def, gint64 min, gint64 max)
{
  JsonNode *node = neva_hf_node (r, key);
  double value;

  if (!node)
    return def;
  /* all bounds used are far below 2^53, where doubles are whole numbers */
  if (!neva_hf_node_double (node, &value) || value != floor (value) ||
      !(value >= (double) min && value <= (double) max)) {
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE,
        "a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
        " is expected",
        min, max);
    return def;
  }
  return (gint64) value;
}

gboolean
neva_hf_bool (const NevaHfReader *r, const char *key, gboolean def)
{
  JsonNode *node = neva_hf_node (r, key);

  if (!node)
    return def;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_BOOLEAN) {
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE, "true or false is expected");
    return def;
  }
  return json_node_get_boolean (node);
}

const char *
neva_hf_string (const NevaHfReader *r, const char *key, const char *def)
{
  JsonNode *node = neva_hf_node (r, key);

  if (!node)
    return def;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING) {
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE, "a string is expected");
    return def;
  }
  return json_node_get_string (node);
}
