/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "checkpoint/extras.h"

typedef enum { UINT, INT, BOOL, FLOAT, CHOICE, TEXT } Kind;

typedef struct {
  const char *key;
  Kind kind;
  gboolean model;           /* the arithmetic, not only prompts and defaults */
  gsize offset;             /* in NevaConfig */
  double min, max;          /* TEXT: max is the array's size */
  const char *const *names; /* CHOICE, by value; NULL-terminated */
} Field;

static const char *const prompt_names[] = {"huggingface", "nemo", NULL};
static const char *const act_names[] = {
    "linear", "gelu", "gelu_tanh", "quick_gelu", "silu", "relu2", NULL};
static const char *const norm_names[] = {
    "rmsnorm", "layernorm", "layernorm1p", NULL};
static const char *const rope_names[] = {"default", "linear", "llama3", NULL};
static const char *const projector_names[] = {
    "mlp", "mlp_downsample", "identity", NULL};

static const char *const lita_names[] = {"none", "temporal_spatial_pool",
    "temporal_spatial", "temporal_all_resolution", NULL};

#define AT(field) G_STRUCT_OFFSET (NevaConfig, field)
static const Field fields[] = {
    {"prompts", CHOICE, FALSE, AT (nemo), 0, 0, prompt_names},
    {"llama3_tokens", BOOL, FALSE, AT (llama3_tokens), 0, 0, NULL},
    {"use_im_start_end", BOOL, FALSE, AT (use_im_start_end), 0, 0, NULL},
    {"media_front", BOOL, FALSE, AT (media_front), 0, 0, NULL},
    {"legacy_tokenizer", BOOL, FALSE, AT (legacy_tokenizer), 0, 0, NULL},
    {"media_token", INT, FALSE, AT (media_token), 0, G_MAXINT32, NULL},
    {"sampled_vocab", UINT, FALSE, AT (sampled_vocab), 0, 1 << 24, NULL},
    {"bos", INT, FALSE, AT (bos), -1, G_MAXINT32, NULL},
    {"num_frames", UINT, FALSE, AT (num_frames), 1, 4096, NULL},
    {"conv_template", TEXT, FALSE, AT (conv_template), 0,
        sizeof (((NevaConfig *) 0)->conv_template), NULL},
    {"prompt", TEXT, FALSE, AT (prompt), 0, sizeof (((NevaConfig *) 0)->prompt),
        NULL},
    {"media_type", TEXT, FALSE, AT (media_type), 0,
        sizeof (((NevaConfig *) 0)->media_type), NULL},
    {"frame_choice", TEXT, FALSE, AT (frame_choice), 0,
        sizeof (((NevaConfig *) 0)->frame_choice), NULL},
    {"lita", CHOICE, TRUE, AT (lita), 0, 0, lita_names},
    {"lita_frames", UINT, TRUE, AT (lita_frames), 0, 4096, NULL},
    {"lita_ends", BOOL, TRUE, AT (lita_ends), 0, 0, NULL},
    {"time_tokens", UINT, FALSE, AT (time_tokens), 0, 65536, NULL},
    {"select_layer", INT, TRUE, AT (tower.select_layer), -NEVA_MAX_LAYERS - 1,
        NEVA_MAX_LAYERS, NULL},
    {"class_tokens", UINT, TRUE, AT (tower.class_tokens), 0, 64, NULL},
    {"pre_norm", BOOL, TRUE, AT (tower.pre_norm), 0, 0, NULL},
    {"post_norm", BOOL, TRUE, AT (tower.post_norm), 0, 0, NULL},
    {"tower_norms_1p", BOOL, TRUE, AT (tower.norms_1p), 0, 0, NULL},
    {"pre_norm_1p", BOOL, TRUE, AT (tower.pre_norm_1p), 0, 0, NULL},
    {"round_crop", BOOL, FALSE, AT (preprocess.round_crop), 0, 0, NULL},
    {"drop_rows", UINT, TRUE, AT (tower.drop_rows), 0, 64, NULL},
    {"projector", CHOICE, TRUE, AT (projector_kind), 0, 0, projector_names},
    {"projector_layers", UINT, TRUE, AT (projector_layers), 0,
        NEVA_MAX_PROJECTOR_LAYERS, NULL},
    {"projector_act", CHOICE, TRUE, AT (projector_act), 0, 0, act_names},
    {"projector_bias", BOOL, TRUE, AT (projector_bias), 0, 0, NULL},
    {"norm", CHOICE, TRUE, AT (text.norm), 0, 0, norm_names},
    {"act", CHOICE, TRUE, AT (text.act), 0, 0, act_names},
    {"gated", BOOL, TRUE, AT (text.gated), 0, 0, NULL},
    {"qkv_bias", BOOL, TRUE, AT (text.qkv_bias), 0, 0, NULL},
    {"out_bias", BOOL, TRUE, AT (text.out_bias), 0, 0, NULL},
    {"mlp_bias", BOOL, TRUE, AT (text.mlp_bias), 0, 0, NULL},
    {"tied_embeddings", BOOL, TRUE, AT (text.tied_embeddings), 0, 0, NULL},
    {"experts", UINT, TRUE, AT (text.experts), 0, 1024, NULL},
    {"experts_used", UINT, TRUE, AT (text.experts_used), 0, 1024, NULL},
    {"sliding_window", UINT, TRUE, AT (text.sliding_window), 0, 1 << 24, NULL},
    {"rope", CHOICE, TRUE, AT (text.rope_kind), 0, 0, rope_names},
    {"rope_base", FLOAT, TRUE, AT (text.rope_base), 1, 1e12, NULL},
    {"rope_fraction", FLOAT, TRUE, AT (text.rope_fraction), 1e-3, 1, NULL},
    {"rope_factor", FLOAT, TRUE, AT (text.rope_factor), 1e-6, 1e6, NULL},
    {"rope_low_freq", FLOAT, TRUE, AT (text.rope_low_freq), 0, 1e6, NULL},
    {"rope_high_freq", FLOAT, TRUE, AT (text.rope_high_freq), 0, 1e6, NULL},
    {"rope_original_context", UINT, TRUE, AT (text.rope_original_context), 0,
        1 << 24, NULL},
};
#undef AT

