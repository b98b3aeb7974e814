/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model from its files: alone, shared with threads of this process, or with
 * the processes of a team. */
#include "config.h"
#include "llava_private.h"
#include "checkpoint/checkpoint.h"
#include "log.h"
#include "quantize/calibration.h"

#include <unistd.h>

/* Scratch of a forward pass. Longer inputs go through in several passes, so a
 * model's resident memory is weights + KV cache + less than 300 MB. */
#define SCRATCH_BYTES (128u << 20)
#define PASS_ROWS 1024
/* A GPU has its rate only when its products fill all multiprocessors. */
#define GPU_SCRATCH_BYTES (512u << 20)
#define GPU_PASS_ROWS 2048
/* The KV cache's default bound, in full contexts. */
#define DEFAULT_CONTEXTS 4
/* How often a rank looks for another one before it sleeps: some 50 us. */
#define SPINS 1000

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

gboolean
neva_llava_open_checkpoint (NevaLlava *l, const char *path,
    const NevaModelOptions *options, GError **error)
{
  const NevaCheckpointParts parts = {
      options->base_model, options->vision_tower, options->lora};
  g_auto (NevaCheckpoint) checkpoint = {0};

  if (!neva_checkpoint_open (&checkpoint, path, &parts, error))
    return FALSE;
  l->config = checkpoint.config;
  l->source = g_steal_pointer (&checkpoint.tensors);
  l->tokenizer = g_steal_pointer (&checkpoint.tokenizer);
  return check_options (l, options, error);
}

