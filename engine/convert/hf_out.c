/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <glib/gstdio.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/extras.h"
#include "convert/hf_out.h"
#include "convert/json_out.h"

/* ---- Tensors ------------------------------------------------------------ */

static NevaOutList *
plan_below (const NevaOrigin *o, const char *const *prefixes, gsize drop,
    GError **error)
{
  g_autoptr (GPtrArray) list = neva_out_list_new ();

  for (guint i = 0; i < o->names->len; i++) {
    const char *name = o->names->pdata[i];

    for (const char *const *p = prefixes; *p; p++) {
      if (!g_str_has_prefix (name, *p))
        continue;
      if (!neva_out_whole (neva_out_add (list, "%s", name + drop),
              neva_origin_find (o, "%s", name), error))
        return NULL;
      break;
    }
  }
  return g_steal_pointer (&list);
}

NevaOutList *
neva_hf_tower_plan (const NevaOrigin *o, GError **error)
{
  static const char *const prefixes[] = {NEVA_TOWER_PREFIX, NULL};

  return plan_below (o, prefixes, strlen ("vision_tower."), error);
}

/* LLaVA's projector is two matrices: behind one stands the identity, and
 * between them nothing. */
static gboolean
complete_linear (NevaOrigin *o, NevaOutList *list, GError **error)
{
  NevaConfig *c = &o->config;
  const NevaTensorView *first =
      neva_origin_need (o, error, NEVA_PROJECTOR_PREFIX "linear_1.weight");

  if (!first)
    return FALSE;
  neva_out_identity (
      neva_out_add (list, NEVA_PROJECTOR_PREFIX "linear_2.weight"),
      first->dtype, c->text.hidden);
  if (c->projector_bias)
    neva_out_vector (neva_out_add (list, NEVA_PROJECTOR_PREFIX "linear_2.bias"),
        first->dtype, c->text.hidden);
  c->projector_layers = 2;
  c->projector_act = NEVA_ACT_NONE;
  return TRUE;
}

/* NeMo's media token is looked up by its string, Hugging Face's is an id. */
static gboolean
find_media_token (NevaOrigin *o, GError **error)
{
  const char *patch =
      o->config.llama3_tokens ? "<|reserved_special_token_3|>" : "<extra_id_3>";

  if (!o->config.nemo)
    return TRUE;
  o->config.media_token = neva_tokenizer_find (o->tokenizer, patch);
  if (o->config.media_token >= 0)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: its tokenizer has no '%s', which NeVA needs to place pictures",
      o->path, patch);
  return FALSE;
}

NevaOutList *
neva_hf_plan (NevaOrigin *o, GError **error)
{
  static const char *const prefixes[] = {NEVA_TOWER_PREFIX,
      NEVA_PROJECTOR_PREFIX, NEVA_TEXT_PREFIX, NEVA_HEAD_NAME, NULL};
  g_autoptr (GPtrArray) list = NULL;

  if (!find_media_token (o, error) ||
      !(list = plan_below (o, prefixes, 0, error)))
    return NULL;
  if (o->config.projector_kind == NEVA_PROJECTOR_MLP &&
      o->config.projector_layers == 1 && !complete_linear (o, list, error))
    return NULL;
  return g_steal_pointer (&list);
}

/* ---- Files -------------------------------------------------------------- */

static gboolean
has_head (const NevaOrigin *o)
{
  return neva_origin_find (o, NEVA_TOWER_PREFIX "head.probe") != NULL;
}

gboolean
neva_hf_tower_files (const NevaOrigin *o, const char *folder, GError **error)
{
  const NevaTowerConfig *t = &o->config.tower;
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "architectures");
  json_builder_begin_array (b);
  json_builder_add_string_value (
      b, t->kind == NEVA_TOWER_CLIP ? "CLIPVisionModel" : "SiglipVisionModel");
  json_builder_end_array (b);
  neva_hf_put_tower (b, t, has_head (o));
  json_builder_end_object (b);
  return neva_json_write (folder, "config.json", b, error) &&
         neva_hf_write_preprocess (&o->config, folder, error);
}

static const char *
torch_dtype (const NevaOrigin *o)
{
  const NevaTensorView *words =
      neva_origin_find (o, NEVA_TEXT_PREFIX "embed_tokens.weight");

  return !words                           ? "float32"
         : !strcmp (words->dtype, "BF16") ? "bfloat16"
         : !strcmp (words->dtype, "F16")  ? "float16"
                                          : "float32";
}

/* What ends an answer, for generation_config.json and text_config. */
static gint32
first_eos (const NevaOrigin *o)
{
  return o->config.n_eos ? o->config.eos[0] : neva_tokenizer_eos (o->tokenizer);
}

static gint32
bos_of (const NevaOrigin *o)
{
  return o->config.bos >= 0 ? o->config.bos : neva_tokenizer_bos (o->tokenizer);
}