/* UINT, INT, BOOL and CHOICE are all of this size. */
G_STATIC_ASSERT (sizeof (gint32) == sizeof (NevaAct));
G_STATIC_ASSERT (sizeof (gint32) == sizeof (gboolean));

static gint32
number_of (const NevaConfig *c, const Field *f)
{
  gint32 n;

  memcpy (&n, (const char *) c + f->offset, sizeof n);
  return n;
}

static float
float_of (const NevaConfig *c, const Field *f)
{
  float x;

  memcpy (&x, (const char *) c + f->offset, sizeof x);
  return x;
}

/* ---- Reading ------------------------------------------------------------ */

static gint32
read_choice (const NevaHfReader *r, const Field *f, gint32 value)
{
  const char *name = neva_hf_string (r, f->key, f->names[value]);

  for (gint32 i = 0; f->names[i]; i++) {
    if (!strcmp (f->names[i], name))
      return i;
  }
  neva_hf_fail (
      r, f->key, NEVA_ERROR_UNSUPPORTED, "'%s' is not supported", name);
  return value;
}

static void
read_field (const NevaHfReader *r, const Field *f, NevaConfig *c)
{
  char *at = (char *) c + f->offset;
  gint32 n = f->kind == TEXT || f->kind == FLOAT ? 0 : number_of (c, f);
  float x;

  switch (f->kind) {
    case UINT:
    case INT:
      n = (gint32) neva_hf_int (r, f->key, n, (gint64) f->min, (gint64) f->max);
      break;
    case BOOL:
      n = neva_hf_bool (r, f->key, n);
      break;
    case CHOICE:
      n = read_choice (r, f, n);
      break;
    case FLOAT:
      x = (float) neva_hf_double (r, f->key, 0, f->min, f->max);
      memcpy (at, &x, sizeof x);
      return;
    case TEXT:
      if (g_strlcpy (at, neva_hf_string (r, f->key, ""), (gsize) f->max) >=
          (gsize) f->max)
        neva_hf_fail (r, f->key, NEVA_ERROR_BAD_FILE, "longer than %.0f bytes",
            f->max - 1);
      return;
  }
  memcpy (at, &n, sizeof n);
}

