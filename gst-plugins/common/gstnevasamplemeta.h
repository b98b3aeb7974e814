/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevaframesampler says about a chosen frame, and about a clip's end.
 *
 *   buffer     meta {clip 3, index 0, count 8}
 *   buffer     meta {clip 3, index 1, count 8}
 *     ...
 *   buffer     meta {clip 3, index 5, count 8, last, repeat 2}
 *   GstNevaClip event {clip 3, frames 6, count 8, complete}
 *
 * Rules for readers
 *  - A buffer may carry several metas: with overlapping windows one frame
 *    belongs to several clips. Always iterate. A buffer without one was not
 *    chosen (output=all).
 *  - Frames of one clip arrive in order, each once: index 0, 1, 2, ... A frame
 *    that counts more than once (a clip shorter than `count`: its last frame is
 *    repeated) arrives once; the reader repeats its embedding.
 *  - The clip is over when its GstNevaClip event arrives, and not before. The
 *    event is serialized, not sticky, follows the clip's last buffer directly
 *    and is sent for every clip unless a flush, or the element's stop, discards
 *    the clip. The embedding of the last frame is then repeated until there are
 *    `count` (count - frames times). `last` on a buffer is only an early hint:
 *    it cannot be set where the end of the clip was not foreseen.
 *  - `gated` TRUE: the sampler's gate has found nothing in the clip; drop it.
 *    Its frames were marked `undecided`. The event of a clip that a gate holds
 *    back does not follow its last frame directly, but comes when its window is
 *    over.
 *  - `complete` FALSE: the clip cannot be finished (a chosen frame could not be
 *    decoded); drop it. An error message says why.
 *  - FLUSH_STOP discards all clips in progress. Clip numbers are not reused
 *    until the element goes to READY.
 */
#ifndef GST_NEVA_SAMPLE_META_H
#define GST_NEVA_SAMPLE_META_H

#include <gst/gst.h>
#include "gstnevaverdict.h"

G_BEGIN_DECLS

/* When a chosen frame is shown. Times in ns. */
typedef struct {
  GstClockTime running_time;
  GstClockTime pts; /* timestamp in the sampler's output segment */
} GstNevaSampleTime;

typedef struct {
  GstMeta meta;

  guint64 clip;
  guint index;  /* k: position among the clip's distinct frames, from 0 */
  guint count;  /* n: frames of the finished clip, repeats included; 0 = not
                   known before the GstNevaClip event (mode=all) */
  guint repeat; /* on the last frame: how many more times it counts */
  gboolean last;
  gboolean undecided; /* the gate has not let the clip pass yet, and may never:
                         do not spend much on the frame */

  /* The window [start, end) in running time, ns. Without windows: the time of
   * the first frame, and the end of the stream or GST_CLOCK_TIME_NONE while
   * that is not known. */
  GstClockTime start, end;

  /* GstNevaSampleTime of the clip's distinct frames, in order; read only. At
   * least the frames 0..index (with mode=all only its own), all of them where
   * the choice is known in advance and on the last frame. */
  GArray *times;
} GstNevaSampleMeta;

#define GST_NEVA_SAMPLE_META_API_TYPE (gst_neva_sample_meta_api_get_type ())
#define GST_NEVA_SAMPLE_META_INFO (gst_neva_sample_meta_get_info ())

/* No tags: the meta survives conversion, scaling and encoding. */
GType gst_neva_sample_meta_api_get_type (void);
const GstMetaInfo *gst_neva_sample_meta_get_info (void);

/* Adds a meta to a writable buffer. times: a reference is taken; the array must
 * not be changed afterwards. Returns the meta (owned by the buffer) with
 * repeat 0 and last FALSE. */
GstNevaSampleMeta *gst_buffer_add_neva_sample_meta (GstBuffer *buffer,
    guint64 clip, guint index, guint count, GstClockTime start,
    GstClockTime end, GArray *times);

/* The first meta or NULL; owned by the buffer. */
GstNevaSampleMeta *gst_buffer_get_neva_sample_meta (GstBuffer *buffer);

/* The next meta or NULL; *state is NULL before the first call. */
GstNevaSampleMeta *gst_buffer_iterate_neva_sample_meta (
    GstBuffer *buffer, gpointer *state);

/* The end of a clip. */
typedef struct {
  guint64 clip;
  guint frames; /* distinct frames that were sent */
  guint count;  /* n: frames after repeating the last one */
  gboolean complete;
  gboolean gated;          /* nothing happens in it: it is not captioned */
  GstClockTime start, end; /* as in the meta; end is always valid here */
  GArray *times;           /* GstNevaSampleTime, `frames` entries */
  GstNevaVerdict *verdict; /* of a gate that is still looking, or NULL */
} GstNevaClip;

/* Returns a new serialized, non-sticky downstream event; clip is borrowed. */
GstEvent *gst_neva_clip_event_new (const GstNevaClip *clip);

/* Returns FALSE, and leaves *clip alone, if event is another one or malformed.
 * Free with gst_neva_clip_clear (). */
gboolean gst_neva_clip_event_parse (GstEvent *event, GstNevaClip *clip);

void gst_neva_clip_clear (GstNevaClip *clip);

G_END_DECLS

#endif /* GST_NEVA_SAMPLE_META_H */
