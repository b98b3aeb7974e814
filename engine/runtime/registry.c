/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models by path and options. The table holds no references: a model leaves it
 * when its last one goes. Several threads that open the same key wait for the
 * one that loads, and hear its progress. */
#include "config.h"
#include "log.h"
#include "runtime/runtime.h"
#include "runtime/wait.h"
#include <errno.h>
#include <neva/gpu.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  NevaModel *model; /* NULL while loading */
  gboolean loading;
  double fraction;
} Entry;

static GMutex lock;
static GCond changed;
static GHashTable *entries; /* key -> Entry */

static gboolean
is_remote (const char *path)
{
  return g_str_has_prefix (path, "openai:");
}

static gboolean
is_fake (const char *path)
{
  return g_str_has_prefix (path, "fake:");
}

gboolean
neva_model_is_path (const char *model)
{
  return !is_fake (model) && !is_remote (model);
}

static char *
make_key (const char *path, const NevaModelOptions *options, GError **error)
{
  static const NevaModelOptions defaults;
  const NevaModelOptions *o = options ? options : &defaults;
  g_autofree char *canonical = NULL;

  if (!*path) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "no model was named");
    return NULL;
  }
  if (!neva_model_is_path (path)) {
    if (o->calibration) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
          "%s: only a model that was read from files can be calibrated", path);
      return NULL;
    }
    canonical = g_strdup (path);
  } else {
    char *real = realpath (path, NULL);

    if (!real) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "model '%s': %s",
          path, g_strerror (errno));
      return NULL;
    }
    canonical = g_strdup (real);
    free (real);
  }
  return g_strdup_printf ("%s|%s|%s|%s|%d|%s|%u|%" G_GUINT64_FORMAT
                          "|%ux%u|%s|%u|%d|%p",
      canonical, o->base_model ? o->base_model : "",
      o->vision_tower ? o->vision_tower : "", o->lora ? o->lora : "",
      (int) o->weights, o->device ? o->device : "cpu", o->context_length,
      o->kv_cache_bytes, MAX (o->tensor_parallel, 1),
      MAX (o->pipeline_parallel, 1), o->key_file ? o->key_file : "",
      o->timeout_s, o->retries, (void *) o->calibration);
}

typedef struct {
  const char *key;
  NevaProgressFunc progress;
  gpointer user_data;
} Loading;

static void
load_progress (double fraction, gpointer user_data)
{
  const Loading *loading = user_data;
  Entry *entry;

  g_mutex_lock (&lock);
  entry = g_hash_table_lookup (entries, loading->key);
  entry->fraction = fraction;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
  if (loading->progress)
    loading->progress (fraction, loading->user_data);
}

static NevaModel *
load (const char *path, const NevaModelOptions *options, Loading *loading,
    GCancellable *cancellable, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  NevaDriver *driver;
  NevaModel *model;

  driver = (is_fake (path)     ? neva_fake_driver_open
            : is_remote (path) ? neva_remote_driver_open
                               : neva_llava_driver_open) (
      path, options, load_progress, loading, cancellable, error);
  if (!driver)
    return NULL;
  model = g_new0 (NevaModel, 1);
  model->refs = 1;
  model->key = g_strdup (loading->key);
  model->driver = driver;
  model->load_ns = (g_get_monotonic_time () - start) * 1000;
  model->worker = neva_worker_new (driver);
  neva_info ("model '%s' loaded in %.1f s", driver->info.name,
      (double) model->load_ns / 1e9);
  return model;
}

/* Under the lock. Returns: (transfer full) the model if it is alive and well.
 */
static NevaModel *
revive (Entry *entry)
{
  gint refs;

  if (!entry || !entry->model ||
      g_atomic_int_get (&entry->model->driver->broken))
    return NULL;
  do {
    refs = g_atomic_int_get (&entry->model->refs);
    if (refs == 0)
      return NULL;
  } while (
      !g_atomic_int_compare_and_exchange (&entry->model->refs, refs, refs + 1));
  return entry->model;
}

/* Either a living model, or NULL when the caller is to load it: the entry then
 * says that it does; or NULL and *cancelled. */
static NevaModel *
find_or_claim (
    const Loading *loading, GCancellable *cancellable, gboolean *cancelled)
{
  double told = -1;
  NevaModel *model = NULL;
  Entry *entry;
  NevaWait wait;

  neva_wait_begin (&wait, &lock, &changed, cancellable);
  g_mutex_lock (&lock);
  if (!entries)
    entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  while ((entry = g_hash_table_lookup (entries, loading->key)) &&
         entry->loading && !g_cancellable_is_cancelled (cancellable)) {
    const double fraction = entry->fraction;

    if (loading->progress && fraction > told) {
      g_mutex_unlock (&lock);
      loading->progress (told = fraction, loading->user_data);
      g_mutex_lock (&lock);
    } else {
      g_cond_wait (&changed, &lock);
    }
  }
  *cancelled = g_cancellable_is_cancelled (cancellable);
  if (!*cancelled && !(model = revive (entry))) {
    entry = g_new0 (Entry, 1);
    entry->loading = TRUE;
    g_hash_table_replace (entries, g_strdup (loading->key), entry);
  }
  g_mutex_unlock (&lock);
  neva_wait_end (&wait);
  return model;
}

NevaModel *
neva_model_open (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  g_autofree char *key = NULL;
  gboolean cancelled;
  Loading loading;
  NevaModel *model;
  Entry *entry;

  g_return_val_if_fail (path, NULL);

  key = make_key (path, options, error);
  if (!key)
    return NULL;
  loading = (Loading){key, progress, user_data};
  model = find_or_claim (&loading, cancellable, &cancelled);
  if (model)
    return model;
  if (cancelled) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED,
        "loading of '%s' was cancelled", path);
    return NULL;
  }

  model = load (path, options, &loading, cancellable, error);
  g_mutex_lock (&lock);
  entry = g_hash_table_lookup (entries, key);
  if (model) {
    entry->model = model;
    entry->loading = FALSE;
  } else {
    g_hash_table_remove (entries, key);
  }
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
  return model;
}

NevaModel *
neva_model_ref (NevaModel *model)
{
  g_atomic_int_inc (&model->refs);
  return model;
}

void
neva_model_unref (NevaModel *model)
{
  Entry *entry;

  if (!g_atomic_int_dec_and_test (&model->refs))
    return;

  g_mutex_lock (&lock);
  /* Another model may have taken this one's place, and gone again. */
  entry = entries ? g_hash_table_lookup (entries, model->key) : NULL;
  if (entry && entry->model == model)
    g_hash_table_remove (entries, model->key);
  if (entries && g_hash_table_size (entries) == 0)
    g_clear_pointer (&entries, g_hash_table_unref);
  g_mutex_unlock (&lock);

  neva_worker_free (model->worker);
  g_free (model->key);
  g_free (model);
}

const NevaModelInfo *
neva_model_get_info (NevaModel *model)
{
  return &model->driver->info;
}

gboolean
neva_model_get_gpu (NevaModel *model, guint *gpu)
{
  if (gpu && model->driver->has_gpu)
    *gpu = model->driver->gpu;
  return model->driver->has_gpu;
}

void
neva_model_get_stats (NevaModel *model, NevaStats *stats)
{
  neva_worker_get_stats (model->worker, stats);
  if (model->driver->klass->frame_stats)
    model->driver->klass->frame_stats (model->driver, stats);
  stats->load_ns = model->load_ns;
}
