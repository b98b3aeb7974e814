/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "llava_private.h"

void
neva_llava_free (NevaLlava *l)
{
  if (!l)
    return;
  if (l->planner)
    neva_planner_tell (l->planner, NEVA_PLAN_QUIT);
  neva_planner_free (l->planner);
  neva_llava_leave_group (l);
  neva_kv_pool_clear (&l->pool);
  neva_tower_free (l->tower);
  neva_lm_free (l->lm);
  neva_weights_free (l->weights);
  neva_tensor_source_free (l->source);
  neva_file_set_free (l->tokenizer);
  if (l->backend)
    neva_backend_release (l->backend, l->scratch, l->scratch_bytes);
  neva_pictures_free (l->pictures);
  neva_backend_free (l->backend);
  if (l->team) /* last: MPI may end now */
    neva_llava_leave_team (l->team);
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
  return l->weight_bytes;
}

const char *
neva_llava_weights_name (const NevaLlava *l)
{
  return neva_weights_name (l->weights);
}

const char *
neva_llava_notice (const NevaLlava *l)
{
  return l->backend ? l->backend->notice : NULL;
}

guint64
neva_llava_kv_bytes (const NevaLlava *l)
{
  return (guint64) l->pool.in_use * l->kv_block_bytes;
}

gsize
neva_llava_kv_room (const NevaLlava *l)
{
  return (l->pool.max_blocks - l->pool.in_use) * NEVA_KV_PAGE;
}

void
neva_llava_round_rotary (NevaLlava *l)
{
  if (l->planner)
    neva_planner_tell (l->planner, NEVA_PLAN_ROTARY);
  neva_lm_round_rotary (l->lm);
}

void
neva_llava_keep_alive (NevaLlava *l)
{
  if (l->team)
    neva_planner_tell (l->planner, NEVA_PLAN_ALIVE);
}

/* Did all ranks get this far? fault: (transfer full), where `ok` is FALSE. */
static gboolean
all_well (NevaLlava *l, gboolean ok, GError *fault, GError **error)
{
  if (l->shard.group)
    return neva_comm_agree (l->shard.group, fault, error);
  if (!ok)
    g_propagate_error (error, fault);
  return ok;
}

/* ---- Frames ------------------------------------------------------------- */

gboolean
neva_llava_preprocess (
    NevaLlava *l, const NevaFrame *frame, guint8 *rgb, GError **error)
{
  const NevaPreprocess *pre = &l->config.preprocess;

  return l->pictures ? neva_pictures_frame (l->pictures, pre, frame, rgb, error)
                     : neva_preprocess_frame (pre, frame, rgb, error);
}

gboolean
neva_llava_get_gpu (const NevaLlava *l, guint *gpu)
{
  if (l->pictures)
    *gpu = neva_pictures_gpu (l->pictures);
  return l->pictures != NULL;
}

void
neva_llava_frame_stats (NevaLlava *l, NevaStats *stats)
{
  NevaPictureCounts counts = {0};

  if (l->pictures)
    neva_pictures_get_counts (l->pictures, &counts);
  stats->frame_bytes_uploaded = counts.uploaded;
  stats->gpu_frames = counts.gpu_frames;
  stats->gpu_bytes_copied = counts.bytes_copied;
}

static gboolean
encode_batch (NevaLlava *l, const guint8 *const *frames, gsize n,
    float *features, float *hidden, GError **error)
{
  const gsize rows = neva_tower_tokens (l->tower);
  const gsize tokens = neva_projector_tokens (&l->projector, rows);
  float table[3][256];
  NevaArena arena = {.base = l->scratch};
  float *x, *y;

  neva_preprocess_table (&l->config.preprocess, table);
  x = neva_tower_run (
      l->tower, l->backend, &arena, l->tower_kv, frames, table, n);
  y = neva_projector_run (&l->projector, l->backend, &arena, x, n, rows);
  if (hidden)
    neva_backend_download (l->backend, hidden, x,
        n * rows * l->config.tower.hidden * sizeof (float));
  neva_backend_download (l->backend, features, y,
      n * tokens * l->config.text.hidden * sizeof (float));
  return neva_backend_synchronize (l->backend, error);
}

static gboolean
encode_all (NevaLlava *l, const guint8 *const *frames, gsize n, float *features,
    float *hidden, GError **error)
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

/* The frames of a call that a rank of the first stage encodes. The leader has
 * the odd one: its frames need not travel. */
