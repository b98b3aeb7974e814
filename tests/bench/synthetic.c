/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include "dtype.h"
#include "synthetic.h"

#define LM "language_model.model."
#define VIT "vision_tower.vision_model."

enum { BLOCK = 1 << 22 }; /* numbers that repeat */

typedef struct {
  GString *header; /* JSON of safetensors */
  GArray *counts;  /* gsize: numbers of each tensor */
  GArray *ones;    /* gboolean: about one (norms), or small */
  guint64 offset;
} Layout;

static void
tensor (Layout *l, const char *name, gsize a, gsize b, gsize c, gsize d)
{
  const gsize dims[4] = {a, b, c, d};
  const gboolean one =
      strstr (name, "norm") && g_str_has_suffix (name, "weight");
  gsize count = 1;

  g_string_append_printf (l->header, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[",
      l->offset ? "," : "{", name);
  for (int i = 0; i < 4 && dims[i]; i++) {
    g_string_append_printf (l->header, "%s%zu", i ? "," : "", dims[i]);
    count *= dims[i];
  }
  g_string_append_printf (l->header,
      "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
      l->offset, l->offset + count * 2);
  l->offset += count * 2;
  g_array_append_val (l->counts, count);
  g_array_append_val (l->ones, one);
}

static void
layer_tensor (Layout *l, const char *prefix, int layer, const char *name,
    gsize a, gsize b)
{
  g_autofree char *full = g_strdup_printf ("%s%d.%s", prefix, layer, name);

  tensor (l, full, a, b, 0, 0);
}

static void
decoder (Layout *l)
{
  const gsize kv = SYN_KV_HEADS * SYN_HEAD_DIM;
  const char *p = LM "layers.";

  tensor (l, LM "embed_tokens.weight", SYN_VOCAB, SYN_HIDDEN, 0, 0);
  tensor (l, "language_model.lm_head.weight", SYN_VOCAB, SYN_HIDDEN, 0, 0);
  tensor (l, LM "norm.weight", SYN_HIDDEN, 0, 0, 0);
  for (int i = 0; i < SYN_LAYERS; i++) {
    layer_tensor (l, p, i, "input_layernorm.weight", SYN_HIDDEN, 0);
    layer_tensor (l, p, i, "post_attention_layernorm.weight", SYN_HIDDEN, 0);
    layer_tensor (l, p, i, "self_attn.q_proj.weight", SYN_HIDDEN, SYN_HIDDEN);
    layer_tensor (l, p, i, "self_attn.k_proj.weight", kv, SYN_HIDDEN);
    layer_tensor (l, p, i, "self_attn.v_proj.weight", kv, SYN_HIDDEN);
    layer_tensor (l, p, i, "self_attn.o_proj.weight", SYN_HIDDEN, SYN_HIDDEN);
    layer_tensor (l, p, i, "mlp.gate_proj.weight", SYN_FFN, SYN_HIDDEN);
    layer_tensor (l, p, i, "mlp.up_proj.weight", SYN_FFN, SYN_HIDDEN);
    layer_tensor (l, p, i, "mlp.down_proj.weight", SYN_HIDDEN, SYN_FFN);
  }
}

static void
biased (Layout *l, int layer, const char *name, gsize out, gsize in)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (name, ".bias", NULL);

  layer_tensor (l, VIT "encoder.layers.", layer, weight, out, in);
  layer_tensor (l, VIT "encoder.layers.", layer, bias, out, 0);
}

static void
tower (Layout *l)
{
  const gsize d = SYN_VIT_HIDDEN, side = SYN_VIT_IMAGE / SYN_VIT_PATCH;

  tensor (l, VIT "embeddings.class_embedding", d, 0, 0, 0);
  tensor (l, VIT "embeddings.patch_embedding.weight", d, 3, SYN_VIT_PATCH,
      SYN_VIT_PATCH);
  tensor (
      l, VIT "embeddings.position_embedding.weight", side * side + 1, d, 0, 0);
  tensor (l, VIT "pre_layrnorm.weight", d, 0, 0, 0);
  tensor (l, VIT "pre_layrnorm.bias", d, 0, 0, 0);
  tensor (l, VIT "post_layernorm.weight", d, 0, 0, 0);
  tensor (l, VIT "post_layernorm.bias", d, 0, 0, 0);
  for (int i = 0; i < SYN_VIT_LAYERS; i++) {
    biased (l, i, "layer_norm1", d, 0);
    biased (l, i, "layer_norm2", d, 0);
    biased (l, i, "self_attn.q_proj", d, d);
    biased (l, i, "self_attn.k_proj", d, d);
    biased (l, i, "self_attn.v_proj", d, d);
    biased (l, i, "self_attn.out_proj", d, d);
    biased (l, i, "mlp.fc1", SYN_VIT_FFN, d);
    biased (l, i, "mlp.fc2", d, SYN_VIT_FFN);
  }
  tensor (l, "multi_modal_projector.linear_1.weight", SYN_HIDDEN, d, 0, 0);
  tensor (l, "multi_modal_projector.linear_1.bias", SYN_HIDDEN, 0, 0, 0);
  tensor (
      l, "multi_modal_projector.linear_2.weight", SYN_HIDDEN, SYN_HIDDEN, 0, 0);
  tensor (l, "multi_modal_projector.linear_2.bias", SYN_HIDDEN, 0, 0, 0);
}

