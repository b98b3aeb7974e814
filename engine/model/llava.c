/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "llava.h"
#include "arena.h"
#include "lm.h"
#include "checkpoint/checkpoint.h"
#include "kv_cache.h"
#include "log.h"
#include "projector.h"
#include "tower.h"

#include <unistd.h>

/* Scratch of a forward pass. Longer inputs go through in several passes, so a
 * model's resident memory is weights + KV cache + less than 300 MB. */
#define SCRATCH_BYTES (128u << 20)
/* The KV cache's default bound, in full contexts. */
#define DEFAULT_CONTEXTS 4

struct _NevaLlava {
  NevaConfig config;
  NevaTensorSource *source; /* until the weights take it over */
  NevaFileSet *tokenizer;
  NevaBackend *backend;
  NevaWeightStore *weights;
  NevaTower *tower;
  NevaProjector projector;
  NevaLm *lm;
  NevaDType tower_kv, text_kv;
  NevaKvPool pool;
  guint8 *scratch;
  gsize scratch_bytes;
  gsize max_frames, max_rows; /* of one pass */
};

struct _NevaSequence {
  NevaLlava *llava;
  NevaKvSequence kv;
};

/* ---- Loading ------------------------------------------------------------ */

static gboolean
check_options (NevaLlava *l, const NevaModelOptions *options, GError **error)
{
  guint *context = &l->config.text.context_length;

  if (options->context_length > *context) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "a context of %u tokens was asked for, the model's is %u",
        options->context_length, *context);
    return FALSE;
  }
  if (options->context_length)
    *context = options->context_length;
  return TRUE;
}

static gboolean
open_model (NevaLlava *l, const char *path, const NevaModelOptions *options,
    GError **error)
{
  const NevaCheckpointParts parts = {
      options->base_model, options->vision_tower, options->lora};
  g_auto (NevaCheckpoint) checkpoint = {0};

  if (!neva_checkpoint_open (&checkpoint, path, &parts, error))
    return FALSE;
  l->config = checkpoint.config;
  l->source = g_steal_pointer (&checkpoint.tensors);
  l->tokenizer = g_steal_pointer (&checkpoint.tokenizer);
  return TRUE;
}

static gboolean
load_weights (NevaLlava *l, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  NevaWeightStore *w;

  w = l->weights = neva_weights_new (g_steal_pointer (&l->source),
      options->weights, l->backend, progress, user_data, cancellable);
  l->tower = neva_tower_load (&l->config.tower, w);
  neva_projector_load (&l->projector, &l->config, w);
  l->lm = neva_lm_load (&l->config.text, w);
  l->text_kv = neva_weights_kv_type (w);
  l->tower_kv = l->text_kv;
  return neva_weights_finish (w, error);
}

static gsize
physical_bytes (void)
{
  const long pages = sysconf (_SC_PHYS_PAGES), size = sysconf (_SC_PAGESIZE);

  return pages > 0 && size > 0 ? (gsize) pages * (gsize) size : G_MAXSIZE;
}

/* Unless asked for, never more than half of the machine. */
static gboolean
init_cache (NevaLlava *l, guint64 bytes, GError **error)
{
  const NevaTextConfig *t = &l->config.text;
  const gsize block =
      neva_kv_block_bytes (l->text_kv, t->layers, t->kv_heads, t->head_dim);
  const gsize per_context =
      (t->context_length + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;
  gsize blocks = bytes / block;

  if (!bytes)
    blocks = CLAMP (
        physical_bytes () / 2 / block, 1, per_context * DEFAULT_CONTEXTS);
  if (!blocks) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "a KV cache of %" G_GUINT64_FORMAT " bytes holds nothing: %d tokens "
        "need %" G_GSIZE_FORMAT,
        bytes, NEVA_KV_PAGE, block);
    return FALSE;
  }
  neva_kv_pool_init (&l->pool, l->backend, block, blocks);
  return TRUE;
}

static gboolean
init_scratch (NevaLlava *l, GError **error)
{
  NevaArena vision = {0}, text = {0};

  l->max_frames = neva_tower_batch (l->tower, l->tower_kv, SCRATCH_BYTES);
  l->max_rows = neva_lm_batch (l->lm, SCRATCH_BYTES);
  neva_tower_run (
      l->tower, l->backend, &vision, l->tower_kv, NULL, l->max_frames);
  neva_projector_run (&l->projector, l->backend, &vision, NULL, l->max_frames,
      neva_tower_tokens (l->tower));
  neva_lm_run (
      l->lm, l->backend, &text, l->text_kv, &(NevaPass){.rows = l->max_rows});
  l->scratch_bytes = MAX (vision.peak, text.peak);
  l->scratch = neva_backend_alloc (l->backend, l->scratch_bytes, error);
  return l->scratch != NULL;
}

