/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include "dtype.h"
#include "matmul.h"
#include "synthetic.h"

#define LM "language_model.model."
#define VIT "vision_tower.vision_model."

enum { BLOCK = 8 << 20 }; /* bytes that repeat */

/* What a tensor is filled with. */
typedef enum {
  SMALL,  /* bf16 around zero */
  ONE,    /* bf16 around one: norms */
  CODES,  /* any words */
  ZEROS,  /* code 8 in each of a word */
  SCALES, /* f16 */
  N_KINDS
} Kind;

typedef struct {
  const SyntheticShape *shape;
  gboolean awq;    /* the decoder's products in 4 bits */
  GString *header; /* JSON of safetensors */
  GArray *bytes;   /* guint64: of each tensor */
  GArray *kinds;   /* Kind */
  guint64 offset;
} Layout;

const SyntheticShape synthetic_1b = {.hidden = 2048,
    .layers = 22,
    .heads = 32,
    .kv_heads = 4,
    .ffn = 5632,
    .vocab = 32000,
    .vit_hidden = 1024,
    .vit_layers = 24,
    .vit_heads = 16,
    .vit_ffn = 4096,
    .vit_patch = 14,
    .vit_image = 224};

const SyntheticShape synthetic_7b = {.hidden = 4096,
    .layers = 32,
    .heads = 32,
    .kv_heads = 32,
    .ffn = 11008,
    .vocab = 32000,
    .vit_hidden = 1024,
    .vit_layers = 24,
    .vit_heads = 16,
    .vit_ffn = 4096,
    .vit_patch = 14,
    .vit_image = 224};

const SyntheticShape synthetic_tiny = {.hidden = 128,
    .layers = 2,
    .heads = 4,
    .kv_heads = 4,
    .ffn = 256,
    .vocab = 256,
    .vit_hidden = 64,
    .vit_layers = 3,
    .vit_heads = 2,
    .vit_ffn = 128,
    .vit_patch = 14,
    .vit_image = 28};

static void
tensor (Layout *l, const char *name, const char *dtype, Kind kind, gsize a,
    gsize b, gsize c, gsize d)
{
  const gsize dims[4] = {a, b, c, d};
  guint64 bytes = g_str_equal (dtype, "I32") ? 4 : 2;

  g_string_append_printf (l->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
      l->offset ? "," : "{", name, dtype);
  for (int i = 0; i < 4 && dims[i]; i++) {
    g_string_append_printf (l->header, "%s%zu", i ? "," : "", dims[i]);
    bytes *= dims[i];
  }
  g_string_append_printf (l->header,
      "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
      l->offset, l->offset + bytes);
  l->offset += bytes;
  g_array_append_val (l->bytes, bytes);
  g_array_append_val (l->kinds, kind);
}

static void
numbers (Layout *l, const char *name, gsize a, gsize b, gsize c, gsize d)
{
  const gboolean one =
      strstr (name, "norm") && g_str_has_suffix (name, "weight");

  tensor (l, name, "BF16", one ? ONE : SMALL, a, b, c, d);
}

static void
layer_tensor (Layout *l, const char *prefix, guint layer, const char *name,
    gsize a, gsize b)
{
  g_autofree char *full = g_strdup_printf ("%s%u.%s", prefix, layer, name);

  numbers (l, full, a, b, 0, 0);
}

/* A weight of the decoder, [out, in]. */
static void
product (Layout *l, guint layer, const char *name, gsize out, gsize in)
{
  g_autofree char *full = g_strdup_printf (LM "layers.%u.%s.", layer, name);
  g_autofree char *weight = g_strconcat (full, "weight", NULL);
  g_autofree char *codes = g_strconcat (full, "qweight", NULL);
  g_autofree char *zeros = g_strconcat (full, "qzeros", NULL);
  g_autofree char *scales = g_strconcat (full, "scales", NULL);
  const gsize groups = in / NEVA_QUANT_GROUP;

  if (!l->awq) {
    numbers (l, weight, out, in, 0, 0);
    return;
  }
  tensor (l, codes, "I32", CODES, in, out / 8, 0, 0);
  tensor (l, zeros, "I32", ZEROS, groups, out / 8, 0, 0);
  tensor (l, scales, "F16", SCALES, groups, out, 0, 0);
}