static gsize
first_frame (const NevaLlava *l, gsize n, guint part)
{
  return (n * part + l->shard.tp - 1) / l->shard.tp;
}

guint
neva_llava_frame_ranks (const NevaLlava *l)
{
  return l->shard.tp;
}

/* Sizes of what belongs to a frame. */
typedef struct {
  gsize rgb, features, hidden; /* bytes, floats, floats */
} FrameSizes;

static FrameSizes
frame_sizes (const NevaLlava *l)
{
  const NevaConfig *c = &l->config;

  return (FrameSizes){3 * (gsize) c->preprocess.width * c->preprocess.height,
      (gsize) neva_llava_tokens_per_frame (l) * c->text.hidden,
      (gsize) neva_tower_tokens (l->tower) * c->tower.hidden};
}

/* The leader hands out frames, encodes its own and collects the results. */
static gboolean
lead_encoding (NevaLlava *l, const guint8 *const *frames, gsize n,
    float *features, float *hidden, GError **error)
{
  const FrameSizes size = frame_sizes (l);
  NevaComm *group = l->shard.group;
  gboolean ok;

  for (guint part = 1; part < l->shard.tp; part++)
    for (gsize i = first_frame (l, n, part); i < first_frame (l, n, part + 1);
         i++)
      neva_comm_send (group, NULL, frames[i], size.rgb, part);
  ok = encode_all (l, frames, first_frame (l, n, 1), features, hidden, error);
  for (guint part = 1; part < l->shard.tp; part++) {
    const gsize i = first_frame (l, n, part);
    const gsize count = first_frame (l, n, part + 1) - i;

    if (!count)
      continue;
    neva_comm_recv (group, NULL, features + i * size.features,
        count * size.features * sizeof (float), part);
    if (hidden)
      neva_comm_recv (group, NULL, hidden + i * size.hidden,
          count * size.hidden * sizeof (float), part);
  }
  return ok;
}

/* Another rank of the first stage. It answers in any case: the leader waits. */
static gboolean
help_encoding (NevaLlava *l, gsize count, gboolean with_hidden, GError **error)
{
  const FrameSizes size = frame_sizes (l);
  NevaComm *group = l->shard.group;
  g_autofree guint8 *rgb = g_try_malloc_n (count, size.rgb);
  g_autofree float *features = g_try_malloc_n (count, size.features * 4);
  g_autofree float *hidden =
      with_hidden ? g_try_malloc_n (count, size.hidden * 4) : NULL;
  g_autofree const guint8 **frames = g_new (const guint8 *, count);
  gboolean ok;

  if (!rgb || !features || (with_hidden && !hidden)) {
    neva_comm_abort (group, "a rank has no memory for its frames");
    return neva_comm_check (group, error);
  }
  for (gsize i = 0; i < count; i++) {
    frames[i] = rgb + i * size.rgb;
    neva_comm_recv (group, NULL, rgb + i * size.rgb, size.rgb, 0);
  }
  ok = encode_all (l, frames, count, features, hidden, error);
  neva_comm_send (
      group, NULL, features, count * size.features * sizeof (float), 0);
  if (with_hidden)
    neva_comm_send (
        group, NULL, hidden, count * size.hidden * sizeof (float), 0);
  return ok;
}

gboolean
neva_llava_encode_share (NevaLlava *l, const guint8 *const *frames, gsize n,
    float *features, float *hidden, gboolean with_hidden, GError **error)
{
  const gsize count =
      first_frame (l, n, l->shard.part + 1) - first_frame (l, n, l->shard.part);
  GError *fault = NULL;
  gboolean ok = TRUE;

  if (neva_shard_leads (&l->shard))
    ok = lead_encoding (l, frames, n, features, hidden, &fault);
  else if (neva_shard_first_stage (&l->shard) && count)
    ok = help_encoding (l, count, with_hidden, &fault);
  return all_well (l, ok, fault, error);
}

gboolean
neva_llava_encode (NevaLlava *l, const guint8 *const *frames, gsize n,
    float *features, float *hidden, GError **error)
{
  if (l->planner)
    neva_planner_encode (l->planner, n, hidden != NULL);
  return neva_llava_encode_share (
      l, frames, n, features, hidden, hidden != NULL, error);
}

/* ---- Sequences ---------------------------------------------------------- */

NevaSequence *
neva_sequence_new (NevaLlava *l, GError **error)
{
  NevaSequence *s = g_new0 (NevaSequence, 1);

  s->llava = l;
  s->id = ++l->last_id;
  neva_kv_sequence_init (&s->kv, &l->pool);
  return s;
}

