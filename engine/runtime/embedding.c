/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "runtime/runtime.h"

static guint64
new_id (void)
{
  static guint64 last_id;
  static GMutex lock;
  guint64 id;

  g_mutex_lock (&lock);
  id = ++last_id;
  g_mutex_unlock (&lock);
  return id;
}

guint64
neva_stream_new (void)
{
  return new_id ();
}

static NevaEmbedding *
embedding_new (NevaModel *model, const NevaFrame *frame, GError **error)
{
  const NevaDriver *driver = model->driver;
  guint8 *rgb = g_try_malloc (driver->rgb_bytes);
  NevaEmbedding *embedding;

  if (!rgb) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for a frame of %" G_GSIZE_FORMAT " bytes",
        driver->rgb_bytes);
    return NULL;
  }
  embedding = g_new0 (NevaEmbedding, 1);
  embedding->refs = 1;
  embedding->model = neva_model_ref (model);
  embedding->pts_ns = frame->pts_ns;
  embedding->stream = frame->stream;
  embedding->priority = frame->priority;
  embedding->link.data = embedding;
  embedding->rgb = rgb;
  embedding->id = new_id ();
  return embedding;
}

/* ---- Who waits for it ---- */

typedef struct {
  void (*func) (NevaEmbedding *embedding, gpointer user_data);
  gpointer user_data;
  GDestroyNotify destroy;
} Watch;

/* Of all embeddings: what it guards is short. */
static GMutex watch_lock;

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  if (watch->destroy)
    watch->destroy (watch->user_data);
  g_free (watch);
}

static gboolean
is_done (NevaEmbedding *embedding)
{
  const NevaEmbeddingState state = neva_embedding_state (embedding);

  return state == NEVA_EMBEDDING_READY || state == NEVA_EMBEDDING_FAILED;
}

void
neva_embedding_when_done (NevaEmbedding *embedding,
    void (*func) (NevaEmbedding *embedding, gpointer user_data),
    gpointer user_data, GDestroyNotify destroy)
{
  Watch *watch = g_new (Watch, 1);
  gboolean done;

  *watch = (Watch){func, user_data, destroy};
  g_mutex_lock (&watch_lock);
  done = is_done (embedding);
  if (!done)
    embedding->watches = g_slist_prepend (embedding->watches, watch);
  g_mutex_unlock (&watch_lock);
  if (!done)
    return;
  func (embedding, user_data);
  watch_free (watch);
}

void
neva_embedding_tell (NevaEmbedding *embedding)
{
  GSList *watches;

  g_mutex_lock (&watch_lock);
  watches = g_slist_reverse (g_steal_pointer (&embedding->watches));
  g_mutex_unlock (&watch_lock);
  for (GSList *l = watches; l; l = l->next)
    ((Watch *) l->data)->func (embedding, ((Watch *) l->data)->user_data);
  g_slist_free_full (watches, watch_free);
}

gboolean
neva_model_has_features (NevaModel *model)
{
  return model->driver->row_floats > model->driver->pool_from &&
         model->driver->info.tokens_per_frame > 0;
}

/* Of one side of the grid, or the square root of the number of runs. */
#define CELLS 8

/* Rows that make a square are a picture's patches, line by line; others are
 * put together in runs. */
static gsize
cell_of (gsize row, gsize rows, gsize side)
{
  const gsize cells = MIN (side, CELLS);

  if (side * side != rows)
    return row * MIN (rows, CELLS * CELLS) / rows;
  return row / side * cells / side * cells + row % side * cells / side;
}

