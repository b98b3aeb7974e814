/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenizer.json of Hugging Face's tokenizers, for models of type BPE. The
 * post-processor is not run (the prompt templates put special tokens); it only
 * tells whether a prompt begins with BOS. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "json_member.h"
#include "tokenizer_private.h"

static gboolean
read_vocabulary (NevaTokenizer *self, JsonObject *model, GError **error)
{
  JsonObject *vocab = json_member_object (model, "vocab");
  JsonObjectIter iter;
  const char *text;
  JsonNode *node;

  if (!vocab || json_object_get_size (vocab) == 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "\"model\" without a \"vocab\" object");
    return FALSE;
  }
  json_object_iter_init (&iter, vocab);
  while (json_object_iter_next (&iter, &text, &node)) {
    if (json_node_get_value_type (node) != G_TYPE_INT64) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "the id of piece \"%s\" is not an integer", text);
      return FALSE;
    }
    if (!neva_tokenizer_set_piece (self, json_node_get_int (node), text, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_model_object (NevaTokenizer *self, JsonObject *model, GError **error)
{
  const char *type = json_member_string (model, "type", NULL);

  /* old files leave the type out; what has merges is BPE */
  if (!model || (type ? strcmp (type, "BPE") != 0
                      : !json_member_array (model, "merges"))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "model type \"%s\" is not supported", type ? type : "(none)");
    return FALSE;
  }
  return read_vocabulary (self, model, error) &&
         (self->bpe = neva_bpe_parse (model, self->ids, error));
}

static gboolean
read_added (NevaTokenizer *self, JsonArray *list, GError **error)
{
  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);
    JsonObject *token =
        JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;

    if (!token) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "added token %u is not an object", i);
      return FALSE;
    }
    if (!neva_tokenizer_add_token (
            self, json_member_int (token, "id", -1), token, error))
      return FALSE;
  }
  return TRUE;
}

/* TRUE when the template for one text begins with a special token. */
static gboolean
begins_with_special (JsonObject *processor)
{
  JsonArray *list = json_member_array (processor, "processors");
  JsonArray *single = json_member_array (processor, "single");
  JsonNode *first;

  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);

    if (JSON_NODE_HOLDS_OBJECT (node) &&
        begins_with_special (json_node_get_object (node)))
      return TRUE;
  }
  if (!single || json_array_get_length (single) == 0)
    return FALSE;

  first = json_array_get_element (single, 0);
  return JSON_NODE_HOLDS_OBJECT (first) &&
         json_member (json_node_get_object (first), "SpecialToken") != NULL;
}

gboolean
neva_tokenizer_read_json (
    NevaTokenizer *self, const NevaFileSet *files, GError **error)
{
  g_autoptr (JsonNode) root = neva_file_set_json (
      files, "tokenizer.json", NEVA_MAX_TOKENIZER_BYTES, error);
  JsonObject *object, *processor;

  if (!root)
    return FALSE;

  object = json_node_get_object (root);
  self->normalizer =
      neva_normalizer_parse (json_member (object, "normalizer"), error);
  if (!self->normalizer)
    goto fail;
  self->pretokenizer =
      neva_pretokenizer_parse (json_member (object, "pre_tokenizer"), error);
  if (!self->pretokenizer)
    goto fail;
  self->decoder = neva_decoder_parse (json_member (object, "decoder"), error);
  if (!self->decoder ||
      !read_model_object (self, json_member_object (object, "model"), error) ||
      !read_added (self, json_member_array (object, "added_tokens"), error))
    goto fail;

  processor = json_member_object (object, "post_processor");
  if (processor)
    self->adds_bos = begins_with_special (processor);
  return TRUE;

fail:
  g_prefix_error (error, "%s/tokenizer.json: ", neva_file_set_where (files));
  return FALSE;
}
