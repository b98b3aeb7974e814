/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "eval/prompts.h"
#include "text/py_text.h"

/* ---- json.dumps --------------------------------------------------------- */

static void append_json (GString *out, JsonNode *node, guint indent);

/* indent 0: one line, else the depth so far plus one */
static void
append_break (GString *out, guint indent)
{
  if (!indent)
    return;
  g_string_append_c (out, '\n');
  for (guint i = 1; i < indent; i++)
    g_string_append (out, "  ");
}

static void
append_array (GString *out, JsonArray *array, guint indent)
{
  const guint n = json_array_get_length (array);
  const guint inner = indent ? indent + 1 : 0;

  g_string_append_c (out, '[');
  for (guint i = 0; i < n; i++) {
    if (i)
      g_string_append (out, indent ? "," : ", ");
    append_break (out, inner);
    append_json (out, json_array_get_element (array, i), inner);
  }
  if (n)
    append_break (out, indent);
  g_string_append_c (out, ']');
}

static void
append_object (GString *out, JsonObject *object, guint indent)
{
  const guint inner = indent ? indent + 1 : 0;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  guint n = 0;

  g_string_append_c (out, '{');
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    if (n++)
      g_string_append (out, indent ? "," : ", ");
    append_break (out, inner);
    neva_py_append_string (out, name);
    g_string_append (out, ": ");
    append_json (out, node, inner);
  }
  if (n)
    append_break (out, indent);
  g_string_append_c (out, '}');
}

static void
append_value (GString *out, JsonNode *node)
{
  const GType type = json_node_get_value_type (node);

  if (type == G_TYPE_STRING)
    neva_py_append_string (out, json_node_get_string (node));
  else if (type == G_TYPE_BOOLEAN)
    g_string_append (out, json_node_get_boolean (node) ? "true" : "false");
  else if (type == G_TYPE_INT64)
    g_string_append_printf (out, "%" G_GINT64_FORMAT, json_node_get_int (node));
  else
    neva_py_append_float (out, json_node_get_double (node));
}

static void
append_json (GString *out, JsonNode *node, guint indent)
{
  switch (json_node_get_node_type (node)) {
    case JSON_NODE_OBJECT:
      append_object (out, json_node_get_object (node), indent);
      break;
    case JSON_NODE_ARRAY:
      append_array (out, json_node_get_array (node), indent);
      break;
    case JSON_NODE_VALUE:
      append_value (out, node);
      break;
    case JSON_NODE_NULL:
      g_string_append (out, "null");
      break;
  }
}

/* ---- Rows --------------------------------------------------------------- */

static const NevaPromptEntry *
entry_at (const NevaPromptFile *file, gsize index)
{
  return &g_array_index (file->entries, NevaPromptEntry, index);
}

/* Members are shared with the original: nobody changes them. */
static JsonObject *
copy_members (JsonObject *from)
{
  JsonObject *to = json_object_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, from);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    json_object_set_member (to, name, json_node_ref (node));
  return to;
}

static void
add_token (
    JsonArray *ids, JsonArray *logprobs, const NevaToken *token, gboolean known)
{
  json_array_add_int_element (ids, token->id);
  if (known)
    json_array_add_double_element (logprobs, token->logprob);
}

/* As the original's generate () returns them: all ids, and the log-probability
 * of each but the first. */
static void
add_scores (JsonObject *row, const NevaAnswer *scores)
{
  JsonArray *ids = json_array_new (), *logprobs = json_array_new (),
            *full = json_array_new ();

  for (guint i = 0; scores->prompt && i < scores->prompt_tokens; i++)
    add_token (ids, logprobs, &scores->prompt[i], i > 0);
  for (guint i = 0; i < scores->generated_tokens; i++)
    add_token (ids, logprobs, &scores->tokens[i], TRUE);
  json_object_set_array_member (row, "token_ids", ids);
  json_object_set_array_member (row, "logprob", logprobs);
  for (guint i = 0; scores->full_logprob && i < scores->generated_tokens; i++) {
    JsonArray *one = json_array_new ();

    for (gsize k = 0; k < scores->n_logprobs; k++)
      json_array_add_double_element (
          one, scores->full_logprob[i * scores->n_logprobs + k]);
    json_array_add_array_element (full, one);
  }
  if (scores->full_logprob)
    json_object_set_array_member (row, "full_logprob", full);
  else
    json_array_unref (full);
}