/* A list of whole numbers; how many, or -1 without the key. */
static gint
read_list (const NevaHfReader *r, const char *key, guint max, gint64 *list)
{
  JsonNode *node = neva_hf_node (r, key);
  JsonArray *array =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  const guint n = array ? json_array_get_length (array) : 0;

  if (!node)
    return -1;
  if (!array || n > max) {
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE,
        "a list of at most %u numbers is expected", max);
    return -1;
  }
  for (guint i = 0; i < n; i++) {
    double x;

    if (!neva_hf_node_double (json_array_get_element (array, i), &x) ||
        !(x >= 0 && x <= G_MAXINT32) || x != (double) (gint64) x) {
      neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE, "whole numbers are expected");
      return -1;
    }
    list[i] = (gint64) x;
  }
  return (gint) n;
}

static void
read_lists (const NevaHfReader *r, NevaConfig *c)
{
  gint64 list[NEVA_MAX_LAYERS];
  gint n = read_list (r, "eos", G_N_ELEMENTS (c->eos), list);

  if (n >= 0) {
    c->n_eos = (guint) n;
    for (gint i = 0; i < n; i++)
      c->eos[i] = (gint32) list[i];
  }
  n = read_list (r, "window_layers", NEVA_MAX_LAYERS, list);
  if (n < 0)
    return;
  memset (c->text.window_layers, 0, sizeof c->text.window_layers);
  for (gint i = 0; i < n; i++) {
    if (list[i] < c->text.layers)
      c->text.window_layers[list[i]] = TRUE;
    else
      neva_hf_fail (r, "window_layers", NEVA_ERROR_BAD_FILE,
          "there is no layer %d", (int) list[i]);
  }
}

static void
check (const NevaHfReader *r, const NevaConfig *c)
{
  const gint layers = (gint) c->tower.layers;

  if (layers &&
      (c->tower.select_layer > layers || c->tower.select_layer < -layers - 1))
    neva_hf_fail (r, "select_layer", NEVA_ERROR_BAD_FILE,
        "the vision tower has %d layers", layers);
  if (layers && neva_tower_config_rows (&c->tower) <= c->tower.drop_rows)
    neva_hf_fail (r, "drop_rows", NEVA_ERROR_BAD_FILE,
        "no row of the vision tower is left");
  if (c->projector_kind != NEVA_PROJECTOR_IDENTITY && !c->projector_layers)
    neva_hf_fail (r, "projector_layers", NEVA_ERROR_BAD_FILE,
        "this projector has at least one");
  if (layers && c->projector_kind == NEVA_PROJECTOR_DOWNSAMPLE &&
      c->tower.drop_rows != c->tower.class_tokens)
    neva_hf_fail (r, "projector", NEVA_ERROR_BAD_FILE,
        "mlp_downsample needs the picture's patches alone, without the class "
        "token");
  if (layers && c->projector_kind == NEVA_PROJECTOR_IDENTITY &&
      c->tower.hidden != c->text.hidden)
    neva_hf_fail (r, "projector", NEVA_ERROR_BAD_FILE,
        "identity needs a vision tower of the language model's width %u, not "
        "of %u",
        c->text.hidden, c->tower.hidden);
  if (layers && c->lita == NEVA_LITA_POOL &&
      c->tower.drop_rows != c->tower.class_tokens)
    neva_hf_fail (r, "lita", NEVA_ERROR_BAD_FILE,
        "temporal_spatial_pool needs the picture's patches alone");
  if (c->lita == NEVA_LITA_ALL && !c->lita_frames)
    neva_hf_fail (r, "lita_frames", NEVA_ERROR_BAD_FILE, "missing");
  if (c->lita_ends && (c->lita != NEVA_LITA_ALL || !c->nemo))
    neva_hf_fail (r, "lita_ends", NEVA_ERROR_BAD_FILE,
        "frames between tokens of their own are temporal_all_resolution's, in "
        "NeMo's prompts");
  if (c->text.experts_used > c->text.experts)
    neva_hf_fail (
        r, "experts_used", NEVA_ERROR_BAD_FILE, "more than there are experts");
  if (c->text.rope_kind == NEVA_ROPE_LLAMA3 &&
      !(c->text.rope_high_freq > c->text.rope_low_freq &&
          c->text.rope_low_freq > 0 && c->text.rope_original_context))
    neva_hf_fail (r, "rope_high_freq", NEVA_ERROR_BAD_FILE,
        "must be above rope_low_freq");
}

