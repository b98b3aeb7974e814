/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "novelty.h"
#include "likeness.h"

GST_DEBUG_CATEGORY_EXTERN (neva_encoder_debug);
#define GST_CAT_DEFAULT neva_encoder_debug

/* Clips of which the end does not come. */
#define MAX_CLIPS 64

/* What is told of a frame. One that overlapping clips share is pooled and
 * compared once. */
typedef struct {
  gint refs; /* atomic */
  /* Under the novelty's lock. */
  gboolean done;
  float *pooled; /* [n_cells][n], or NULL: not encoded, or compared already */
  gsize n_cells, n;
  gboolean compared, fresh;
} Result;

/* Holds the embedding until the clip is judged: it must not be cancelled
 * because a queue has lost its buffer. */
typedef struct {
  NevaEmbedding *embedding;
  Result *result;
} Frame;

typedef struct {
  guint64 number;
  GstClockTime start, end;
  GArray *frames;          /* Frame */
  GstNevaVerdict *verdict; /* NULL while it is in progress */
} Clip;

struct _GstNevaNovelty {
  gint refs; /* atomic */
  GMutex lock;
  /* Under lock. */
  double threshold;
  GstClockTime heartbeat;
  GQueue open;   /* Clip in progress */
  GQueue queued; /* Clip with a verdict */
  GstNevaLikeness *likeness;
  GstClockTime last_start, before; /* of the last clip that passed; of the last
                                      clip; or NONE */
  GstNevaNoveltyCounts counts;
};

/* ---- Frames and clips ---- */

static void
result_unref (Result *result)
{
  if (!g_atomic_int_dec_and_test (&result->refs))
    return;
  g_free (result->pooled);
  g_free (result);
}

static void
frame_clear (gpointer data)
{
  Frame *frame = data;

  neva_embedding_unref (frame->embedding);
  result_unref (frame->result);
}

static Clip *
clip_new (guint64 number)
{
  Clip *clip = g_new0 (Clip, 1);

  clip->number = number;
  clip->frames = g_array_new (FALSE, FALSE, sizeof (Frame));
  g_array_set_clear_func (clip->frames, frame_clear);
  return clip;
}

static void
clip_free (gpointer data)
{
  Clip *clip = data;

  g_array_unref (clip->frames);
  g_clear_pointer (&clip->verdict, gst_neva_verdict_unref);
  g_free (clip);
}

static Clip *
find_open (GstNevaNovelty *self, guint64 number)
{
  for (GList *l = self->open.head; l; l = l->next)
    if (((Clip *) l->data)->number == number)
      return l->data;
  return NULL;
}

static gboolean
is_encoded (const Clip *clip)
{
  for (guint i = 0; i < clip->frames->len; i++)
    if (!g_array_index (clip->frames, Frame, i).result->done)
      return FALSE;
  return TRUE;
}

/* ---- Comparing ---- */

/* Is one of its frames new? So is what could not be looked at, and what comes
 * first. */
static gboolean
is_fresh (GstNevaNovelty *self, const Clip *clip)
{
  gboolean fresh = !GST_CLOCK_TIME_IS_VALID (self->before), seen = FALSE;

  for (guint i = 0; i < clip->frames->len; i++) {
    Result *frame = g_array_index (clip->frames, Frame, i).result;
    double level;

    if (frame->pooled) {
      frame->fresh = gst_neva_likeness_is_new (self->likeness, frame->pooled,
          frame->n_cells, frame->n, self->threshold, &level);
      frame->compared = TRUE;
      g_clear_pointer (&frame->pooled, g_free);
      GST_DEBUG ("clip %" G_GUINT64_FORMAT ", frame %u: %.3f of what is new",
          clip->number, i, level);
    }
    seen |= frame->compared;
    fresh |= frame->fresh;
  }
  return fresh || !seen;
}

/* No caption for longer than that, if this clip has none? What has no caption
 * yet is as far from the next clip as from the one before. */
static gboolean
is_due (const GstNevaNovelty *self, const Clip *clip)
{
  GstClockTime hop = clip->end - clip->start;

  if (GST_CLOCK_TIME_IS_VALID (self->before) && clip->start > self->before)
    hop = clip->start - self->before;
  return self->heartbeat > 0 &&
         clip->start + hop - self->last_start > self->heartbeat;
}

/* Takes the verdict on the first queued clip. */
static GstNevaVerdictState
judge (GstNevaNovelty *self, const Clip *clip)
{
  const gboolean fresh = is_fresh (self, clip);
  const gboolean due = !fresh && is_due (self, clip);

  self->before = clip->start;
  self->counts.windows++;
  if (!fresh && !due) {
    self->counts.gated++;
    return GST_NEVA_VERDICT_GATED;
  }
  self->counts.heartbeats += due;
  self->last_start = clip->start;
  return GST_NEVA_VERDICT_PASS;
}

