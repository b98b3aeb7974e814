/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From pixels to greedy ids, stage by stage.
 *
 * f32 bounds. A sum of k products in f32, in any order, differs from another
 * order by about sqrt(k) roundings of 2^-24 of its size (and at most k). Both
 * sides round, every block adds four such sums to the residual:
 *
 *   bound = 2 * 2^-24 * sqrt(k) * (4 layers + 4) * max |result|
 *
 * with the largest k and layer count of the model. Logits have a yardstick of
 * their own: PyTorch in bf16 made the same roundings with 2^-8 instead of
 * 2^-24, though once per sum; so the bound is its error times 2^-16, times
 * sqrt(k). bf16 logits: at most twice the error that PyTorch's bf16 makes
 * (craft: rounding the same numbers elsewhere in the block may move, but not
 * double, the error). The same for the codes of an AWQ checkpoint, against
 * PyTorch with naive int4 (tests/make_awq_reference.py). */
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "checkpoint/checkpoint.h"
#include "model/lita.h"
#include "model/llava.h"
#include "stages.h"
#include "text/nemo_prompt.h"

typedef struct {
  Report *r;
  const char *folder;
  char *path, *base; /* the checkpoint: the folder, or a .nemo in it */
  const NevaSafetensors *st;
  NevaLlava *model;
  const NevaConfig *config;
  gsize n_frames, n_ids, n_steps, vocab;
  gsize stored_vocab;    /* a converted model may have more rows: padding */
  gsize media_start;     /* of the media run, NeMo only */
  gsize tokenizer_vocab; /* ids from here on are never sampled; 0: all are */
  gint32 *ids;           /* [n_ids], as stored; as embedded from
                            check_nemo_prompt () on */
  GArray *slots;         /* see NevaPrompt; NULL */
  float *features;       /* [n_frames * S][H] */
  gboolean rounded;      /* see try_rounded_rotary () */
} Check;

static double
largest_sum (const NevaConfig *c)
{
  const guint patch = 3 * c->tower.patch_size * c->tower.patch_size;

  return MAX (MAX (MAX (c->tower.hidden, c->tower.ffn), patch),
      MAX (
          MAX (c->text.hidden, c->text.ffn), c->text.heads * c->text.head_dim));
}

static double
sum_bound (const NevaConfig *c, guint layers, const float *want, gsize n)
{
  return 2 * 0x1p-24 * sqrt (largest_sum (c)) * (4.0 * layers + 4) *
         largest (want, n);
}

static gboolean
divides (const NevaTextConfig *t, guint tp, guint pp)
{
  return t->heads % tp == 0 && t->kv_heads % tp == 0 && t->ffn % tp == 0 &&
         t->vocab % tp == 0 && t->layers % pp == 0;
}

/* AWQ: rows of the matrices that are shared by columns, in groups. */
static gboolean
divides_codes (const NevaTextConfig *t, guint tp)
{
  return t->heads * t->head_dim / tp % NEVA_QUANT_GROUP == 0 &&
         t->ffn / tp % NEVA_QUANT_GROUP == 0;
}

/* Is it the split that was refused, and rightly so? */
static gboolean
rightly_refused (const Check *c, const GError *error)
{
  const NevaCheckpointParts parts = {.base_model = c->base};
  g_auto (NevaCheckpoint) checkpoint = {0};
  const gboolean codes = strstr (error->message, "whole groups") != NULL;

  if (c->r->tp * c->r->pp == 1 ||
      (!codes && !strstr (error->message, "shared evenly")) ||
      !neva_checkpoint_open (&checkpoint, c->path, &parts, NULL))
    return FALSE;
  return !(codes ? divides_codes (&checkpoint.config.text, c->r->tp)
                 : divides (&checkpoint.config.text, c->r->tp, c->r->pp));
}

static gboolean
open_model (Check *c, NevaWeights weights)
{
  const NevaModelOptions options = {.base_model = c->base,
      .device = c->r->device,
      .weights = weights,
      .tensor_parallel = c->r->tp,
      .pipeline_parallel = c->r->pp};
  g_autoptr (GError) error = NULL;

  c->model = neva_llava_load (c->path, &options, NULL, NULL, NULL, &error);
  if (!c->model && rightly_refused (c, error)) {
    report_equal (c->r, error->message, 1, 1);
    return FALSE;
  }
  if (!c->model) {
    report_failure (c->r, "load", error->message);
    return FALSE;
  }
  c->config = neva_llava_config (c->model);
  c->vocab = c->config->text.vocab;
  return TRUE;
}