char *
neva_prompt_file_row (
    const NevaPromptFile *file, gsize index, const NevaPromptResult *result)
{
  const NevaPromptEntry *entry = entry_at (file, index);
  g_autoptr (JsonObject) row =
      copy_members (json_node_get_object (entry->node));
  g_autofree char *both =
      g_strconcat (entry->record.prompt, "\n", result->pred_answer, NULL);
  GString *out = g_string_new (NULL);

  json_object_set_string_member (row, "prompt", entry->record.prompt);
  json_object_set_string_member (
      row, "full_text", result->full_text ? result->full_text : both);
  json_object_set_string_member (row, "pred_answer", result->pred_answer);
  json_object_set_string_member (row, "model_id", result->model_id);
  if (!json_object_has_member (row, "answer_id"))
    json_object_set_int_member (row, "answer_id", 0);
  if (!json_object_has_member (row, "metadata"))
    json_object_set_object_member (row, "metadata", json_object_new ());
  if (result->scores)
    add_scores (row, result->scores);
  append_object (out, row, 0);
  return g_string_free (out, FALSE);
}

char *
neva_prompt_rows_join (const char *const *rows, gsize n_rows, gboolean array)
{
  GString *out = g_string_new (array ? "[" : NULL);

  for (gsize i = 0; i < n_rows; i++) {
    g_autoptr (JsonNode) node =
        array ? neva_prompt_json_parse (rows[i], strlen (rows[i]), "row", NULL)
              : NULL;

    if (array && i)
      g_string_append_c (out, ',');
    if (array)
      append_break (out, 2);
    if (node)
      append_json (out, node, 2);
    else
      g_string_append (out, rows[i]);
    if (!array)
      g_string_append_c (out, '\n');
  }
  if (array)
    g_string_append (out, n_rows ? "\n]" : "]");
  return g_string_free (out, FALSE);
}

/* ---- Rows of an earlier run --------------------------------------------- */

static gboolean
read_array_rows (const char *path, const char *text, gsize length,
    GPtrArray *rows, GError **error)
{
  g_autoptr (JsonNode) root =
      neva_prompt_json_parse (text, length, path, error);
  JsonArray *array =
      root && JSON_NODE_HOLDS_ARRAY (root) ? json_node_get_array (root) : NULL;

  if (root && !array)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: an array of rows is expected", path);
  for (guint i = 0; array && i < json_array_get_length (array); i++) {
    GString *row = g_string_new (NULL);

    append_json (row, json_array_get_element (array, i), 0);
    g_ptr_array_add (rows, g_string_free (row, FALSE));
  }
  return array != NULL;
}

GPtrArray *
neva_prompt_rows_read (const char *path, GError **error)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = NULL;
  g_autoptr (GError) io = NULL;
  gsize length;
  char *at, *newline;

  if (!g_file_get_contents (path, &text, &length, &io)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path, io->message);
    return NULL;
  }
  if (g_str_has_suffix (path, ".json"))
    return read_array_rows (path, text, length, rows, error)
               ? g_steal_pointer (&rows)
               : NULL;
  /* what is behind the last newline was being written */
  for (at = text; (newline = strchr (at, '\n')); at = newline + 1)
    g_ptr_array_add (rows, g_strndup (at, (gsize) (newline - at)));
  return g_steal_pointer (&rows);
}

static const char *
string_of (JsonObject *row, const char *name)
{
  JsonNode *node = json_object_get_member (row, name);

  return node && JSON_NODE_HOLDS_VALUE (node) &&
                 json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* Every member of the record is in the row as it was, but for what a row
 * overwrites. */
static gboolean
answers (const NevaPromptEntry *entry, JsonObject *row)
{
  static const char *const written[] = {
      "prompt", "full_text", "pred_answer", "model_id", NULL};
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (g_strcmp0 (string_of (row, "prompt"), entry->record.prompt))
    return FALSE;
  json_object_iter_init_ordered (&iter, json_node_get_object (entry->node));
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    JsonNode *theirs = json_object_get_member (row, name);

    if (!g_strv_contains (written, name) &&
        (!theirs || !json_node_equal (node, theirs)))
      return FALSE;
  }
  return TRUE;
}

gboolean
neva_prompt_file_match (const NevaPromptFile *file, const char *row,
    const char *model_id, const gboolean *done, gsize *index, GError **error)
{
  g_autoptr (JsonNode) node =
      neva_prompt_json_parse (row, strlen (row), "no JSON", error);
  JsonObject *object;
  const char *model;

  if (!node)
    return FALSE;
  object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  model = object ? string_of (object, "model_id") : NULL;
  if (!model || !string_of (object, "pred_answer")) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "no result row: 'pred_answer' and 'model_id' are not there");
    return FALSE;
  }
  if (strcmp (model, model_id)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "answered by another model, '%s'", model);
    return FALSE;
  }
  for (gsize i = 0; i < file->entries->len; i++) {
    if (!done[i] && answers (entry_at (file, i), object)) {
      *index = i;
      return TRUE;
    }
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "answers no question of %s", file->path);
  return FALSE;
}
