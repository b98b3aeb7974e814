/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fake models, questions about them, and what their callbacks heard. */
#ifndef NEVA_TESTS_RUNTIME_HELPERS_H
#define NEVA_TESTS_RUNTIME_HELPERS_H

#include <neva/neva.h>
#include <string.h>
#include "check.h"

/* What the callbacks of one request did. */
typedef struct {
  GMutex lock;
  GCond cond;
  guint partials, dones, destroys;
  int code;     /* of the error, or -1 */
  gint64 order; /* which `done` this was, over all */
  char *text;
  gboolean cancel_in_partial;
} Heard;

static gint done_count;

static inline Heard *
heard_new (void)
{
  Heard *heard = g_new0 (Heard, 1);

  g_mutex_init (&heard->lock);
  g_cond_init (&heard->cond);
  heard->code = -2;
  return heard;
}

static inline void
heard_free (Heard *heard)
{
  g_mutex_clear (&heard->lock);
  g_cond_clear (&heard->cond);
  g_free (heard->text);
  g_free (heard);
}

static inline void
on_partial (NevaRequest *request, const char *text, gpointer user_data)
{
  Heard *heard = user_data;
  gboolean prefix;

  g_mutex_lock (&heard->lock);
  prefix = !heard->text || g_str_has_prefix (text, heard->text);
  CHECK (prefix, "\"%s\" does not continue \"%s\"", text, heard->text);
  g_free (heard->text);
  heard->text = g_strdup (text);
  heard->partials++;
  g_cond_broadcast (&heard->cond);
  g_mutex_unlock (&heard->lock);
  if (heard->cancel_in_partial)
    neva_request_cancel (request);
}

static inline void
on_done (NevaRequest *request, const NevaAnswer *answer, const GError *error,
    gpointer user_data)
{
  Heard *heard = user_data;

  (void) request;
  g_mutex_lock (&heard->lock);
  heard->dones++;
  heard->code = error ? error->code : -1;
  heard->order = g_atomic_int_add (&done_count, 1);
  if (answer) {
    g_free (heard->text);
    heard->text = g_strdup (answer->text);
  }
  g_cond_broadcast (&heard->cond);
  g_mutex_unlock (&heard->lock);
}

static inline void
on_destroy (gpointer user_data)
{
  Heard *heard = user_data;

  g_mutex_lock (&heard->lock);
  heard->destroys++;
  g_cond_broadcast (&heard->cond);
  g_mutex_unlock (&heard->lock);
}

static inline void
wait_for (Heard *heard, const guint *counter)
{
  g_mutex_lock (&heard->lock);
  while (*counter == 0)
    g_cond_wait (&heard->cond, &heard->lock);
  g_mutex_unlock (&heard->lock);
}

static inline NevaModel *
must_open (const char *path)
{
  g_autoptr (GError) error = NULL;
  NevaModel *model = neva_model_open (path, NULL, NULL, NULL, NULL, &error);

  if (!model)
    g_error ("%s: %s", path, error->message);
  return model;
}

static inline NevaFrame
a_pixel (gint64 pts_ns)
{
  static const guint8 pixel[3] = {1, 2, 3};

  return (NevaFrame){.format = NEVA_PIXEL_RGB,
      .width = 1,
      .height = 1,
      .plane = {pixel},
      .stride = {3},
      .pts_ns = pts_ns};
}

static inline NevaEmbedding *
encode (NevaModel *model, gint64 pts_ns, GCancellable *wait, GError **error)
{
  const NevaFrame frame = a_pixel (pts_ns);

  return neva_model_encode (model, &frame, wait, error);
}

/* NULL when the stream may not queue any more. */
static inline NevaEmbedding *
encode_of (NevaModel *model, guint64 stream, gint priority)
{
  NevaFrame frame = a_pixel (0);

  frame.stream = stream;
  frame.priority = priority;
  return neva_model_encode (model, &frame, NULL, NULL);
}

static inline NevaRequest *
ask (NevaModel *model, const char *prompt, NevaEmbedding *const *frames,
    gsize n_frames, Heard *heard, GCancellable *wait, GError **error)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  question.prompt = prompt;
  question.frames = frames;
  question.n_frames = n_frames;
  return neva_model_ask (model, &question, heard ? on_partial : NULL,
      heard ? on_done : NULL, heard, heard ? on_destroy : NULL, wait, error);
}

static inline const NevaAnswer *
must_answer (NevaRequest *request)
{
  g_autoptr (GError) error = NULL;
  const NevaAnswer *answer = neva_request_wait (request, NULL, &error);

  if (!answer)
    g_error ("no answer: %s", error->message);
  return answer;
}

static inline void
wait_until_queue_empty (NevaModel *model)
{
  NevaStats stats;

  do {
    g_thread_yield ();
    neva_model_get_stats (model, &stats);
  } while (stats.queued_frames || stats.queued_questions);
}

#endif /* NEVA_TESTS_RUNTIME_HELPERS_H */