/* NeMo: where the media run stands (a Hugging Face prompt has a token of its
 * own), and where the padding of the vocabulary begins. */
static gboolean
read_nemo (Check *c)
{
  g_autoptr (JsonNode) root = read_json (c->r, c->folder, "expected.json");
  JsonObject *object = root ? json_node_get_object (root) : NULL;

  if (object && json_object_has_member (object, "media_run"))
    c->media_start = json_object_get_int_member (
        json_object_get_object_member (object, "media_run"), "start");
  if (object && json_object_has_member (object, "tokenizer_vocab"))
    c->tokenizer_vocab = json_object_get_int_member (object, "tokenizer_vocab");
  return root != NULL;
}

static gboolean
read_ids (Check *c)
{
  gsize n_greedy;
  const gint64 *ids = stored (c->r, c->st, "input_ids", "I64", &c->n_ids);
  const gint64 *greedy = stored (c->r, c->st, "greedy_ids", "I64", &n_greedy);
  const NevaTensorView *frames = neva_safetensors_find (c->st, "frames");

  if (!ids || !greedy || !frames || frames->n_dims != 4)
    return FALSE;
  if (!read_nemo (c))
    return FALSE;
  c->n_frames = frames->shape[0];
  c->n_steps = n_greedy;
  c->ids = g_new (gint32, c->n_ids);
  for (gsize i = 0; i < c->n_ids; i++) {
    gint64 id;

    memcpy (&id, ids + i, sizeof id);
    c->ids[i] = (gint32) id;
  }
  return TRUE;
}

/* Of all frames, in the prompt. */
static gsize
media_rows (const Check *c)
{
  return neva_lita_rows (
      c->config, c->n_frames, neva_llava_tokens_per_frame (c->model));
}

static void
combine_frames (Check *c, gsize tokens)
{
  const gsize width = c->config->text.hidden;
  g_autofree const float **frames = g_new (const float *, c->n_frames);
  float *rows = g_new (float, media_rows (c) * width);

  for (gsize i = 0; i < c->n_frames; i++)
    frames[i] = c->features + i * tokens * width;
  neva_lita_combine (c->config, frames, c->n_frames, tokens, width, rows);
  g_free (c->features);
  c->features = rows;
}

/* The prompt through our own template and tokenizer code. */
static void
check_prompt (Check *c)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = read_json (c->r, c->folder, "expected.json");
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open_files (
      neva_llava_tokenizer (c->model), FALSE, &error);
  NevaPromptSpec spec = {.conv_template = "none",
      .media_tokens = media_rows (c),
      .media_token = c->config->media_token,
      .bos = -1};
  NevaPrompt prompt = {0};
  gsize equal = 0;

  if (!root)
    return;
  spec.text =
      json_object_get_string_member (json_node_get_object (root), "prompt");
  if (!tokenizer || !neva_prompt_build (tokenizer, &spec, &prompt, &error)) {
    report_failure (c->r, "prompt ids", error->message);
    return;
  }
  /* whether a BOS comes first is the tokenizer's setting, not the prompt's */
  if (c->ids[0] == c->config->bos &&
      g_array_index (prompt.ids, gint32, 0) != c->config->bos)
    g_array_prepend_val (prompt.ids, c->config->bos);
  for (gsize i = 0; i < MIN (c->n_ids, prompt.ids->len); i++)
    equal += c->ids[i] == g_array_index (prompt.ids, gint32, i);
  report_equal (c->r, "prompt ids", equal, MAX (c->n_ids, prompt.ids->len));
  neva_prompt_clear (&prompt);
}

/* LITA's frames between tokens: where the rows stand, and what is embedded in
 * place of a token. */
static void
take_slots (Check *c, NevaPrompt *prompt)
{
  if (!prompt->slots || c->slots)
    return;
  c->slots = g_array_ref (prompt->slots);
  for (guint i = 0; i < c->slots->len && c->media_start + i < c->n_ids; i++) {
    const gint32 slot = g_array_index (c->slots, gint32, i);

    if (slot < 0)
      c->ids[c->media_start + i] = ~slot;
  }
}