NevaLlava *
neva_llava_load (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  static const NevaModelOptions defaults;
  NevaLlava *l = g_new0 (NevaLlava, 1);

  if (!options)
    options = &defaults;
  if (open_model (l, path, options, error) &&
      check_options (l, options, error) &&
      (l->backend =
              neva_backend_new (options->device, options->threads, error)) &&
      load_weights (l, options, progress, user_data, cancellable, error) &&
      init_cache (l, options->kv_cache_bytes, error) && init_scratch (l, error))
    return l;
  neva_llava_free (l);
  return NULL;
}

void
neva_llava_free (NevaLlava *l)
{
  if (!l)
    return;
  neva_kv_pool_clear (&l->pool);
  neva_tower_free (l->tower);
  neva_lm_free (l->lm);
  neva_weights_free (l->weights);
  neva_tensor_source_free (l->source);
  neva_file_set_free (l->tokenizer);
  if (l->backend)
    neva_backend_release (l->backend, l->scratch, l->scratch_bytes);
  neva_backend_free (l->backend);
  g_free (l);
}

const NevaConfig *
neva_llava_config (const NevaLlava *l)
{
  return &l->config;
}

const NevaFileSet *
neva_llava_tokenizer (const NevaLlava *l)
{
  return l->tokenizer;
}

guint
neva_llava_tokens_per_frame (const NevaLlava *l)
{
  return neva_projector_tokens (&l->projector, neva_tower_tokens (l->tower));
}

guint
neva_llava_tower_rows (const NevaLlava *l)
{
  return neva_tower_tokens (l->tower);
}

guint64
neva_llava_weight_bytes (const NevaLlava *l)
{
  return neva_weights_bytes (l->weights);
}

const char *
neva_llava_weights_name (const NevaLlava *l)
{
  return neva_weights_name (l->weights);
}

guint64
neva_llava_kv_bytes (const NevaLlava *l)
{
  return (guint64) l->pool.in_use * l->pool.block_bytes;
}

void
neva_llava_round_rotary (NevaLlava *l)
{
  neva_lm_round_rotary (l->lm);
}

/* ---- Frames ------------------------------------------------------------- */

static gboolean
encode_batch (NevaLlava *l, const guint8 *const *frames, gsize n,
    float *features, float *hidden, GError **error)
{
  const gsize rows = neva_tower_tokens (l->tower);
  const gsize tokens = neva_projector_tokens (&l->projector, rows);
  const gsize side = l->config.tower.image_size, plane = 3 * side * side;
  g_autofree float *pixels = g_try_new (float, n *plane);
  NevaArena arena = {.base = l->scratch};
  float *x, *y;

  if (!pixels) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for the pixels of %" G_GSIZE_FORMAT " frames", n);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++)
    neva_preprocess_normalize (
        &l->config.preprocess, frames[i], pixels + i * plane);
  x = neva_tower_run (l->tower, l->backend, &arena, l->tower_kv, pixels, n);
  y = neva_projector_run (&l->projector, l->backend, &arena, x, n, rows);
  if (hidden)
    neva_backend_download (l->backend, hidden, x,
        n * rows * l->config.tower.hidden * sizeof (float));
  neva_backend_download (l->backend, features, y,
      n * tokens * l->config.text.hidden * sizeof (float));
  return neva_backend_synchronize (l->backend, error);
}

gboolean
neva_llava_encode (NevaLlava *l, const guint8 *const *frames, gsize n,
    float *features, float *hidden, GError **error)
{
  const gsize rows = neva_tower_tokens (l->tower);
  const gsize tokens = neva_projector_tokens (&l->projector, rows);

  for (gsize i = 0; i < n; i += l->max_frames) {
    if (!encode_batch (l, frames + i, MIN (l->max_frames, n - i),
            features + i * tokens * l->config.text.hidden,
            hidden ? hidden + i * rows * l->config.tower.hidden : NULL, error))
      return FALSE;
  }
  return neva_weights_check (l->weights, error);
}

/* ---- Sequences ---------------------------------------------------------- */

NevaSequence *
neva_sequence_new (NevaLlava *l, GError **error)
{
  NevaSequence *s = g_new0 (NevaSequence, 1);

  s->llava = l;
  neva_kv_sequence_init (&s->kv, &l->pool);
  return s;
}

void
neva_sequence_free (NevaSequence *s)
{
  if (!s)
    return;
  neva_kv_sequence_clear (&s->kv);
  g_free (s);
}

gsize
neva_sequence_length (const NevaSequence *s)
{
  return s->kv.length;
}

void
neva_sequence_truncate (NevaSequence *s, gsize length)
{
  neva_kv_sequence_truncate (&s->kv, length);
}

