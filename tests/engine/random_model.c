/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "random_model.h"

#include <math.h>
#include <string.h>
#include "convert/json_out.h"
#include "convert/out_tensor.h"
#include "convert/st_writer.h"
#include "dtype.h"

#define LM "language_model.model."
#define VIT "vision_tower.vision_model."
#define PROJECTOR "multi_modal_projector."

enum { VOCAB = 640, PATCH = 14, LARGE = 20 };

typedef struct {
  const RandomModel *m;
  NevaOutList *list;
  GRand *rand;
  GPtrArray *bytes; /* GBytes: of the tensors, in order */
} Writer;

static gboolean
write_bytes (gpointer data, NevaSink *sink, GError **error)
{
  gsize n;
  gconstpointer bytes = g_bytes_get_data (data, &n);

  (void) error;
  neva_sink_write (sink, bytes, n);
  return TRUE;
}

static float
noise (Writer *w)
{
  double sum = 0;

  for (int i = 0; i < 4; i++)
    sum += g_rand_double (w->rand) - 0.5;
  return (float) (sum * sqrt (3));
}

/* columns 0: a vector */
static void
add (Writer *w, const char *name, gsize rows, gsize columns, const float *v)
{
  const gsize n = rows * MAX (columns, 1);
  const gboolean f32 = !strcmp (w->m->dtype, "F32");
  GByteArray *a = g_byte_array_new ();
  GBytes *bytes;

  for (gsize i = 0; i < n; i++) {
    const guint16 half = !strcmp (w->m->dtype, "BF16") ? neva_f32_to_bf16 (v[i])
                                                       : neva_f32_to_f16 (v[i]);

    if (f32)
      g_byte_array_append (a, (const guint8 *) &v[i], 4);
    else
      g_byte_array_append (a, (const guint8 *) &half, 2);
  }
  bytes = g_byte_array_free_to_bytes (a);
  g_ptr_array_add (w->bytes, bytes);
  neva_out_made (neva_out_add (w->list, "%s", name), w->m->dtype, rows, columns,
      write_bytes, bytes);
}

/* Numbers of rms `width`. */
static void matrix (Writer *w, gsize n, gsize k, double width,
    const char *format, ...) G_GNUC_PRINTF (5, 6);
/* Numbers around `center`; `large`: how many of them are so. */
static void vector (Writer *w, gsize n, float center, guint large,
    const char *format, ...) G_GNUC_PRINTF (5, 6);

static void
matrix (Writer *w, gsize n, gsize k, double width, const char *format, ...)
{
  g_autofree float *v = g_new (float, n *k);
  g_autofree char *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  for (gsize i = 0; i < n * k; i++)
    v[i] = (float) width * noise (w);
  add (w, name, n, k, v);
}

static void
vector (Writer *w, gsize n, float center, guint large, const char *format, ...)
{
  g_autofree float *v = g_new (float, n);
  g_autofree char *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  for (gsize i = 0; i < n; i++)
    v[i] = center + 0.1f * noise (w);
  for (guint i = 0; i < large; i++)
    v[(gsize) g_rand_int_range (w->rand, 0, (gint32) n)] += (float) LARGE - 1;
  add (w, name, n, 0, v);
}

/* ---- Parts -------------------------------------------------------------- */

/* Results are about as large as inputs are without their outliers. */
static void
linear (Writer *w, const char *stem, const char *name, gsize n, gsize k,
    gboolean bias)
{
  const gboolean decoder = g_str_has_prefix (stem, LM);
  const double more =
      decoder && k == w->m->hidden ? w->m->outliers * LARGE * LARGE : 0;

  matrix (w, n, k, 1 / sqrt ((double) k + more), "%s%s.weight", stem, name);
  if (bias)
    vector (w, n, 0, 0, "%s%s.bias", stem, name);
}