/* bf16 numbers around `center`: sums of uniform ones are normal enough. */
static guint16 *
numbers (float center, float width)
{
  guint16 *out = g_new (guint16, BLOCK);
  guint32 state = 1;

  for (gsize i = 0; i < BLOCK; i++) {
    float sum = 0;

    for (int j = 0; j < 4; j++) {
      state = state * 1664525u + 1013904223u;
      sum += (float) (state >> 8) * 0x1p-24f - 0.5f;
    }
    out[i] = neva_f32_to_bf16 (center + sum * width);
  }
  return out;
}

static gboolean
write_numbers (FILE *f, const Layout *l)
{
  g_autofree guint16 *small = numbers (0, 0.035f), *one = numbers (1, 0.1f);

  for (guint i = 0; i < l->counts->len; i++) {
    gsize left = g_array_index (l->counts, gsize, i);
    const guint16 *block = g_array_index (l->ones, gboolean, i) ? one : small;

    while (left) {
      const gsize n = MIN (left, BLOCK);

      if (fwrite (block, 2, n, f) != n)
        return FALSE;
      left -= n;
    }
  }
  return TRUE;
}

static gboolean
write_weights (const char *path, GError **error)
{
  Layout l = {g_string_new (NULL), g_array_new (FALSE, FALSE, sizeof (gsize)),
      g_array_new (FALSE, FALSE, sizeof (gboolean)), 0};
  FILE *f = g_fopen (path, "wb");
  guint64 length;
  gboolean ok = f != NULL;

  decoder (&l);
  tower (&l);
  g_string_append_c (l.header, '}');
  while ((l.header->len + 8) % 64)
    g_string_append_c (l.header, ' ');
  length = GUINT64_TO_LE (l.header->len);
  ok = ok && fwrite (&length, 8, 1, f) == 1 &&
       fwrite (l.header->str, l.header->len, 1, f) == 1 &&
       write_numbers (f, &l);
  if (f && fclose (f))
    ok = FALSE;
  if (!ok)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
        "cannot write %s: %s", path, g_strerror (errno));
  g_string_free (l.header, TRUE);
  g_array_unref (l.counts);
  g_array_unref (l.ones);
  return ok;
}

static const char *const files[] = {
    "config.json", "preprocessor_config.json", "model.safetensors"};

gboolean
synthetic_write (const char *folder, GError **error)
{
  g_autofree char *config = g_build_filename (folder, files[0], NULL);
  g_autofree char *pixels = g_build_filename (folder, files[1], NULL);
  g_autofree char *weights = g_build_filename (folder, files[2], NULL);
  g_autofree char *json = g_strdup_printf (
      "{\"architectures\":[\"LlavaForConditionalGeneration\"],"
      "\"model_type\":\"llava\",\"image_token_index\":3,"
      "\"torch_dtype\":\"bfloat16\",\"text_config\":{\"model_type\":\"llama\","
      "\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
      "\"num_key_value_heads\":%d,\"intermediate_size\":%d,\"vocab_size\":%d,"
      "\"max_position_embeddings\":4096},\"vision_config\":{\"model_type\":"
      "\"clip_vision_model\",\"hidden_size\":%d,\"num_hidden_layers\":%d,"
      "\"num_attention_heads\":%d,\"intermediate_size\":%d,\"image_size\":%d,"
      "\"patch_size\":%d}}\n",
      SYN_HIDDEN, SYN_LAYERS, SYN_HEADS, SYN_KV_HEADS, SYN_FFN, SYN_VOCAB,
      SYN_VIT_HIDDEN, SYN_VIT_LAYERS, SYN_VIT_HEADS, SYN_VIT_FFN, SYN_VIT_IMAGE,
      SYN_VIT_PATCH);

  return g_file_set_contents (config, json, -1, error) &&
         g_file_set_contents (pixels,
             "{\"image_processor_type\":\"CLIPImageProcessor\",\"size\":224,"
             "\"crop_size\":224}\n",
             -1, error) &&
         write_weights (weights, error);
}

void
synthetic_remove (const char *folder)
{
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = g_build_filename (folder, files[i], NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
}

double
synthetic_layer_weights (void)
{
  const double h = SYN_HIDDEN, kv = SYN_KV_HEADS * SYN_HEAD_DIM;

  return SYN_LAYERS * (2 * h * h + 2 * h * kv + 3 * h * SYN_FFN);
}

double
synthetic_head_weights (void)
{
  return synthetic_layer_weights () + (double) SYN_HIDDEN * SYN_VOCAB;
}

double
synthetic_tower_weights (void)
{
  const double d = SYN_VIT_HIDDEN;

  return SYN_VIT_USED * (4 * d * d + 2 * d * SYN_VIT_FFN);
}
