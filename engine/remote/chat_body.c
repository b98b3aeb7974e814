/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include "checkpoint/json_file.h"
#include "remote/chat_body.h"

static void
add_content (JsonBuilder *b, const NevaChatMessage *message)
{
  json_builder_set_member_name (b, "content");
  if (!message->n_images) {
    json_builder_add_string_value (b, message->text);
    return;
  }
  json_builder_begin_array (b);
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "type");
  json_builder_add_string_value (b, "text");
  json_builder_set_member_name (b, "text");
  json_builder_add_string_value (b, message->text);
  json_builder_end_object (b);
  for (gsize i = 0; i < message->n_images; i++) {
    gsize length;
    const guint8 *jpeg = g_bytes_get_data (message->images[i], &length);
    g_autofree char *base64 = g_base64_encode (jpeg, length);
    g_autofree char *url =
        g_strconcat ("data:image/jpeg;base64,", base64, NULL);

    json_builder_begin_object (b);
    json_builder_set_member_name (b, "type");
    json_builder_add_string_value (b, "image_url");
    json_builder_set_member_name (b, "image_url");
    json_builder_begin_object (b);
    json_builder_set_member_name (b, "url");
    json_builder_add_string_value (b, url);
    json_builder_end_object (b);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

char *
neva_chat_body_new (const char *model, const NevaChatMessage *messages,
    gsize n_messages, const NevaChatParameters *parameters)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (b);
  if (model) {
    json_builder_set_member_name (b, "model");
    json_builder_add_string_value (b, model);
  }
  json_builder_set_member_name (b, "messages");
  json_builder_begin_array (b);
  for (gsize i = 0; i < n_messages; i++) {
    json_builder_begin_object (b);
    json_builder_set_member_name (b, "role");
    json_builder_add_string_value (b, messages[i].role);
    add_content (b, &messages[i]);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "temperature");
  json_builder_add_double_value (b, parameters->temperature);
  json_builder_set_member_name (b, "top_p");
  json_builder_add_double_value (b, parameters->top_p);
  json_builder_set_member_name (b, "max_tokens");
  json_builder_add_int_value (b, parameters->max_tokens);
  if (parameters->seed >= 0) {
    json_builder_set_member_name (b, "seed");
    json_builder_add_int_value (b, parameters->seed);
  }
  if (parameters->stop && parameters->stop[0]) {
    json_builder_set_member_name (b, "stop");
    json_builder_begin_array (b);
    for (gsize i = 0; parameters->stop[i]; i++)
      json_builder_add_string_value (b, parameters->stop[i]);
    json_builder_end_array (b);
  }
  json_builder_set_member_name (b, "stream");
  json_builder_add_boolean_value (b, parameters->stream);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

/* Member of an object node, of any kind; NULL when it is not there. */
static JsonNode *
member (JsonNode *node, const char *name)
{
  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return NULL;
  return json_object_get_member (json_node_get_object (node), name);
}

static const char *
string_of (JsonNode *node)
{
  if (!node || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

static JsonNode *
first_choice (JsonNode *root)
{
  JsonNode *choices = member (root, "choices");

  if (!choices || !JSON_NODE_HOLDS_ARRAY (choices) ||
      !json_array_get_length (json_node_get_array (choices)))
    return NULL;
  return json_array_get_element (json_node_get_array (choices), 0);
}

/* {"error": "text"} or {"error": {"message": "text"}} or {"detail": "text"} */
static char *
error_of (JsonNode *root)
{
  JsonNode *error = member (root, "error");
  const char *text = string_of (error);

  if (!text)
    text = string_of (member (error, "message"));
  if (!text)
    text = string_of (member (root, "detail"));
  return g_strdup (text);
}

void
neva_chat_parse_line (const char *line, GString *text, gboolean *done,
    gboolean *finished, char **error_text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root, *choice;
  const char *piece;

  if (!g_str_has_prefix (line, "data:"))
    return;
  line += strlen ("data:");
  while (*line == ' ')
    line++;
  if (g_str_has_prefix (line, "[DONE]")) {
    *done = *finished = TRUE;
    return;
  }
  if (!neva_json_is_shallow (line, strlen (line)) ||
      !json_parser_load_from_data (parser, line, -1, NULL))
    return;
  root = json_parser_get_root (parser);
  choice = first_choice (root);
  if (string_of (member (choice, "finish_reason")))
    *finished = TRUE;
  piece = string_of (member (member (choice, "delta"), "content"));
  if (piece)
    g_string_append (text, piece);
  else if (!choice && !*error_text)
    *error_text = error_of (root);
}

char *
neva_chat_parse_reply (const char *json, gsize length, char **error_text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;
  const char *text;

  *error_text = NULL;
  if (length > G_MAXSSIZE || !neva_json_is_shallow (json, length) ||
      !json_parser_load_from_data (parser, json, length, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  text =
      string_of (member (member (first_choice (root), "message"), "content"));
  if (!text)
    *error_text = error_of (root);
  return g_strdup (text);
}