/* No lock held. Clips whose turn it is and whose frames are encoded. */
static void
run (GstNevaNovelty *self)
{
  Clip *clip;

  g_mutex_lock (&self->lock);
  while ((clip = g_queue_peek_head (&self->queued)) && is_encoded (clip)) {
    const GstNevaVerdictState state = judge (self, clip);

    g_queue_pop_head (&self->queued);
    g_mutex_unlock (&self->lock);
    gst_neva_verdict_set (clip->verdict, state);
    clip_free (clip);
    g_mutex_lock (&self->lock);
  }
  g_mutex_unlock (&self->lock);
}

/* ---- A frame is encoded ---- */

typedef struct {
  GstNevaNovelty *novelty;
  Result *result;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  result_unref (call->result);
  gst_neva_novelty_unref (call->novelty);
  g_free (call);
}

static void
on_encoded (NevaEmbedding *embedding, gpointer user_data)
{
  Call *call = user_data;
  gsize n_cells = 0, n = 0;
  float *pooled = neva_embedding_pool (embedding, &n_cells, &n);

  g_mutex_lock (&call->novelty->lock);
  call->result->pooled = pooled;
  call->result->n_cells = n_cells;
  call->result->n = n;
  call->result->done = TRUE;
  g_mutex_unlock (&call->novelty->lock);
  run (call->novelty);
}

/* ---- From outside ---- */

GstNevaNovelty *
gst_neva_novelty_new (void)
{
  GstNevaNovelty *self = g_new0 (GstNevaNovelty, 1);

  self->refs = 1;
  g_mutex_init (&self->lock);
  self->likeness = gst_neva_likeness_new ();
  gst_neva_novelty_reset (self);
  return self;
}

GstNevaNovelty *
gst_neva_novelty_ref (GstNevaNovelty *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

void
gst_neva_novelty_unref (GstNevaNovelty *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  g_queue_clear_full (&self->open, clip_free);
  g_queue_clear_full (&self->queued, clip_free);
  gst_neva_likeness_free (self->likeness);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
gst_neva_novelty_set (
    GstNevaNovelty *self, double threshold, GstClockTime heartbeat)
{
  g_mutex_lock (&self->lock);
  self->threshold = threshold;
  self->heartbeat = heartbeat;
  g_mutex_unlock (&self->lock);
}

void
gst_neva_novelty_reset (GstNevaNovelty *self)
{
  GQueue queued, open;
  Clip *clip;

  g_mutex_lock (&self->lock);
  queued = self->queued;
  open = self->open;
  g_queue_init (&self->queued);
  g_queue_init (&self->open);
  gst_neva_likeness_reset (self->likeness);
  self->last_start = self->before = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
  while ((clip = g_queue_pop_head (&queued))) {
    gst_neva_verdict_set (clip->verdict, GST_NEVA_VERDICT_PASS);
    clip_free (clip);
  }
  g_queue_clear_full (&open, clip_free);
}

void
gst_neva_novelty_clear_counts (GstNevaNovelty *self)
{
  g_mutex_lock (&self->lock);
  self->counts = (GstNevaNoveltyCounts){0};
  g_mutex_unlock (&self->lock);
}

GstNevaNoveltyCounts
gst_neva_novelty_get_counts (GstNevaNovelty *self)
{
  GstNevaNoveltyCounts counts;

  g_mutex_lock (&self->lock);
  counts = self->counts;
  g_mutex_unlock (&self->lock);
  return counts;
}

void
gst_neva_novelty_add_frame (
    GstNevaNovelty *self, GstBuffer *buffer, NevaEmbedding *embedding)
{
  Result *result = g_new0 (Result, 1);
  Call *call = g_new (Call, 1);
  GstNevaSampleMeta *meta;
  gpointer state = NULL;

  result->refs = 1;
  *call = (Call){gst_neva_novelty_ref (self), result};
  g_mutex_lock (&self->lock);
  while ((meta = gst_buffer_iterate_neva_sample_meta (buffer, &state))) {
    Clip *clip = find_open (self, meta->clip);
    Frame frame;

    if (!clip) {
      clip = clip_new (meta->clip);
      g_queue_push_tail (&self->open, clip);
    }
    frame = (Frame){neva_embedding_ref (embedding), result};
    g_atomic_int_inc (&result->refs);
    g_array_append_val (clip->frames, frame);
  }
  while (self->open.length > MAX_CLIPS)
    clip_free (g_queue_pop_head (&self->open));
  g_mutex_unlock (&self->lock);
  neva_embedding_when_done (embedding, on_encoded, call, call_free);
}

void
gst_neva_novelty_end_clip (GstNevaNovelty *self, GstNevaClip *end)
{
  Clip *clip;

  g_mutex_lock (&self->lock);
  clip = find_open (self, end->clip);
  if (clip)
    g_queue_remove (&self->open, clip);
  if (!end->complete || end->gated) {
    g_clear_pointer (&clip, clip_free);
  } else {
    if (!clip)
      clip = clip_new (end->clip);
    clip->start = end->start;
    clip->end = end->end;
    clip->verdict = gst_neva_verdict_new ();
    g_clear_pointer (&end->verdict, gst_neva_verdict_unref);
    end->verdict = gst_neva_verdict_ref (clip->verdict);
    g_queue_push_tail (&self->queued, clip);
  }
  g_mutex_unlock (&self->lock);
  run (self);
}