float *
neva_embedding_pool (NevaEmbedding *embedding, gsize *n_cells, gsize *n)
{
  const NevaDriver *driver = embedding->model->driver;
  const gsize rows = driver->info.tokens_per_frame;
  const gsize floats = driver->row_floats - driver->pool_from;
  gsize side = 0, counts[CELLS * CELLS] = {0};
  float *means;

  if (neva_embedding_state (embedding) != NEVA_EMBEDDING_READY || rows == 0 ||
      floats == 0)
    return NULL;
  while ((side + 1) * (side + 1) <= rows)
    side++;
  *n_cells = cell_of (rows - 1, rows, side) + 1;
  *n = floats;
  means = g_new0 (float, *n_cells *floats);
  for (gsize r = 0; r < rows; r++) {
    const gsize cell = cell_of (r, rows, side);
    const float *row =
        embedding->features + r * driver->row_floats + driver->pool_from;

    counts[cell]++;
    for (gsize i = 0; i < floats; i++)
      means[cell * floats + i] += row[i];
  }
  for (gsize cell = 0; cell < *n_cells; cell++)
    for (gsize i = 0; i < floats; i++)
      means[cell * floats + i] /= (float) counts[cell];
  return means;
}

/* ---- Its life ---- */

static void
embedding_free (NevaEmbedding *embedding)
{
  g_slist_free_full (embedding->watches, watch_free);
  g_free (embedding->rgb);
  g_free (embedding->features);
  g_clear_error (&embedding->error);
  neva_model_unref (embedding->model);
  g_free (embedding);
}

/* Those on the wrong GPU are found when they are read. */
static gboolean
is_readable (const NevaDriver *driver, const NevaFrame *frame, GError **error)
{
  if (frame->memory == NEVA_MEMORY_HOST || driver->has_gpu)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "the frame is in the memory of GPU %u, and model '%s' is not on a GPU",
      frame->gpu, driver->info.name);
  return FALSE;
}

NevaEmbedding *
neva_model_encode (NevaModel *model, const NevaFrame *frame, GCancellable *wait,
    GError **error)
{
  NevaEmbedding *embedding;
  NevaDriver *driver;
  gint64 start;

  g_return_val_if_fail (model && frame, NULL);
  driver = model->driver;

  if (!is_readable (driver, frame, error) ||
      !neva_worker_reserve_frame (model->worker, frame->stream, wait, error))
    return NULL;

  start = g_get_monotonic_time ();
  embedding = embedding_new (model, frame, error);
  if (!embedding ||
      !driver->klass->preprocess (driver, frame, embedding->rgb, error)) {
    neva_worker_unreserve_frame (model->worker, frame->stream);
    if (embedding)
      embedding_free (embedding);
    return NULL;
  }
  neva_worker_queue_frame (
      model->worker, embedding, (g_get_monotonic_time () - start) * 1000);
  return embedding;
}

NevaEmbedding *
neva_embedding_ref (NevaEmbedding *embedding)
{
  g_atomic_int_inc (&embedding->refs);
  return embedding;
}

gboolean
neva_embedding_revive (NevaEmbedding *embedding)
{
  gint refs;

  do {
    refs = g_atomic_int_get (&embedding->refs);
    if (refs == 0)
      return FALSE;
  } while (
      !g_atomic_int_compare_and_exchange (&embedding->refs, refs, refs + 1));
  return TRUE;
}

void
neva_embedding_unref (NevaEmbedding *embedding)
{
  if (!g_atomic_int_dec_and_test (&embedding->refs))
    return;
  neva_worker_forget_frame (embedding->model->worker, embedding);
  embedding_free (embedding);
}

NevaModel *
neva_embedding_get_model (NevaEmbedding *embedding)
{
  return embedding->model;
}

gint64
neva_embedding_get_pts (NevaEmbedding *embedding)
{
  return embedding->pts_ns;
}

NevaEmbeddingState
neva_embedding_state (NevaEmbedding *embedding)
{
  return (NevaEmbeddingState) g_atomic_int_get (&embedding->state);
}

gboolean
neva_embedding_is_ready (NevaEmbedding *embedding)
{
  return neva_embedding_state (embedding) == NEVA_EMBEDDING_READY;
}