static void
decoder (Layout *l)
{
  const SyntheticShape *s = l->shape;
  const gsize h = s->hidden, kv = synthetic_kv_width (s);
  const char *p = LM "layers.";

  numbers (l, LM "embed_tokens.weight", s->vocab, h, 0, 0);
  numbers (l, "language_model.lm_head.weight", s->vocab, h, 0, 0);
  numbers (l, LM "norm.weight", h, 0, 0, 0);
  for (guint i = 0; i < s->layers; i++) {
    layer_tensor (l, p, i, "input_layernorm.weight", h, 0);
    layer_tensor (l, p, i, "post_attention_layernorm.weight", h, 0);
    product (l, i, "self_attn.q_proj", h, h);
    product (l, i, "self_attn.k_proj", kv, h);
    product (l, i, "self_attn.v_proj", kv, h);
    product (l, i, "self_attn.o_proj", h, h);
    product (l, i, "mlp.gate_proj", s->ffn, h);
    product (l, i, "mlp.up_proj", s->ffn, h);
    product (l, i, "mlp.down_proj", h, s->ffn);
  }
}

static void
biased (Layout *l, guint layer, const char *name, gsize out, gsize in)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (name, ".bias", NULL);

  layer_tensor (l, VIT "encoder.layers.", layer, weight, out, in);
  layer_tensor (l, VIT "encoder.layers.", layer, bias, out, 0);
}

static void
tower (Layout *l)
{
  const SyntheticShape *s = l->shape;
  const gsize d = s->vit_hidden, side = s->vit_image / s->vit_patch;
  const gsize h = s->hidden;

  numbers (l, VIT "embeddings.class_embedding", d, 0, 0, 0);
  numbers (l, VIT "embeddings.patch_embedding.weight", d, 3, s->vit_patch,
      s->vit_patch);
  numbers (
      l, VIT "embeddings.position_embedding.weight", side * side + 1, d, 0, 0);
  numbers (l, VIT "pre_layrnorm.weight", d, 0, 0, 0);
  numbers (l, VIT "pre_layrnorm.bias", d, 0, 0, 0);
  numbers (l, VIT "post_layernorm.weight", d, 0, 0, 0);
  numbers (l, VIT "post_layernorm.bias", d, 0, 0, 0);
  for (guint i = 0; i < s->vit_layers; i++) {
    biased (l, i, "layer_norm1", d, 0);
    biased (l, i, "layer_norm2", d, 0);
    biased (l, i, "self_attn.q_proj", d, d);
    biased (l, i, "self_attn.k_proj", d, d);
    biased (l, i, "self_attn.v_proj", d, d);
    biased (l, i, "self_attn.out_proj", d, d);
    biased (l, i, "mlp.fc1", s->vit_ffn, d);
    biased (l, i, "mlp.fc2", d, s->vit_ffn);
  }
  numbers (l, "multi_modal_projector.linear_1.weight", h, d, 0, 0);
  numbers (l, "multi_modal_projector.linear_1.bias", h, 0, 0, 0);
  numbers (l, "multi_modal_projector.linear_2.weight", h, h, 0, 0);
  numbers (l, "multi_modal_projector.linear_2.bias", h, 0, 0, 0);
}

/* 16-bit numbers around `center`: sums of uniform ones are normal enough. */
static void
fill_numbers (guint16 *out, float center, float width, gboolean f16)
{
  guint32 state = 1;

  for (gsize i = 0; i < BLOCK / sizeof *out; i++) {
    float sum = 0;

    for (int j = 0; j < 4; j++) {
      state = state * 1664525u + 1013904223u;
      sum += (float) (state >> 8) * 0x1p-24f - 0.5f;
    }
    sum = center + sum * width;
    out[i] = f16 ? neva_f32_to_f16 (sum) : neva_f32_to_bf16 (sum);
  }
}

static void
fill_words (guint32 *out, gboolean zeros)
{
  guint64 state = 1;

  for (gsize i = 0; i < BLOCK / sizeof *out; i++) {
    state = state * G_GUINT64_CONSTANT (6364136223846793005) + 1442695;
    out[i] = zeros ? 0x88888888u : (guint32) (state >> 32);
  }
}

static gpointer
new_block (Kind kind)
{
  gpointer block = g_malloc (BLOCK);

  if (kind == CODES || kind == ZEROS)
    fill_words (block, kind == ZEROS);
  else if (kind == SCALES)
    fill_numbers (block, 0.004f, 0.001f, TRUE);
  else
    fill_numbers (block, kind == ONE, kind == ONE ? 0.1f : 0.035f, FALSE);
  return block;
}