/* The stored prompt is whole: template and marker are in it. */
static void
check_nemo_prompt (Check *c)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = read_json (c->r, c->folder, "expected.json");
  g_autoptr (NevaTokenizer) tokenizer =
      neva_tokenizer_open_files (neva_llava_tokenizer (c->model),
          neva_config_whole_texts (c->config), &error);
  const NevaNemoMedia media = {c->config->llama3_tokens,
      c->config->use_im_start_end,
      c->config->lita_ends ? c->config->lita_frames : 0,
      c->config->lita_ends ? c->n_frames : 0};
  NevaPrompt prompt = {0};
  JsonObject *object;
  gsize equal = 0;

  if (!root)
    return;
  object = json_node_get_object (root);
  if (!tokenizer || !neva_nemo_prompt_build (tokenizer,
                        json_object_get_string_member (object, "prompt"),
                        json_object_get_string_member (object, "template"),
                        &media, media_rows (c), &prompt, &error)) {
    report_failure (c->r, "prompt ids", error->message);
    return;
  }
  for (gsize i = 0; i < MIN (c->n_ids, prompt.ids->len); i++)
    equal += c->ids[i] == g_array_index (prompt.ids, gint32, i);
  report_equal (c->r, "prompt ids", equal, MAX (c->n_ids, prompt.ids->len));
  report_equal (c->r, "media run", prompt.media_start == c->media_start, 1);
  take_slots (c, &prompt);
  check_nemo_text (c->r, object, tokenizer, c->config->legacy_tokenizer);
  neva_prompt_clear (&prompt);
}

/* Encodes the stored frames; with `judge`, compares. */
static gboolean
encode (Check *c, gboolean judge)
{
  g_autoptr (GError) error = NULL;
  const NevaConfig *k = c->config;
  const gsize picture = 3 * (gsize) k->preprocess.width * k->preprocess.height;
  gsize n_hidden = 0, n_projected = 0;
  g_autofree guint8 *resized = resize_frames (c->r, &k->preprocess, c->st);
  const float *want_hidden =
      stored (c->r, c->st, "vision_hidden", "F32", &n_hidden);
  const float *want = stored (c->r, c->st, "projected", "F32", &n_projected);
  const gsize rows = media_rows (c);
  const gsize tower_rows = c->n_frames * neva_llava_tower_rows (c->model);
  const gsize tokens = neva_llava_tokens_per_frame (c->model);
  g_autofree const guint8 **frames = g_new (const guint8 *, c->n_frames);
  g_autofree float *hidden = g_new (float, tower_rows * k->tower.hidden);

  if (!resized || !want_hidden || !want ||
      n_hidden != tower_rows * k->tower.hidden ||
      n_projected != rows * k->text.hidden) {
    report_failure (c->r, "tower features", "stored shapes do not fit");
    return FALSE;
  }
  for (gsize i = 0; i < c->n_frames; i++)
    frames[i] = resized + i * picture;
  g_free (c->features);
  c->features = g_new (float, c->n_frames *tokens * k->text.hidden);
  if (!neva_llava_encode (
          c->model, frames, c->n_frames, c->features, hidden, &error)) {
    report_failure (c->r, "tower features", error->message);
    return FALSE;
  }
  if (k->lita)
    combine_frames (c, tokens);
  if (!judge)
    return TRUE;
  report_error (c->r, "tower features",
      largest_difference (hidden, want_hidden, n_hidden),
      sum_bound (k, k->tower.layers, want_hidden, n_hidden));
  report_error (c->r, "projected",
      largest_difference (c->features, want, n_projected),
      sum_bound (k, k->tower.layers + 1, want, n_projected));
  return TRUE;
}

/* Rows of the prompt: features where the media token stands. */
static const float **
prompt_rows (const Check *c)
{
  const float **rows = g_new0 (const float *, c->n_ids);
  const gsize n = media_rows (c);
  gsize next = 0;

  for (gsize i = 0; c->slots && i < c->slots->len; i++) {
    const gint32 slot = g_array_index (c->slots, gint32, i);

    if (slot >= 0 && c->media_start + i < c->n_ids)
      rows[c->media_start + i] =
          c->features + (gsize) slot * c->config->text.hidden;
  }
  for (gsize i = 0; !c->slots && i < c->n_ids; i++) {
    if (next < n && (c->config->nemo ? i >= c->media_start
                                     : c->ids[i] == c->config->media_token))
      rows[i] = c->features + next++ * c->config->text.hidden;
  }
  return rows;
}