NevaSequence *
neva_sequence_fork (NevaSequence *other, gsize length)
{
  NevaLlava *l = other->llava;
  NevaSequence *s = neva_sequence_new (l, NULL);

  if (l->planner)
    neva_planner_fork (l->planner, s->id, other->id, (guint32) length);
  neva_kv_sequence_fork (&s->kv, &other->kv, length);
  return s;
}

void
neva_sequence_free (NevaSequence *s)
{
  if (!s)
    return;
  if (s->llava->planner)
    neva_planner_note (s->llava->planner, s->id, NEVA_PLAN_FREE);
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
  if (s->llava->planner)
    neva_planner_note (s->llava->planner, s->id, (guint32) length);
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
  guint8 *wanted;
  float **logits;
  const NevaSampleRow **sample;
  NevaSampled **sampled;
} Rows;

static void
add_rows (const NevaLlava *l, Rows *rows, NevaPass *pass,
    const NevaStepItem *item, gsize token, gsize n)
{
  const NevaKvSequence *kv = &item->sequence->kv;

  rows->spans[pass->n_spans++] = (NevaSpan){(void *const *) kv->blocks->pdata,
      pass->rows, n, kv->length + token, kv->length + token + n};
  for (gsize i = token; i < token + n; i++, pass->rows++) {
    const gboolean wanted = (item->logits || item->sample || item->wanted) &&
                            (item->all_logits || i + 1 == item->n);

    rows->features[pass->rows] = item->rows ? item->rows[i] : NULL;
    rows->ids[pass->rows] = rows->features[pass->rows] ? 0 : item->ids[i];
    rows->wanted[pass->rows] = wanted != FALSE;
    rows->sample[pass->rows] = wanted ? item->sample : NULL;
    rows->sampled[pass->rows] = item->sampled;
    rows->logits[pass->rows] = !wanted || !item->logits ? NULL
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
      .features = neva_shard_leads (&l->shard) ? rows->features : NULL,
      .wanted = rows->wanted,
      .logits = neva_shard_leads (&l->shard) ? rows->logits : NULL,
      .sample = neva_llava_samples (l) ? rows->sample : NULL,
      .sampled = rows->sampled};
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
  g_autofree guint8 *wanted = g_new (guint8, l->max_rows);
  g_autofree float **logits = g_new (float *, l->max_rows);
  g_autofree const NevaSampleRow **sample =
      g_new (const NevaSampleRow *, l->max_rows);
  g_autofree NevaSampled **sampled = g_new (NevaSampled *, l->max_rows);
  Rows rows = {spans, ids, features, wanted, logits, sample, sampled};
  NevaPass pass;

  while (next_pass (l, &cursor, &rows, &pass)) {
    NevaArena arena = {.base = l->scratch};

    neva_lm_run (l->lm, l->backend, &arena, l->text_kv, &pass);
  }
  return neva_backend_synchronize (l->backend, error);
}

gboolean
neva_llava_run_items (
    NevaLlava *l, const NevaStepItem *items, gsize n_items, GError **error)
{
  GError *fault = NULL;
  gboolean ok = reserve (l, items, n_items, &fault);

  ok = all_well (l, ok, fault, error);
  if (ok) {
    fault = NULL;
    ok = run_passes (l, items, n_items, &fault) &&
         neva_weights_check (l->weights, &fault);
    ok = all_well (l, ok, fault, error);
  }
  for (gsize i = 0; i < n_items; i++) {
    NevaKvSequence *kv = &items[i].sequence->kv;

    if (ok)
      kv->length += items[i].n;
    else
      neva_kv_sequence_truncate (kv, kv->length);
  }
  return ok;
}

static void
announce (NevaLlava *l, const NevaStepItem *items, gsize n)
{
  g_autofree guint32 *ids = g_new (guint32, n);

  for (gsize i = 0; i < n; i++)
    ids[i] = items[i].sequence->id;
  neva_planner_step (l->planner, items, ids, n);
}

gboolean
neva_llava_samples (const NevaLlava *l)
{
  return l->shard.tp * l->shard.pp == 1;
}

gboolean
neva_llava_step (
    NevaLlava *l, const NevaStepItem *items, gsize n_items, GError **error)
{
  for (gsize i = 0; i < n_items; i++) {
    if (!check_item (l, &items[i], error))
      return FALSE;
  }
  if (l->planner)
    announce (l, items, n_items);
  return neva_llava_run_items (l, items, n_items, error);
}