void
neva_extras_read (const NevaHfReader *r, NevaConfig *config)
{
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    if (neva_hf_has (r, fields[i].key))
      read_field (r, &fields[i], config);
  }
  read_lists (r, config);
  if (!neva_hf_failed (r))
    check (r, config);
}

/* ---- Writing ------------------------------------------------------------ */

static gboolean
differs (const NevaConfig *a, const NevaConfig *b, const Field *f)
{
  if (f->kind == TEXT)
    return strcmp ((const char *) a + f->offset, (const char *) b + f->offset);
  return number_of (a, f) != number_of (b, f); /* floats by their bits */
}

static void
write_field (JsonObject *o, const NevaConfig *c, const Field *f)
{
  switch (f->kind) {
    case UINT:
    case INT:
      json_object_set_int_member (o, f->key, number_of (c, f));
      break;
    case BOOL:
      json_object_set_boolean_member (o, f->key, number_of (c, f));
      break;
    case CHOICE:
      json_object_set_string_member (o, f->key, f->names[number_of (c, f)]);
      break;
    case FLOAT:
      json_object_set_double_member (o, f->key, (double) float_of (c, f));
      break;
    case TEXT:
      json_object_set_string_member (o, f->key, (const char *) c + f->offset);
      break;
  }
}

static void
write_eos (JsonObject *o, const NevaConfig *want, const NevaConfig *got)
{
  JsonArray *list;

  if (want->n_eos == got->n_eos &&
      !memcmp (want->eos, got->eos, want->n_eos * sizeof *want->eos))
    return;
  list = json_array_new ();
  for (guint i = 0; i < want->n_eos; i++)
    json_array_add_int_element (list, want->eos[i]);
  json_object_set_array_member (o, "eos", list);
}

static gboolean
write_window (
    JsonObject *o, const NevaTextConfig *want, const NevaTextConfig *got)
{
  JsonArray *list;

  if (!want->sliding_window ||
      !memcmp (want->window_layers, got->window_layers, want->layers))
    return FALSE;
  list = json_array_new ();
  for (guint i = 0; i < want->layers; i++) {
    if (want->window_layers[i])
      json_array_add_int_element (list, i);
  }
  json_object_set_array_member (o, "window_layers", list);
  return TRUE;
}

JsonObject *
neva_extras_write (
    const NevaConfig *want, const NevaConfig *got, gboolean *model)
{
  JsonObject *o = json_object_new ();

  *model = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    if (!differs (want, got, &fields[i]))
      continue;
    write_field (o, want, &fields[i]);
    *model |= fields[i].model;
  }
  write_eos (o, want, got);
  *model |= write_window (o, &want->text, &got->text);
  return o;
}
