/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What transformers keeps beside a tokenizer: which tokens begin and end a
 * text, tokens that were added later, and how old the code was. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "json_member.h"
#include "tokenizer_private.h"

#define MAX_CONFIG_BYTES ((gsize) 16 << 20)

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
    g_array_index (self->pieces, NevaPiece, found).named = TRUE;
  if (found >= 0 && id)
    g_array_index (self->pieces, NevaPiece, found).special = TRUE;
  if (id)
    *id = found;
}

/* One of the additional special tokens, which get the ids behind the vocabulary
 * if it has none for them. */
static void
add_special (NevaTokenizer *self, const char *text)
{
  const gint32 found = text ? neva_tokenizer_find (self, text) : -1;
  g_autoptr (JsonObject) token = json_object_new ();

  if (!text || !*text)
    return;
  if (found >= 0) {
    NevaPiece *piece = &g_array_index (self->pieces, NevaPiece, found);

    piece->additional = TRUE;
    /* a special token is looked for in the text already */
    if (piece->special || self->sp) {
      piece->special = TRUE;
      return;
    }
  }
  json_object_set_string_member (token, "content", text);
  json_object_set_boolean_member (token, "special", TRUE);
  /* fails only when there are too many: the id is free */
  if (neva_tokenizer_add_token (self, self->pieces->len, token, NULL))
    g_array_index (self->pieces, NevaPiece, neva_tokenizer_find (self, text))
        .additional = TRUE;
}

/* Both files name the special tokens alike; "bos_token": null means none. */
static void
read_names (NevaTokenizer *self, JsonObject *object)
{
  static const char *const others[] = {
      "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"};
  JsonArray *more = json_member_array (object, "additional_special_tokens");

  /* first: the others may be among them */
  for (guint i = 0; more && i < json_array_get_length (more); i++)
    add_special (self, token_text (json_array_get_element (more, i)));
  if (json_object_has_member (object, "bos_token"))
    mark_special (
        self, json_object_get_member (object, "bos_token"), &self->bos);
  if (json_object_has_member (object, "eos_token"))
    mark_special (
        self, json_object_get_member (object, "eos_token"), &self->eos);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    mark_special (self, json_object_get_member (object, others[i]), NULL);
}

static void
read_nemo_names (NevaTokenizer *self, JsonObject *object)
{
  JsonArray *names = json_member_array (object, NEVA_NEMO_TOKENS);
  const char *unk = token_text (json_object_get_member (object, "unk_token"));

  self->slow = names && self->sp;
  self->adds_space = json_member_boolean (object, "add_prefix_space", TRUE);
  self->unk = g_strdup (unk ? unk : "<unk>");
  self->nemo_tokens = names && json_array_get_length (names) > 0;
  for (guint i = 0; names && i < json_array_get_length (names); i++)
    mark_special (self, json_array_get_element (names, i), NULL);
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
  read_nemo_names (self, object);
  self->legacy = json_member_boolean (object, "legacy", self->legacy);
  if (json_member (object, "add_bos_token"))
    self->adds_bos = json_member_boolean (object, "add_bos_token", FALSE);
  return TRUE;
}

/* What has a name is looked for in texts, whether it is said or not. */
static void
add_named (NevaTokenizer *self)
{
  for (guint id = 0; id < self->pieces->len; id++) {
    const NevaPiece *piece = &g_array_index (self->pieces, NevaPiece, id);

    if (piece->named && !neva_added_has (self->added, piece->text))
      neva_added_insert (
          self->added, piece->text, &(NevaAddedToken){.id = (gint32) id});
  }
}

gboolean
neva_tokenizer_read_config (
    NevaTokenizer *self, const NevaFileSet *files, GError **error)
{
  static const char *const names[] = {
      "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"};

  self->legacy = TRUE; /* transformers' meaning of a missing "legacy" */
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) local = NULL;
    g_autoptr (JsonNode) root = NULL;
    JsonObject *object;
    gboolean ok = TRUE;

    if (!neva_file_set_find (files, names[i]))
      continue;
    root = neva_file_set_json (files, names[i], MAX_CONFIG_BYTES, error);
    if (!root)
      return FALSE;
    object = json_node_get_object (root);
    if (i == 0)
      ok = read_added_file (self, object, &local);
    else if (i == 1)
      read_names (self, object);
    else
      ok = read_tokenizer_config (self, object, &local);
    if (!ok) {
      g_propagate_prefixed_error (error, g_steal_pointer (&local),
          "%s/%s: ", neva_file_set_where (files), names[i]);
      return FALSE;
    }
  }
  if (self->slow)
    add_named (self);
  return TRUE;
}
