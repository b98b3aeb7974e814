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

static void
embedding_free (NevaEmbedding *embedding)
{
  g_free (embedding->rgb);
  g_free (embedding->features);
  g_clear_error (&embedding->error);
  neva_model_unref (embedding->model);
  g_free (embedding);
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

  if (!neva_worker_reserve_frame (model->worker, frame->stream, wait, error))
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