static void
add_tower (Writer *w)
{
  const RandomModel *m = w->m;
  const gsize d = m->tower_hidden, side = RANDOM_MODEL_IMAGE / PATCH;
  const gsize pixels = 3 * PATCH * PATCH;

  matrix (
      w, d, pixels, 1 / sqrt (pixels), VIT "embeddings.patch_embedding.weight");
  matrix (w, side * side + !m->siglip, d, 0.1,
      VIT "embeddings.position_embedding.weight");
  if (m->siglip) {
    vector (w, d, 0, 0, VIT "embeddings.patch_embedding.bias");
  } else {
    vector (w, d, 0, 0, VIT "embeddings.class_embedding");
    vector (w, d, 1, 0, VIT "pre_layrnorm.weight");
    vector (w, d, 0, 0, VIT "pre_layrnorm.bias");
  }
  for (guint i = 0; i < m->tower_layers; i++) {
    g_autofree char *stem = g_strdup_printf (VIT "encoder.layers.%u.", i);

    for (guint j = 1; j <= 2; j++) {
      vector (w, d, 1, 0, "%slayer_norm%u.weight", stem, j);
      vector (w, d, 0, 0, "%slayer_norm%u.bias", stem, j);
    }
    linear (w, stem, "self_attn.q_proj", d, d, TRUE);
    linear (w, stem, "self_attn.k_proj", d, d, TRUE);
    linear (w, stem, "self_attn.v_proj", d, d, TRUE);
    linear (w, stem, "self_attn.out_proj", d, d, TRUE);
    linear (w, stem, "mlp.fc1", m->tower_ffn, d, TRUE);
    linear (w, stem, "mlp.fc2", d, m->tower_ffn, TRUE);
  }
  vector (w, d, 1, 0, VIT "post_layernorm.weight");
  vector (w, d, 0, 0, VIT "post_layernorm.bias");
  linear (w, PROJECTOR, "linear_1", m->hidden, d, TRUE);
  linear (w, PROJECTOR, "linear_2", m->hidden, m->hidden, TRUE);
}

static gboolean
is_nemotron (const RandomModel *m)
{
  return !strcmp (m->text, "nemotron");
}

static void
add_norm (Writer *w, const char *name)
{
  const RandomModel *m = w->m;

  vector (
      w, m->hidden, is_nemotron (m) ? 0 : 1, m->outliers, "%s.weight", name);
  if (is_nemotron (m))
    vector (w, m->hidden, 0, 0, "%s.bias", name);
}

static void
add_mlp (Writer *w, const char *stem)
{
  const RandomModel *m = w->m;
  const gsize h = m->hidden, f = m->ffn;

  if (m->experts)
    linear (w, stem, "block_sparse_moe.gate", m->experts, h, FALSE);
  for (guint e = 0; e < m->experts; e++) {
    g_autofree char *expert =
        g_strdup_printf ("%sblock_sparse_moe.experts.%u.", stem, e);

    linear (w, expert, "w1", f, h, FALSE);
    linear (w, expert, "w3", f, h, FALSE);
    linear (w, expert, "w2", h, f, FALSE);
  }
  if (m->experts)
    return;
  if (!is_nemotron (m))
    linear (w, stem, "mlp.gate_proj", f, h, m->biases);
  linear (w, stem, "mlp.up_proj", f, h, m->biases);
  linear (w, stem, "mlp.down_proj", h, f, m->biases);
}

static void
add_decoder (Writer *w)
{
  const RandomModel *m = w->m;
  const gsize h = m->hidden, q = m->heads * m->head_dim;
  const gsize kv = m->kv_heads * m->head_dim;
  const gboolean qkv = m->biases || !strcmp (m->text, "qwen2");

  matrix (w, VOCAB, h, 1, LM "embed_tokens.weight");
  matrix (w, VOCAB, h, 1 / sqrt ((double) h), "language_model.lm_head.weight");
  for (guint i = 0; i < m->layers; i++) {
    g_autofree char *stem = g_strdup_printf (LM "layers.%u.", i);
    g_autofree char *norm1 = g_strconcat (stem, "input_layernorm", NULL);
    g_autofree char *norm2 =
        g_strconcat (stem, "post_attention_layernorm", NULL);

    add_norm (w, norm1);
    linear (w, stem, "self_attn.q_proj", q, h, qkv);
    linear (w, stem, "self_attn.k_proj", kv, h, qkv);
    linear (w, stem, "self_attn.v_proj", kv, h, qkv);
    linear (w, stem, "self_attn.o_proj", h, q, m->biases);
    add_norm (w, norm2);
    add_mlp (w, stem);
  }
  vector (w, h, is_nemotron (m) ? 0 : 1, 0, LM "norm.weight");
  if (is_nemotron (m))
    vector (w, h, 0, 0, LM "norm.bias");
}

