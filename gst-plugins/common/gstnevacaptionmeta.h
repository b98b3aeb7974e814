/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GstNevaCaptionMeta: a caption that rides on a video or text buffer.
 *
 * It is a GstCustomMeta, i.e. a GstStructure on a buffer, so that programs in
 * any language read it without this header:
 *
 *   GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer,
 *       "GstNevaCaptionMeta");
 *   const char *text = gst_structure_get_string (
 *       gst_custom_meta_get_structure (meta), "text");
 *
 * The same fields make the element message `neva-caption`. Every time is in
 * nanoseconds, GST_CLOCK_TIME_NONE where unknown; `start`, `end` and
 * `frame-times` are timestamps of the video's buffers, in its segment.
 *
 *   text           string   the caption: one paragraph of UTF-8
 *   final          boolean  FALSE: still growing, `text` is a prefix of it
 *   clip           uint64   number of the clip, from nevaframesampler
 *   start, end     uint64   the window that the caption speaks of, [start, end)
 *   stream-time    uint64   of start
 *   running-time   uint64   of start
 *   frame-times    array of uint64, of the frames that the model saw
 *   stream-id      string   of the video
 *   model          string
 *   prompt-id      string   of nevallm's prompts: the id, or the number from 0;
 *                           "0" for prompt, "alert" for alert
 *   prompt         string   as asked, placeholders replaced
 *   memory         uint     captions of earlier clips in it
 *   finish         string   "stop", "length"; "" while not final
 *   region-id, region-mtd  int, region-type  string, region-x, region-y,
 *   region-width, region-height  int64, region-confidence  double
 *                  with nevaencoder region=roi: the object that it speaks of,
 *                  see gstnevaregion.h
 *   prompt-tokens, reused-tokens, tokens   uint
 *   mean-logprob   double   of the generated tokens, natural logarithm
 *   token-ids, logprobs   arrays of int and double, with nevallm's
 *                  compute-logprob: the generated tokens, the one that ended
 *                  the answer too
 *   full-logprobs  GBytes, with all-probs: floats [tokens][vocabulary]
 *   vocabulary     uint     of full-logprobs
 *   queue-time, encode-time, prefill-time, first-token-time, decode-time
 *                  uint64   see NevaAnswer
 *
 * The meta has no tags: it depends on neither size nor colour, so converters
 * and scalers carry it over. */
#ifndef GST_NEVA_CAPTION_META_H
#define GST_NEVA_CAPTION_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_NEVA_CAPTION_META_NAME "GstNevaCaptionMeta"
#define GST_NEVA_CAPTION_MESSAGE_NAME "neva-caption"

/* Everything is borrowed; a NULL string reads as "". */
typedef struct {
  const char *text;
  gboolean final;
  guint64 clip;
  GstClockTime start, end, stream_time, running_time;
  const GstClockTime *times; /* [n_times] */
  gsize n_times;
  const char *stream_id, *model, *prompt_id, *prompt, *finish;
  guint memory;
  guint prompt_tokens, reused_tokens, tokens;
  double mean_logprob;
  GstClockTime queue_time, encode_time, prefill_time, first_token_time,
      decode_time;
} GstNevaCaptionInfo;

/* Registers the meta; any number of times, any thread. Call before use. */
void gst_neva_caption_meta_init (void);

/* Returns: (transfer full): the fields above in a structure that is named
 * GST_NEVA_CAPTION_MESSAGE_NAME. */
GstStructure *gst_neva_caption_to_structure (const GstNevaCaptionInfo *info);

/* Adds the meta with the fields of `caption`, and, when built against
 * GStreamer 1.24 or later, the same text as a GstAnalytics Mtd of type
 * "neva-caption" (a NUL-terminated string; no GQuark).
 * buffer: must be writable. */
void gst_buffer_add_neva_caption_meta (
    GstBuffer *buffer, const GstStructure *caption);

/* Returns: (transfer none) (nullable): the first caption on the buffer. There
 * is one of each prompt. */
const GstStructure *gst_buffer_get_neva_caption (GstBuffer *buffer);

G_END_DECLS

#endif /* GST_NEVA_CAPTION_META_H */
