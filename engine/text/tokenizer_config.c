/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What transformers keeps beside a tokenizer: which tokens begin and end a
 * text, tokens that were added later, and how old the code was. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/json_file.h"
#include "json_member.h"
#include "tokenizer_private.h"

#define MAX_CONFIG_BYTES ((gsize) 16 << 20)

/* (transfer full): NULL without error when there is no such file. */
static JsonNode *
read_optional (const char *folder, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
  return neva_json_file_read (folder, name, MAX_CONFIG_BYTES, error);
}

/* A token is "text" or {"content": "text"}. */
static const char *
token_text (JsonNode *node)
{
  if (node && JSON_NODE_HOLDS_OBJECT (node))
    return json_member_string (json_node_get_object (node), "content", NULL);
  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

static void
mark_special (NevaTokenizer *self, JsonNode *node, gint32 *id)
{
  const char *text = token_text (node);
  const gint32 found = text ? neva_tokenizer_find (self, text) : -1;

  if (found >= 0)
    g_array_index (self->pieces, NevaPiece, found).special = TRUE;
  if (id)
    *id = found;
}

/* Both files name the special tokens alike; "bos_token": null means none. */
static void
read_names (NevaTokenizer *self, JsonObject *object)
{
  JsonArray *more = json_member_array (object, "additional_special_tokens");

  if (json_object_has_member (object, "bos_token"))
    mark_special (
        self, json_object_get_member (object, "bos_token"), &self->bos);
  if (json_object_has_member (object, "eos_token"))
    mark_special (
        self, json_object_get_member (object, "eos_token"), &self->eos);
  for (guint i = 0; more && i < json_array_get_length (more); i++)
    mark_special (self, json_array_get_element (more, i), NULL);
}

static gboolean
parse_id (const char *text, gint64 *id)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (
          text, 10, 0, NEVA_MAX_TOKENS - 1, &value, NULL))
    return FALSE;
  *id = (gint64) value;
  return TRUE;
}

/* {"32000": {"content": "<image>", …}, …} */
static gboolean
read_added_decoder (NevaTokenizer *self, JsonObject *list, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, list);
  while (json_object_iter_next (&iter, &name, &node)) {
    gint64 id;

    if (!parse_id (name, &id) || !JSON_NODE_HOLDS_OBJECT (node)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "added_tokens_decoder: \"%s\" is no id of a token", name);
      return FALSE;
    }
    if (!neva_tokenizer_add_token (
            self, id, json_node_get_object (node), error))
      return FALSE;
  }
  return TRUE;
}

/* {"<image>": 32000, …} */
static gboolean
read_added_file (NevaTokenizer *self, JsonObject *list, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, list);
  while (json_object_iter_next (&iter, &name, &node)) {
    g_autoptr (JsonObject) token = json_object_new ();

    if (json_node_get_value_type (node) != G_TYPE_INT64) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "the id of added token \"%s\" is not an integer", name);
      return FALSE;
    }
    json_object_set_string_member (token, "content", name);
    json_object_set_boolean_member (token, "normalized", FALSE);
    if (!neva_tokenizer_add_token (
            self, json_node_get_int (node), token, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_tokenizer_config (NevaTokenizer *self, JsonObject *object, GError **error)
{
  JsonObject *added = json_member_object (object, "added_tokens_decoder");

  if (added && !read_added_decoder (self, added, error))
    return FALSE;

  read_names (self, object);
  self->legacy = json_member_boolean (object, "legacy", self->legacy);
  if (json_member (object, "add_bos_token"))
    self->adds_bos = json_member_boolean (object, "add_bos_token", FALSE);
  return TRUE;
}

gboolean
neva_tokenizer_read_config (
    NevaTokenizer *self, const char *folder, GError **error)
{
  static const char *const names[] = {
      "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"};

  self->legacy = TRUE; /* transformers' meaning of a missing "legacy" */
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) local = NULL;
    g_autoptr (JsonNode) root = read_optional (folder, names[i], &local);
    JsonObject *object = root ? json_node_get_object (root) : NULL;
    gboolean ok = TRUE;

    if (local) {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
    if (!object)
      continue;
    if (i == 0)
      ok = read_added_file (self, object, &local);
    else if (i == 1)
      read_names (self, object);
    else
      ok = read_tokenizer_config (self, object, &local);
    if (!ok) {
      g_propagate_prefixed_error (
          error, g_steal_pointer (&local), "%s/%s: ", folder, names[i]);
      return FALSE;
    }
  }
  return TRUE;
}
