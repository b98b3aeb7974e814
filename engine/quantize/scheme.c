/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quantization_config, as the programs write it whose files these are: AutoAWQ,
 * and compressed-tensors. */
#include "config.h"
#include <string.h>
#include "convert/json_out.h"
#include "quantize/quantizer.h"

#define HEAD "language_model.lm_head"

/* Linear layers that stay as they are, the output matrix first, whether it is
 * stored or the word table. (transfer full) */
static GPtrArray *
plain_layers (const NevaQuantizer *q, const NevaOutList *source)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (names, g_strdup (HEAD));
  for (guint i = 0; i < source->len; i++) {
    const NevaOutTensor *t = source->pdata[i];
    g_autofree char *stem = NULL;

    if (!g_str_has_suffix (t->name, ".weight") || t->n_dims != 2 ||
        strstr (t->name, "embed"))
      continue;
    stem = g_strndup (t->name, strlen (t->name) - strlen (".weight"));
    if (!g_hash_table_contains (q->coded, stem) && !g_str_equal (stem, HEAD))
      g_ptr_array_add (names, g_steal_pointer (&stem));
  }
  return names;
}

/* transformers 5 has moved what 4 calls so. (transfer full): NULL for none. */
static char *
newer_name (const char *name)
{
  const char *text = NEVA_TEXT_PREFIX, *tower = NEVA_TOWER_PREFIX;

  if (g_str_has_prefix (name, text))
    return g_strconcat ("model.language_model.", name + strlen (text), NULL);
  if (g_str_has_prefix (name, tower))
    return g_strconcat ("model.vision_tower.", name + strlen (tower), NULL);
  if (g_str_has_prefix (name, NEVA_PROJECTOR_PREFIX))
    return g_strconcat ("model.", name, NULL);
  return g_strdup ("lm_head");
}

static void
put_names (JsonBuilder *b, const char *key, const GPtrArray *names)
{
  json_builder_set_member_name (b, key);
  json_builder_begin_array (b);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *newer = newer_name (names->pdata[i]);

    json_builder_add_string_value (b, names->pdata[i]);
    json_builder_add_string_value (b, newer);
  }
  json_builder_end_array (b);
}

static void
put_awq (JsonBuilder *b, const GPtrArray *plain)
{
  neva_json_text (b, "quant_method", "awq");
  neva_json_int (b, "bits", 4);
  neva_json_int (b, "group_size", NEVA_QUANT_GROUP);
  neva_json_bool (b, "zero_point", TRUE);
  neva_json_text (b, "version", "gemm");
  put_names (b, "modules_to_not_convert", plain);
}

static void
put_arguments (JsonBuilder *b, const char *key, const char *type,
    const char *strategy, gboolean dynamic)
{
  neva_json_begin (b, key);
  neva_json_int (b, "num_bits", 8);
  neva_json_text (b, "type", type);
  neva_json_bool (b, "symmetric", TRUE);
  neva_json_text (b, "strategy", strategy);
  neva_json_bool (b, "dynamic", dynamic);
  json_builder_end_object (b);
}

static void
put_compressed (JsonBuilder *b, const GPtrArray *plain, gboolean fp8)
{
  const char *type = fp8 ? "float" : "int";

  neva_json_text (b, "quant_method", "compressed-tensors");
  neva_json_text (b, "format", fp8 ? "float-quantized" : "int-quantized");
  neva_json_text (b, "quantization_status", "compressed");
  neva_json_begin (b, "config_groups");
  neva_json_begin (b, "group_0");
  json_builder_set_member_name (b, "targets");
  json_builder_begin_array (b);
  json_builder_add_string_value (b, "Linear");
  json_builder_end_array (b);
  put_arguments (b, "weights", type, fp8 ? "tensor" : "channel", FALSE);
  put_arguments (b, "input_activations", type, fp8 ? "tensor" : "token", !fp8);
  json_builder_end_object (b);
  json_builder_end_object (b);
  put_names (b, "ignore", plain);
}

JsonNode *
neva_quantizer_scheme (const NevaQuantizer *q, const NevaOutList *source)
{
  g_autoptr (GPtrArray) plain = plain_layers (q, source);
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  if (q->options->algorithm == NEVA_QUANTIZE_AWQ)
    put_awq (b, plain);
  else
    put_compressed (b, plain, q->options->algorithm == NEVA_QUANTIZE_FP8);
  json_builder_end_object (b);
  return json_builder_get_root (b);
}
