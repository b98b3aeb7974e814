/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "eval/prompts.h"
#include "train/dataset.h"

#define MAX_BYTES ((gsize) 1 << 30)

struct _NevaDataset {
  GArray *records; /* NevaRecord; strings are root's */
  JsonNode *root;
};

static void
clear_record (gpointer data)
{
  NevaRecord *record = data;

  g_free ((gpointer) record->media);
  g_free ((gpointer) record->turns);
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s", what);
  return FALSE;
}

/* ---- Members ------------------------------------------------------------ */

static const char *
string_in (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) &&
                 json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* A string or a list of strings. */
static gboolean
read_media (JsonNode *node, NevaRecord *record)
{
  JsonArray *list =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  const gsize n = list ? json_array_get_length (list) : 1;
  const char **names = g_new0 (const char *, n + 1);

  record->media = names;
  record->n_media = n;
  for (gsize i = 0; i < n; i++) {
    names[i] =
        string_in (list ? json_array_get_element (list, (guint) i) : node);
    if (!names[i] || !*names[i])
      return FALSE;
  }
  return n > 0;
}

static gboolean
read_turn (JsonNode *node, NevaTurn *turn)
{
  JsonObject *object =
      JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;

  if (!object)
    return FALSE;
  *turn =
      (NevaTurn){.from = string_in (json_object_get_member (object, "from")),
          .value = string_in (json_object_get_member (object, "value")),
          .label = string_in (json_object_get_member (object, "label"))};
  return turn->value != NULL;
}

static gboolean
read_turns (JsonNode *node, NevaRecord *record, GError **error)
{
  JsonArray *list =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  NevaTurn *turns;

  if ((record->text = string_in (node)))
    return TRUE;
  if (!list || !json_array_get_length (list))
    return fail (error, "no 'conversations'");
  record->n_turns = json_array_get_length (list);
  record->turns = turns = g_new0 (NevaTurn, record->n_turns);
  for (guint i = 0; i < record->n_turns; i++) {
    if (read_turn (json_array_get_element (list, i), &turns[i]))
      continue;
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "turn %u: {\"from\": …, \"value\": \"…\"} is expected", i + 1);
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_record (
    JsonNode *node, const char *type, NevaRecord *record, GError **error)
{
  JsonObject *object =
      JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;

  if (!object)
    return fail (error, "an object {…} is expected");
  if (!read_media (json_object_get_member (object, type), record)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "there is no file name at '%s'", type);
    return FALSE;
  }
  record->system = string_in (json_object_get_member (object, "system"));
  return read_turns (
      json_object_get_member (object, "conversations"), record, error);
}

/* ---- The file ----------------------------------------------------------- */

static gboolean
read_records (
    NevaDataset *dataset, const char *path, const char *type, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (dataset->root)
                         ? json_node_get_array (dataset->root)
                         : NULL;

  if (!array) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: an array of records [{…}, …] is expected", path);
    return FALSE;
  }
  for (guint i = 0; i < json_array_get_length (array); i++) {
    NevaRecord record = {0};
    const gboolean ok =
        read_record (json_array_get_element (array, i), type, &record, error);

    g_array_append_val (dataset->records, record);
    if (!ok) {
      g_prefix_error (error, "%s: record %u: ", path, i + 1);
      return FALSE;
    }
  }
  return TRUE;
}

NevaDataset *
neva_dataset_read (const char *path, NevaMediaType media_type, GError **error)
{
  g_autoptr (NevaDataset) dataset = g_new0 (NevaDataset, 1);
  g_autofree char *text = NULL;
  g_autoptr (GError) io = NULL;
  gsize length;

  dataset->records = g_array_new (FALSE, FALSE, sizeof (NevaRecord));
  g_array_set_clear_func (dataset->records, clear_record);
  if (!g_str_has_suffix (path, ".json")) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: a data set is a .json file with an array of records", path);
  } else if (!g_file_get_contents (path, &text, &length, &io)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path, io->message);
  } else if (length > MAX_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: more than %" G_GSIZE_FORMAT " bytes", path, MAX_BYTES);
  } else {
    dataset->root = neva_prompt_json_parse (text, length, path, error);
    if (dataset->root &&
        read_records (dataset, path, neva_media_type_name (media_type), error))
      return g_steal_pointer (&dataset);
  }
  return NULL;
}

void
neva_dataset_free (NevaDataset *dataset)
{
  g_array_unref (dataset->records);
  g_clear_pointer (&dataset->root, json_node_unref);
  g_free (dataset);
}

gsize
neva_dataset_length (const NevaDataset *dataset)
{
  return dataset->records->len;
}

const NevaRecord *
neva_dataset_get (const NevaDataset *dataset, gsize index)
{
  g_return_val_if_fail (index < dataset->records->len, NULL);

  return &g_array_index (dataset->records, NevaRecord, index);
}