static float *
prompt_logits (Check *c, NevaSequence *sequence)
{
  g_autoptr (GError) error = NULL;
  g_autofree const float **rows = prompt_rows (c);
  float *logits = g_new (float, c->n_ids * c->vocab);
  const NevaStepItem item = {sequence, c->ids, rows, c->n_ids, logits, TRUE};

  if (neva_llava_step (c->model, &item, 1, &error)) {
    for (gsize i = 0; i < c->n_ids; i++)
      memmove (logits + i * c->stored_vocab, logits + i * c->vocab,
          c->stored_vocab * sizeof *logits);
    return logits;
  }
  report_failure (c->r, "prompt logits", error->message);
  g_free (logits);
  return NULL;
}

static gint32
argmax (const float *x, gsize n)
{
  gsize best = 0;

  for (gsize i = 1; i < n; i++) {
    if (x[i] > x[best])
      best = i;
  }
  return (gint32) best;
}

/* Generates from the prompt's last logits; logits of each step, as stored: the
 * first are the prompt's last. */
static void
check_steps (Check *c, NevaSequence *sequence, const float *last, double bound)
{
  g_autoptr (GError) error = NULL;
  gsize n, n_ids, equal = 0;
  const float *want = stored (c->r, c->st, "step_logits", "F32", &n);
  const guint8 *ids = stored (c->r, c->st, "greedy_ids", "I64", &n_ids);
  g_autofree float *logits = g_new (float, c->vocab);
  const gsize sampled =
      c->tokenizer_vocab ? c->tokenizer_vocab : c->stored_vocab;
  double worst = 0;

  if (!want || !ids || n != c->n_steps * c->stored_vocab ||
      sampled > c->stored_vocab) {
    report_failure (c->r, "step logits", "stored shapes do not fit");
    return;
  }
  memcpy (logits, last, c->stored_vocab * sizeof *logits);
  for (gsize i = 0; i < c->n_steps; i++) {
    gint32 id = argmax (logits, sampled);
    const NevaStepItem item = {sequence, &id, NULL, 1, logits, FALSE};
    gint64 expected;

    memcpy (&expected, ids + i * 8, 8);
    worst = fmax (worst,
        largest_difference (logits, want + i * c->stored_vocab, sampled));
    equal += id == expected;
    id = (gint32) expected; /* later steps stay comparable */
    if (!neva_llava_step (c->model, &item, 1, &error)) {
      report_failure (c->r, "step logits", error->message);
      return;
    }
  }
  report_error (c->r, "step logits", worst, bound);
  report_equal (c->r, "greedy ids", equal, c->n_steps);
}

/* A reference made by a module that was cast to bf16 holds rotary frequencies
 * that were rounded with the weights (Module.to () casts every buffer). That is
 * no property of the checkpoint, so it is tried only where the weights are bf16
 * and the true frequencies do not fit, and it is said. */
static gboolean
try_rounded_rotary (Check *c)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaSafetensors) weights =
      neva_safetensors_open (c->folder, &error);
  g_autofree const char **names = NULL;

  if (!weights || c->rounded)
    return FALSE;
  names = neva_safetensors_names (weights);
  if (!names[0] ||
      !g_str_equal (neva_safetensors_find (weights, names[0])->dtype, "BF16"))
    return FALSE;
  printf ("%-34s (the reference's rotary frequencies are rounded to bf16?)\n",
      c->r->where);
  c->rounded = TRUE;
  neva_llava_round_rotary (c->model);
  return TRUE;
}

static void
check_logits (Check *c, const float *want, const float *bf16, gsize n)
{
  const NevaConfig *k = c->config;
  const double bound =
      bf16 ? largest_difference (bf16, want, n) * 0x1p-16 *
                 sqrt (largest_sum (k))
           : sum_bound (k, k->tower.layers + k->text.layers, want, n);
  NevaSequence *sequence = neva_sequence_new (c->model, NULL);
  g_autofree float *logits = prompt_logits (c, sequence);
  double error = logits ? largest_difference (logits, want, n) : NAN;

  if (logits && !(error <= bound) && try_rounded_rotary (c)) {
    neva_sequence_truncate (sequence, 0);
    g_free (logits);
    logits = prompt_logits (c, sequence);
    error = logits ? largest_difference (logits, want, n) : NAN;
  }
  if (logits) {
    report_error (c->r, "prompt logits", error, bound);
    check_steps (c, sequence, logits + (c->n_ids - 1) * c->stored_vocab, bound);
  }
  neva_sequence_free (sequence);
}