/* model_type `type`; extras may be NULL. */
static gboolean
write_config (const NevaOrigin *o, const char *folder, const char *type,
    JsonObject *extras, GError **error)
{
  const NevaConfig *c = &o->config;
  const gboolean patches = c->tower.drop_rows > 0;
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "architectures");
  json_builder_begin_array (b);
  json_builder_add_string_value (b, "LlavaForConditionalGeneration");
  json_builder_end_array (b);
  neva_json_text (b, "model_type", type);
  neva_json_int (b, "image_token_index", MAX (c->media_token, 0));
  neva_json_int (b, "image_seq_length",
      neva_tower_config_rows (&c->tower) - c->tower.drop_rows);
  neva_json_bool (b, "multimodal_projector_bias", c->projector_bias);
  neva_json_text (b, "projector_hidden_act",
      c->projector_act == NEVA_ACT_NONE ? "linear" : "gelu");
  neva_json_int (b, "vision_feature_layer", c->tower.select_layer);
  neva_json_text (
      b, "vision_feature_select_strategy", patches ? "default" : "full");
  neva_json_bool (b, "tie_word_embeddings", c->text.tied_embeddings);
  neva_json_text (b, "torch_dtype", torch_dtype (o));
  neva_json_begin (b, "text_config");
  neva_hf_put_text (b, c, torch_dtype (o), bos_of (o), first_eos (o));
  json_builder_end_object (b);
  neva_json_begin (b, "vision_config");
  neva_hf_put_tower (b, &c->tower, has_head (o));
  json_builder_end_object (b);
  if (o->quantization) {
    json_builder_set_member_name (b, "quantization_config");
    json_builder_add_value (b, json_node_copy (o->quantization));
  }
  if (extras) {
    JsonNode *node = json_node_new (JSON_NODE_OBJECT);

    json_node_set_object (node, extras);
    json_builder_set_member_name (b, "neva");
    json_builder_add_value (b, node);
  }
  json_builder_end_object (b);
  return neva_json_write (folder, "config.json", b, error);
}

static gboolean
write_generation (const NevaOrigin *o, const char *folder, GError **error)
{
  const NevaConfig *c = &o->config;
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  neva_json_int (b, "bos_token_id", bos_of (o));
  if (c->n_eos > 1) {
    json_builder_set_member_name (b, "eos_token_id");
    json_builder_begin_array (b);
    for (guint i = 0; i < c->n_eos; i++)
      json_builder_add_int_value (b, c->eos[i]);
    json_builder_end_array (b);
  } else {
    neva_json_int (b, "eos_token_id", first_eos (o));
  }
  neva_json_bool (b, "do_sample", FALSE);
  json_builder_end_object (b);
  return neva_json_write (folder, "generation_config.json", b, error);
}

/* For transformers; NeMo's prompts go through the model alone. */
static gboolean
write_tokenizer_config (const NevaOrigin *o, const char *folder, GError **error)
{
  const char *bos =
      neva_tokenizer_piece (o->tokenizer, neva_tokenizer_bos (o->tokenizer));
  const char *eos =
      neva_tokenizer_piece (o->tokenizer, neva_tokenizer_eos (o->tokenizer));
  const gboolean model =
      neva_file_set_find (o->checkpoint.tokenizer, "tokenizer.json") == NULL;
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  neva_json_text (b, "tokenizer_class",
      model ? "LlamaTokenizer" : "PreTrainedTokenizerFast");
  neva_json_text (b, "bos_token", bos);
  neva_json_text (b, "eos_token", eos);
  neva_json_bool (b, "add_bos_token", FALSE);
  neva_json_bool (b, "add_eos_token", FALSE);
  if (model)
    neva_json_bool (b, "legacy", FALSE);
  json_builder_end_object (b);
  return neva_json_write (folder, "tokenizer_config.json", b, error);
}

static gboolean
write_tokenizer (const NevaOrigin *o, const char *folder, GError **error)
{
  const NevaFileSet *files = o->checkpoint.tokenizer;
  g_autofree const char **names = neva_file_set_names (files);

  for (const char **n = names; *n; n++) {
    gsize length;
    const void *data =
        g_bytes_get_data (neva_file_set_find (files, *n), &length);

    if (!neva_file_write (folder, *n, data, length, error))
      return FALSE;
  }
  /* what a folder did not say stays unsaid */
  return !o->config.nemo ||
         neva_file_set_find (files, "tokenizer_config.json") ||
         write_tokenizer_config (o, folder, error);
}

/* Reads back what was written, and says the difference to what is meant. */
static JsonObject *
find_extras (
    const NevaOrigin *o, const char *folder, gboolean *model, GError **error)
{
  NevaConfig got;

  if (!neva_hf_config_read (folder, &got, error))
    return NULL;
  return neva_extras_write (&o->config, &got, model);
}

gboolean
neva_hf_files (const NevaOrigin *o, const char *folder, NevaNote note,
    gpointer user_data, GError **error)
{
  g_autofree char *config = g_build_filename (folder, "config.json", NULL);
  g_autoptr (JsonObject) extras = NULL;
  gboolean model;

  if (!neva_hf_write_preprocess (&o->config, folder, error) ||
      !write_generation (o, folder, error) ||
      !write_config (o, folder, "llava", NULL, error) ||
      !(extras = find_extras (o, folder, &model, error)))
    return FALSE;
  model = model || neva_hf_lacks_fraction (&o->config.text);
  if (model || json_object_get_size (extras)) {
    g_unlink (config);
    if (!write_config (o, folder, model ? "neva" : "llava", extras, error))
      return FALSE;
  }
  if (model && note)
    note ("transformers has no class for this model: its config.json says "
          "model_type \"neva\", which only this engine reads",
        user_data);
  return write_tokenizer (o, folder, error);
}