static gboolean
load_weights (NevaLlava *l, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  NevaWeightStore *w;

  w = l->weights = neva_weights_new (g_steal_pointer (&l->source),
      options->weights, l->backend, progress, user_data, cancellable);
  neva_weights_set_codes (w, l->config.awq, l->config.int8, l->config.fp8);
  if (options->calibration)
    neva_weights_set_watch (w, neva_calibration_watch, options->calibration);
  if (neva_shard_first_stage (&l->shard)) {
    l->tower = neva_tower_load (&l->config.tower, w);
    neva_projector_load (&l->projector, &l->config, w);
  }
  l->lm = neva_lm_load (&l->config.text, &l->shard, w);
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

/* Sizes that all ranks must have alike: the least that one can do. */
typedef struct {
  guint64 kv_blocks, rows, weight_bytes; /* weight_bytes: the sum */
} Sizes;

/* Unless asked for, never more than half of the machine. */
static gboolean
plan_cache (NevaLlava *l, guint64 bytes, Sizes *sizes, GError **error)
{
  const NevaTextConfig *t = &l->config.text;
  const gsize block =
      neva_kv_block_bytes (l->text_kv, t->layers, t->kv_heads, t->head_dim);
  const gsize per_context =
      (t->context_length + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;

  l->kv_block_bytes = block;
  sizes->kv_blocks = bytes / block;
  if (!bytes)
    sizes->kv_blocks = CLAMP (
        physical_bytes () / 2 / block, 1, per_context * DEFAULT_CONTEXTS);
  if (sizes->kv_blocks)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "a KV cache of %" G_GUINT64_FORMAT " bytes holds nothing: %d tokens "
      "need %" G_GSIZE_FORMAT,
      bytes, NEVA_KV_PAGE, block);
  return FALSE;
}

static void
share_sizes (NevaLlava *l, Sizes *sizes)
{
  g_autofree Sizes *all = NULL;
  const Sizes own = *sizes;

  if (!l->shard.group)
    return;
  all = g_new0 (Sizes, l->shard.group->size);
  neva_comm_all_gather (l->shard.group, NULL, all, &own, sizeof own);
  sizes->weight_bytes = 0;
  for (guint r = 0; r < l->shard.group->size; r++) {
    sizes->kv_blocks = MIN (sizes->kv_blocks, all[r].kv_blocks);
    sizes->rows = MIN (sizes->rows, all[r].rows);
    sizes->weight_bytes += all[r].weight_bytes;
  }
}

static gboolean
init_scratch (NevaLlava *l, GError **error)
{
  NevaArena vision = {0}, text = {0};

  if (l->tower) {
    l->max_frames = neva_tower_batch (l->tower, l->tower_kv, SCRATCH_BYTES);
    neva_tower_run (
        l->tower, l->backend, &vision, l->tower_kv, NULL, NULL, l->max_frames);
    neva_projector_run (&l->projector, l->backend, &vision, NULL, l->max_frames,
        neva_tower_tokens (l->tower));
  }
  neva_lm_run (
      l->lm, l->backend, &text, l->text_kv, &(NevaPass){.rows = l->max_rows});
  l->scratch_bytes = MAX (vision.peak, text.peak);
  l->scratch = neva_backend_alloc (l->backend, l->scratch_bytes, error);
  return l->scratch != NULL;
}

/* Every rank its own; all ranks get theirs, or all the same error. With GPUs
 * the groups are then those that know their memory. */
static gboolean
open_backend (NevaLlava *l, const NevaModelOptions *options, GError **error)
{
  NevaShard *s = &l->shard;
  const gboolean threads = s->group && !neva_comm_team ();
  const guint part = threads ? s->group->rank : 0;
  GError *fault = NULL;

  l->backend = neva_backend_new_part (options->device, options->threads, part,
      threads ? s->group->size : 1, threads ? part : neva_comm_local_rank (),
      &fault);
  if (l->backend)
    l->pictures = neva_pictures_new (l->backend, &fault);
  if (l->backend && options->calibration)
    l->backend =
        neva_calibration_attach (options->calibration, &l->config, l->backend);
  if (!s->group) {
    if (fault)
      g_propagate_error (error, fault);
    return !fault;
  }
  if (!neva_comm_agree (s->group, fault, error))
    return FALSE;
  if (!options->device || g_str_equal (options->device, "cpu"))
    return TRUE;
  l->gpu_group = neva_comm_device_new (s->group, l->backend, error);
  if (!l->gpu_group)
    return FALSE;
  s->group = l->gpu_group;
  if (!s->stage_comm)
    return TRUE;
  l->host_stage = s->stage_comm;
  s->stage_comm = neva_comm_device_new (l->host_stage, l->backend, error);
  return s->stage_comm != NULL;
}

void
neva_llava_leave_group (NevaLlava *l)
{
  g_clear_pointer (&l->shard.stage_comm, neva_comm_free);
  g_clear_pointer (&l->host_stage, neva_comm_free);
  g_clear_pointer (&l->gpu_group, neva_comm_free);
  g_clear_pointer (&l->threads, neva_comm_free);
}

static gboolean
load_weights_and_plan (NevaLlava *l, const NevaModelOptions *options,
    Sizes *sizes, NevaProgressFunc progress, gpointer user_data,
    GCancellable *cancellable, GError **error)
{
  if (!load_weights (l, options, progress, user_data, cancellable, error) ||
      !plan_cache (l, options->kv_cache_bytes, sizes, error))
    return FALSE;
  sizes->rows = g_str_equal (l->backend->klass->name, "cuda")
                    ? neva_lm_batch (l->lm, GPU_SCRATCH_BYTES, GPU_PASS_ROWS)
                    : neva_lm_batch (l->lm, SCRATCH_BYTES, PASS_ROWS);
  sizes->weight_bytes = neva_weights_bytes (l->weights);
  return TRUE;
}

static gboolean
split_group (NevaLlava *l, const NevaModelOptions *options, NevaComm *group,
    GError **error)
{
  NevaShard *s = &l->shard;

  s->tp = MAX (options->tensor_parallel, 1);
  s->pp = MAX (options->pipeline_parallel, 1);
  if (!group)
    return TRUE;
  s->group = group;
  s->part = group->rank % s->tp;
  s->stage = group->rank / s->tp;
  if (s->tp > 1)
    s->stage_comm = neva_comm_split (group, s->stage, error);
  return s->tp == 1 || s->stage_comm;
}

gboolean
neva_llava_load_share (NevaLlava *l, const NevaModelOptions *options,
    NevaComm *group, NevaProgressFunc progress, gpointer user_data,
    GCancellable *cancellable, GError **error)
{
  GError *fault = NULL;
  Sizes sizes = {0};
  gboolean ok;

  if (!split_group (l, options, group, error) ||
      !open_backend (l, options, error))
    return FALSE;
  ok = load_weights_and_plan (
      l, options, &sizes, progress, user_data, cancellable, &fault);
  if (group)
    ok = neva_comm_agree (group, fault, error);
  else if (!ok)
    g_propagate_error (error, fault);
  if (!ok)
    return FALSE;
  share_sizes (l, &sizes);
  l->max_rows = sizes.rows;
  l->weight_bytes = sizes.weight_bytes;
  neva_kv_pool_init (&l->pool, l->backend,
      l->kv_block_bytes / (l->shard.tp * l->shard.pp), sizes.kv_blocks);
  fault = NULL;
  ok = init_scratch (l, &fault);
  if (group)
    return neva_comm_agree (group, fault, error);
  if (!ok)
    g_propagate_error (error, fault);
  return ok;
}

/* ---- Threads of this process -------------------------------------------- */

/* The leader's, until all ranks have loaded. */
typedef struct {
  const NevaConfig *config;
  NevaTensorSource *source;
  const NevaModelOptions *options;
} Start;

static void
follower_main (NevaComm *group, gpointer data)
{
  const Start *start = data;
  NevaLlava *l = g_new0 (NevaLlava, 1);
  g_autoptr (GError) error = NULL;

  l->config = *start->config;
  l->source = neva_tensor_source_ref (start->source);
  if (!neva_llava_load_share (
          l, start->options, group, NULL, NULL, NULL, &error) ||
      !neva_llava_follow (l, &error))
    neva_debug ("rank %u ends: %s", group->rank, error->message);
  neva_llava_free (l);
}

static gboolean
load_with_threads (NevaLlava *l, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  const guint ranks =
      MAX (options->tensor_parallel, 1) * MAX (options->pipeline_parallel, 1);
  const guint threads =
      options->threads ? options->threads : g_get_num_processors ();
  g_autoptr (NevaTensorSource) source = neva_tensor_source_ref (l->source);
  Start start = {&l->config, source, options};
  gboolean ok;

  l->threads = neva_comm_threads_new (
      ranks, ranks <= threads ? SPINS : 0, follower_main, &start, error);
  if (!l->threads)
    return FALSE;
  ok = neva_llava_load_share (
      l, options, l->threads, progress, user_data, cancellable, error);
  if (ok) {
    l->planner = neva_planner_new (l->threads);
  } else { /* they have `start` */
    neva_llava_leave_group (l);
  }
  return ok;
}

/* ---- Opening ------------------------------------------------------------ */

static gboolean
load_anyhow (NevaLlava *l, const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  const guint tp = MAX (options->tensor_parallel, 1);
  const guint pp = MAX (options->pipeline_parallel, 1);

  if (options->calibration && (tp * pp > 1 || neva_comm_team ())) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "%s: a model that several ranks share cannot be calibrated", path);
    return FALSE;
  }
  if (neva_comm_team ())
    return neva_llava_load_with_team (
        l, path, options, progress, user_data, cancellable, error);
  if (!neva_llava_open_checkpoint (l, path, options, error) ||
      !neva_shard_check (&l->config.text, tp, pp, error))
    return FALSE;
  if (tp * pp > 1)
    return load_with_threads (
        l, options, progress, user_data, cancellable, error);
  return neva_llava_load_share (
      l, options, NULL, progress, user_data, cancellable, error);
}

/* A GPU was there, and what the model needs of it was not: "auto" may go on. */
static gboolean
is_too_large (
    const NevaLlava *l, const NevaModelOptions *options, const GError *fault)
{
  return !neva_comm_team () && options->device &&
         g_str_equal (options->device, "auto") && l->backend &&
         g_str_equal (l->backend->klass->name, "cuda") &&
         g_error_matches (fault, NEVA_ERROR, NEVA_ERROR_DEVICE);
}

NevaLlava *
neva_llava_load (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  static const NevaModelOptions defaults;
  NevaModelOptions o = options ? *options : defaults;
  NevaLlava *l = g_new0 (NevaLlava, 1);
  g_autoptr (GError) fault = NULL;
  gboolean again;

  if (load_anyhow (l, path, &o, progress, user_data, cancellable, &fault))
    return l;
  again = is_too_large (l, &o, fault);
  neva_llava_free (l);
  if (!again) {
    g_propagate_error (error, g_steal_pointer (&fault));
    return NULL;
  }
  o.device = "cpu";
  l = neva_llava_load (path, &o, progress, user_data, cancellable, error);
  if (l)
    neva_backend_set_notice (l->backend, fault->message);
  return l;
}