/* ---- Steps -------------------------------------------------------------- */

static gboolean
check_item (const NevaLlava *l, const NevaStepItem *item, GError **error)
{
  const NevaTextConfig *t = &l->config.text;

  if (item->n > t->context_length ||
      item->sequence->kv.length > t->context_length - item->n) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_TOO_LONG,
        "%" G_GSIZE_FORMAT " tokens do not fit into the context of %u",
        item->sequence->kv.length + item->n, t->context_length);
    return FALSE;
  }
  for (gsize i = 0; i < item->n; i++) {
    if (item->rows && item->rows[i])
      continue;
    if (item->ids[i] < 0 || (guint) item->ids[i] >= t->vocab) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "token id %d is outside the vocabulary of %u", item->ids[i],
          t->vocab);
      return FALSE;
    }
  }
  return TRUE;
}

/* Room for all items, or none of them changed. */
static gboolean
reserve (NevaLlava *l, const NevaStepItem *items, gsize n, GError **error)
{
  for (gsize i = 0; i < n; i++) {
    if (!check_item (l, &items[i], error))
      return FALSE;
  }
  for (gsize i = 0; i < n; i++) {
    NevaKvSequence *kv = &items[i].sequence->kv;

    if (!neva_kv_sequence_reserve (kv, kv->length + items[i].n, error))
      return FALSE;
  }
  return TRUE;
}

/* Where the next pass starts. */
typedef struct {
  const NevaStepItem *items;
  gsize n_items;
  gsize item, token;
} Cursor;

/* Host side of one pass; arrays [max_rows]. */
typedef struct {
  NevaSpan *spans;
  gint32 *ids;
  const float **features;
  float **logits;
} Rows;

static void
add_rows (const NevaLlava *l, Rows *rows, NevaPass *pass,
    const NevaStepItem *item, gsize token, gsize n)
{
  const NevaKvSequence *kv = &item->sequence->kv;

  rows->spans[pass->n_spans++] = (NevaSpan){(void *const *) kv->blocks->pdata,
      pass->rows, n, kv->length + token, kv->length + token + n};
  for (gsize i = token; i < token + n; i++, pass->rows++) {
    const gboolean wanted =
        item->logits && (item->all_logits || i + 1 == item->n);

    rows->features[pass->rows] = item->rows ? item->rows[i] : NULL;
    rows->ids[pass->rows] = rows->features[pass->rows] ? 0 : item->ids[i];
    rows->logits[pass->rows] = !wanted ? NULL
                               : item->all_logits
                                   ? item->logits + i * l->config.text.vocab
                                   : item->logits;
  }
}

/* The rows of the next pass; FALSE when none are left. */
static gboolean
next_pass (const NevaLlava *l, Cursor *c, Rows *rows, NevaPass *pass)
{
  *pass = (NevaPass){.spans = rows->spans,
      .ids = rows->ids,
      .features = rows->features,
      .logits = rows->logits};
  while (c->item < c->n_items && pass->rows < l->max_rows) {
    const NevaStepItem *item = &c->items[c->item];
    const gsize n = MIN (item->n - c->token, l->max_rows - pass->rows);

    if (n)
      add_rows (l, rows, pass, item, c->token, n);
    c->token += n;
    if (c->token == item->n) {
      c->item++;
      c->token = 0;
    }
  }
  return pass->rows > 0;
}

static gboolean
run_passes (NevaLlava *l, const NevaStepItem *items, gsize n, GError **error)
{
  Cursor cursor = {items, n, 0, 0};
  g_autofree NevaSpan *spans = g_new (NevaSpan, l->max_rows);
  g_autofree gint32 *ids = g_new (gint32, l->max_rows);
  g_autofree const float **features = g_new (const float *, l->max_rows);
  g_autofree float **logits = g_new (float *, l->max_rows);
  Rows rows = {spans, ids, features, logits};
  NevaPass pass;

  while (next_pass (l, &cursor, &rows, &pass)) {
    NevaArena arena = {.base = l->scratch};

    neva_lm_run (l->lm, l->backend, &arena, l->text_kv, &pass);
  }
  return neva_backend_synchronize (l->backend, error);
}

gboolean
neva_llava_step (
    NevaLlava *l, const NevaStepItem *items, gsize n_items, GError **error)
{
  const gboolean ok = reserve (l, items, n_items, error) &&
                      run_passes (l, items, n_items, error) &&
                      neva_weights_check (l->weights, error);

  for (gsize i = 0; i < n_items; i++) {
    NevaKvSequence *kv = &items[i].sequence->kv;

    if (ok)
      kv->length += items[i].n;
    else
      neva_kv_sequence_truncate (kv, kv->length);
  }
  return ok;
}