/* Every tensor is one block of its kind over and over: same rates and powers as
 * other numbers, and gigabytes are not drawn one by one. */
static gboolean
write_numbers (FILE *f, const Layout *l)
{
  gpointer blocks[N_KINDS];
  gboolean ok = TRUE;

  for (guint i = 0; i < N_KINDS; i++)
    blocks[i] = new_block (i);
  for (guint i = 0; i < l->bytes->len; i++) {
    guint64 left = g_array_index (l->bytes, guint64, i);

    while (ok && left) {
      const gsize n = MIN (left, BLOCK);

      ok = fwrite (blocks[g_array_index (l->kinds, Kind, i)], 1, n, f) == n;
      left -= n;
    }
  }
  for (guint i = 0; i < N_KINDS; i++)
    g_free (blocks[i]);
  return ok;
}

static gboolean
write_weights (
    const SyntheticShape *shape, gboolean awq, const char *path, GError **error)
{
  Layout l = {shape, awq, g_string_new (NULL),
      g_array_new (FALSE, FALSE, sizeof (guint64)),
      g_array_new (FALSE, FALSE, sizeof (Kind)), 0};
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
  g_array_unref (l.bytes);
  g_array_unref (l.kinds);
  return ok;
}

static const char *const files[] = {
    "config.json", "preprocessor_config.json", "model.safetensors"};

gboolean
synthetic_write (
    const SyntheticShape *s, gboolean awq, const char *folder, GError **error)
{
  g_autofree char *config = g_build_filename (folder, files[0], NULL);
  g_autofree char *pixels = g_build_filename (folder, files[1], NULL);
  g_autofree char *weights = g_build_filename (folder, files[2], NULL);
  g_autofree char *json = g_strdup_printf (
      "{\"architectures\":[\"LlavaForConditionalGeneration\"],"
      "\"model_type\":\"llava\",\"image_token_index\":3,"
      "\"torch_dtype\":\"bfloat16\",%s\"text_config\":{\"model_type\":"
      "\"llama\","
      "\"hidden_size\":%u,\"num_hidden_layers\":%u,\"num_attention_heads\":%u,"
      "\"num_key_value_heads\":%u,\"intermediate_size\":%u,\"vocab_size\":%u,"
      "\"max_position_embeddings\":4096},\"vision_config\":{\"model_type\":"
      "\"clip_vision_model\",\"hidden_size\":%u,\"num_hidden_layers\":%u,"
      "\"num_attention_heads\":%u,\"intermediate_size\":%u,\"image_size\":%u,"
      "\"patch_size\":%u}}\n",
      awq ? "\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,"
            "\"group_size\":128,\"zero_point\":true,\"version\":\"gemm\"},"
          : "",
      s->hidden, s->layers, s->heads, s->kv_heads, s->ffn, s->vocab,
      s->vit_hidden, s->vit_layers, s->vit_heads, s->vit_ffn, s->vit_image,
      s->vit_patch);

  g_autofree char *size =
      g_strdup_printf ("{\"image_processor_type\":\"CLIPImageProcessor\","
                       "\"size\":%u,\"crop_size\":%u}\n",
          s->vit_image, s->vit_image);

  return g_file_set_contents (config, json, -1, error) &&
         g_file_set_contents (pixels, size, -1, error) &&
         write_weights (s, awq, weights, error);
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

gsize
synthetic_kv_width (const SyntheticShape *s)
{
  return (gsize) s->hidden / s->heads * s->kv_heads;
}

guint
synthetic_tokens_per_frame (const SyntheticShape *s)
{
  const guint side = s->vit_image / s->vit_patch;

  return side * side;
}

double
synthetic_layer_weights (const SyntheticShape *s)
{
  const double h = s->hidden, kv = (double) synthetic_kv_width (s);

  return s->layers * (2 * h * h + 2 * h * kv + 3 * h * s->ffn);
}

double
synthetic_head_weights (const SyntheticShape *s)
{
  return synthetic_layer_weights (s) + (double) s->hidden * s->vocab;
}

double
synthetic_tower_weights (const SyntheticShape *s)
{
  const double d = s->vit_hidden;

  return (s->vit_layers - 1) * (4 * d * d + 2 * d * s->vit_ffn);
}

double
synthetic_projector_weights (const SyntheticShape *s)
{
  return (double) s->hidden * (s->vit_hidden + s->hidden);
}