/* ---- Files -------------------------------------------------------------- */

static void
put_text (JsonBuilder *b, const RandomModel *m)
{
  neva_json_begin (b, "text_config");
  neva_json_text (b, "model_type", m->text);
  neva_json_int (b, "hidden_size", m->hidden);
  neva_json_int (b, "num_hidden_layers", m->layers);
  neva_json_int (b, "num_attention_heads", m->heads);
  neva_json_int (b, "num_key_value_heads", m->kv_heads);
  neva_json_int (b, "head_dim", m->head_dim);
  neva_json_int (b, "intermediate_size", m->ffn);
  neva_json_int (b, "vocab_size", VOCAB);
  neva_json_int (b, "max_position_embeddings", 512);
  neva_json_text (b, "sliding_window", NULL);
  if (m->act)
    neva_json_text (b, "hidden_act", m->act);
  if (m->experts)
    neva_json_int (b, "num_local_experts", m->experts);
  neva_json_bool (b, "attention_bias", m->biases);
  neva_json_bool (b, "mlp_bias", m->biases);
  json_builder_end_object (b);
}

static void
put_tower (JsonBuilder *b, const RandomModel *m)
{
  neva_json_begin (b, "vision_config");
  neva_json_text (
      b, "model_type", m->siglip ? "siglip_vision_model" : "clip_vision_model");
  neva_json_int (b, "hidden_size", m->tower_hidden);
  neva_json_int (b, "num_hidden_layers", m->tower_layers);
  neva_json_int (b, "num_attention_heads", m->tower_heads);
  neva_json_int (b, "intermediate_size", m->tower_ffn);
  neva_json_int (b, "image_size", RANDOM_MODEL_IMAGE);
  neva_json_int (b, "patch_size", PATCH);
  json_builder_end_object (b);
}

static gboolean
write_config (const RandomModel *m, const char *folder, GError **error)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  neva_json_text (b, "model_type", "llava");
  neva_json_int (b, "image_token_index", 3);
  neva_json_int (b, "vision_feature_layer", -2);
  neva_json_text (
      b, "vision_feature_select_strategy", m->siglip ? "full" : "default");
  neva_json_bool (b, "tie_word_embeddings", FALSE);
  put_text (b, m);
  put_tower (b, m);
  neva_json_begin (b, "neva");
  neva_json_int (b, "num_frames", RANDOM_MODEL_FRAMES);
  neva_json_text (b, "conv_template", "plain");
  json_builder_end_object (b);
  json_builder_end_object (b);
  return neva_json_write (folder, "config.json", b, error);
}

static gboolean
write_preprocessor (const char *folder, GError **error)
{
  const char *text =
      "{\"image_processor_type\":\"SiglipImageProcessor\","
      "\"size\":{\"height\":28,\"width\":28},\"do_resize\":true,"
      "\"do_center_crop\":false,\"resample\":3,\"do_rescale\":true,"
      "\"rescale_factor\":0.00392156862745098,\"do_normalize\":true,"
      "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}";

  return neva_file_write (
      folder, "preprocessor_config.json", text, strlen (text), error);
}

static gboolean
copy_file (const char *from, const char *name, const char *to, GError **error)
{
  g_autofree char *path = g_build_filename (from, name, NULL);
  g_autofree char *text = NULL;
  gsize length;

  return g_file_get_contents (path, &text, &length, error) &&
         neva_file_write (to, name, text, length, error);
}

gboolean
random_model_write (const RandomModel *m, const char *folder,
    const char *tokenizer, guint32 seed, GError **error)
{
  static const char *const copied[] = {
      "tokenizer.model", "tokenizer_config.json", "generation_config.json"};
  g_autoptr (GPtrArray) list = neva_out_list_new ();
  g_autoptr (GPtrArray) bytes =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Writer w = {m, list, rand, bytes};
  NevaOutProgress progress = {0};

  for (gsize i = 0; i < G_N_ELEMENTS (copied); i++) {
    if (!copy_file (tokenizer, copied[i], folder, error))
      return FALSE;
  }
  add_tower (&w);
  add_decoder (&w);
  return write_config (m, folder, error) &&
         write_preprocessor (folder, error) &&
         neva_st_write (folder, list, NULL, G_MAXUINT64, &progress, error);
}