static void
check_f32 (Check *c)
{
  const gboolean yardstick =
      neva_safetensors_find (c->st, "prompt_logits_bf16") != NULL;
  gsize n, n_bf16 = 0;
  const float *want = stored (c->r, c->st, "prompt_logits", "F32", &n);
  const float *bf16 =
      yardstick ? stored (c->r, c->st, "prompt_logits_bf16", "F32", &n_bf16)
                : NULL;

  if (!open_model (c, NEVA_WEIGHTS_F32) || !want)
    return;
  check_pixels (c->r, &c->config->preprocess, c->st);
  c->stored_vocab = n / c->n_ids;
  if (n != c->n_ids * c->stored_vocab || c->stored_vocab > c->vocab ||
      (bf16 && n_bf16 != n)) {
    report_failure (c->r, "prompt logits", "stored shape does not fit");
    return;
  }
  if (c->config->nemo)
    check_nemo_prompt (c);
  else
    check_prompt (c);
  if (encode (c, TRUE))
    check_logits (c, want, bf16, n);
}

/* Weights that round, against PyTorch's error with weights rounded alike. */
static void
check_rounded (
    Check *c, NevaWeights weights, const char *stage, const char *yardstick)
{
  gsize n, n_naive;
  const float *want = stored (c->r, c->st, "prompt_logits", "F32", &n);
  const float *naive = stored (c->r, c->st, yardstick, "F32", &n_naive);
  NevaSequence *sequence;
  g_autofree float *logits = NULL;

  if (!want || !naive || !c->stored_vocab || n_naive != n ||
      !open_model (c, weights) || !encode (c, FALSE))
    return;
  if (c->rounded)
    neva_llava_round_rotary (c->model);
  sequence = neva_sequence_new (c->model, NULL);
  if ((logits = prompt_logits (c, sequence)))
    report_error (c->r, stage, largest_difference (logits, want, n),
        2 * largest_difference (naive, want, n));
  neva_sequence_free (sequence);
}

/* A Hugging Face folder is the checkpoint itself; else a .nemo lies in it, or a
 * projector and its base model. */
static void
find_checkpoint (Check *c)
{
  c->path = g_build_filename (c->folder, "model.nemo", NULL);
  if (g_file_test (c->path, G_FILE_TEST_EXISTS))
    return;
  g_free (c->path);
  c->path = g_build_filename (c->folder, "projector.nemo", NULL);
  if (g_file_test (c->path, G_FILE_TEST_EXISTS)) {
    c->base = g_build_filename (c->folder, "base_llm.nemo", NULL);
    return;
  }
  g_free (c->path);
  c->path = g_strdup (c->folder);
}

void
check_model (Report *r, const char *folder)
{
  g_autofree char *path =
      g_build_filename (folder, "expected.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaSafetensors) st = neva_safetensors_open (path, &error);
  Check c = {.r = r, .folder = folder, .st = st};

  if (!st) {
    report_failure (r, "expected", error->message);
    return;
  }
  find_checkpoint (&c);
  if (read_ids (&c)) {
    check_f32 (&c);
    g_clear_pointer (&c.model, neva_llava_free);
    /* the NeMo sets come without the original's bf16 error */
    if (neva_safetensors_find (st, "prompt_logits_bf16"))
      check_rounded (
          &c, NEVA_WEIGHTS_BF16, "bf16 logits", "prompt_logits_bf16");
    g_clear_pointer (&c.model, neva_llava_free);
    if (neva_safetensors_find (st, "prompt_logits_int4"))
      check_rounded (
          &c, NEVA_WEIGHTS_AUTO, "int4 logits", "prompt_logits_int4");
    g_clear_pointer (&c.model, neva_llava_free);
  }
  g_free (c.path);
  g_free (c.base);
  g_free (c.ids);
  g_clear_pointer (&c.slots, g_array_unref);
  g_free (c.features);
}
