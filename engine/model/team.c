/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that share models: rank 0 opens what it likes, the others wait to
 * be told what, load their parts of it and follow. */
#include "config.h"
#include "llava_private.h"

#include <string.h>

/* A model and its options as words of a plan. */
#define MODEL_FORMAT "(msmsmsmsimsuutuu)"

/* A dying model's worker may have a step to end. */
#define END_US (60 * G_USEC_PER_SEC)

static gboolean
join_team (NevaTeam *team)
{
  gboolean free;

  g_mutex_lock (&team->lock);
  free = !team->busy;
  team->busy = TRUE;
  g_mutex_unlock (&team->lock);
  return free;
}

void
neva_llava_leave_team (NevaTeam *team)
{
  g_mutex_lock (&team->lock);
  team->busy = FALSE;
  g_cond_signal (&team->changed);
  g_mutex_unlock (&team->lock);
}

static void
tell_model (NevaComm *team, const char *path, const NevaModelOptions *o)
{
  g_autoptr (GVariant) model = g_variant_ref_sink (g_variant_new (MODEL_FORMAT,
      path, o->base_model, o->vision_tower, o->lora, (gint32) o->weights,
      o->device, o->threads, o->context_length, o->kv_cache_bytes,
      o->tensor_parallel, o->pipeline_parallel));
  const gsize bytes = g_variant_get_size (model);
  const guint32 head[] = {NEVA_PLAN_LOAD, (guint32) bytes};
  GArray *words = g_array_new (FALSE, TRUE, sizeof (guint32));

  g_array_append_vals (words, head, G_N_ELEMENTS (head));
  g_array_set_size (words, G_N_ELEMENTS (head) + (bytes + 3) / 4);
  g_variant_store (model, words->data + sizeof head);
  neva_plan_send (team, words);
  g_array_unref (words);
}

/* The same on all ranks of the team, which have the same checkpoint before
 * them: they agree on whether it can be read. */
static gboolean
load_among (NevaLlava *l, const char *path, const NevaModelOptions *options,
    NevaComm *team, NevaProgressFunc progress, gpointer user_data,
    GCancellable *cancellable, GError **error)
{
  const guint tp = MAX (options->tensor_parallel, 1);
  const guint pp = MAX (options->pipeline_parallel, 1);
  GError *fault = NULL;

  if (tp * pp != team->size)
    g_set_error (&fault, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%u x %u ranks (tensor x pipeline parallel) are asked for, %u "
        "processes were started for a model",
        tp, pp, team->size);
  else if (neva_llava_open_checkpoint (l, path, options, &fault))
    neva_shard_check (&l->config.text, tp, pp, &fault);
  return neva_comm_agree (team, fault, error) &&
         neva_llava_load_share (
             l, options, team, progress, user_data, cancellable, error);
}

gboolean
neva_llava_load_with_team (NevaLlava *l, const char *path,
    const NevaModelOptions *options, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  NevaTeam *team = neva_comm_team ();

  if (!join_team (team)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "%s: the %u processes run a model already", path, team->comm->size);
    return FALSE;
  }
  tell_model (team->comm, path, options);
  if (!load_among (l, path, options, team->comm, progress, user_data,
          cancellable, error)) {
    neva_llava_leave_team (team);
    return FALSE;
  }
  l->planner = neva_planner_new (team->comm);
  l->team = team;
  return TRUE;
}

/* One model's life. FALSE with error when the team is lost; a model that cannot
 * be loaded is the leader's affair. */
static gboolean
serve_model (NevaComm *team, const GArray *words, GError **error)
{
  const guint32 bytes = g_array_index (words, guint32, 1);
  g_autoptr (GVariant) model = g_variant_ref_sink (g_variant_new_from_data (
      G_VARIANT_TYPE (MODEL_FORMAT), words->data + 2 * sizeof (guint32),
      MIN (bytes, (words->len - 2) * sizeof (guint32)), FALSE, NULL, NULL));
  g_autofree char *path = NULL, *base = NULL, *tower = NULL, *lora = NULL;
  g_autofree char *device = NULL;
  NevaModelOptions o = {0};
  NevaLlava *l = g_new0 (NevaLlava, 1);
  gint32 weights;

  g_variant_get (model, MODEL_FORMAT, &path, &base, &tower, &lora, &weights,
      &device, &o.threads, &o.context_length, &o.kv_cache_bytes,
      &o.tensor_parallel, &o.pipeline_parallel);
  o.base_model = base;
  o.vision_tower = tower;
  o.lora = lora;
  o.device = device;
  o.weights = (NevaWeights) weights;
  if (load_among (l, path ? path : "", &o, team, NULL, NULL, NULL, NULL))
    neva_llava_follow (l, NULL);
  neva_llava_free (l);
  return neva_comm_check (team, error);
}

gboolean
neva_llava_serve (NevaComm *team, GError **error)
{
  GArray *words;

  while ((words = neva_plan_receive (team, error))) {
    const guint32 kind =
        words->len ? g_array_index (words, guint32, 0) : NEVA_PLAN_QUIT;
    gboolean more = kind != NEVA_PLAN_QUIT, well = TRUE;

    if (kind == NEVA_PLAN_LOAD && words->len >= 2)
      well = serve_model (team, words, error);
    g_array_unref (words);
    if (!more || !well)
      return well;
  }
  return FALSE;
}

gboolean
neva_llava_dismiss (NevaTeam *team)
{
  const guint32 kind = NEVA_PLAN_QUIT;
  const gint64 until = g_get_monotonic_time () + END_US;
  GArray *words;
  gboolean free;

  g_mutex_lock (&team->lock);
  while (team->busy && g_cond_wait_until (&team->changed, &team->lock, until))
    ;
  free = !team->busy;
  g_mutex_unlock (&team->lock);
  if (!free) /* its thread still uses the team's comm */
    return FALSE;
  words = g_array_new (FALSE, FALSE, sizeof kind);
  g_array_append_val (words, kind);
  neva_plan_send (team->comm, words);
  g_array_unref (words);
  return neva_comm_check (team->comm, NULL);
}
