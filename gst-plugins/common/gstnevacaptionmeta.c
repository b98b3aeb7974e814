/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The caption meta; see gstnevacaptionmeta.h. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "gstnevaanalytics.h"
#include "gstnevacustommeta.h"
#include "gstnevaregion.h"

void
gst_neva_caption_meta_init (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    gst_neva_custom_meta_register (GST_NEVA_CAPTION_META_NAME);
    g_once_init_leave (&once, 1);
  }
}

static void
set_times (GstStructure *s, const GstClockTime *times, gsize n)
{
  GValue array = G_VALUE_INIT, item = G_VALUE_INIT;

  g_value_init (&array, GST_TYPE_ARRAY);
  g_value_init (&item, G_TYPE_UINT64);
  for (gsize i = 0; i < n; i++) {
    g_value_set_uint64 (&item, times[i]);
    gst_value_array_append_value (&array, &item);
  }
  g_value_unset (&item);
  gst_structure_take_value (s, "frame-times", &array);
}

static const char *
or_empty (const char *s)
{
  return s ? s : "";
}

GstStructure *
gst_neva_caption_to_structure (const GstNevaCaptionInfo *info)
{
  GstStructure *s = gst_structure_new (GST_NEVA_CAPTION_MESSAGE_NAME,
      /* what was said, of what */
      "text", G_TYPE_STRING, or_empty (info->text), "final", G_TYPE_BOOLEAN,
      info->final, "clip", G_TYPE_UINT64, info->clip, "start", G_TYPE_UINT64,
      info->start, "end", G_TYPE_UINT64, info->end, "stream-time",
      G_TYPE_UINT64, info->stream_time, "running-time", G_TYPE_UINT64,
      info->running_time, "stream-id", G_TYPE_STRING,
      or_empty (info->stream_id),
      /* by whom */
      "model", G_TYPE_STRING, or_empty (info->model), "prompt-id",
      G_TYPE_STRING, or_empty (info->prompt_id), "prompt", G_TYPE_STRING,
      or_empty (info->prompt), "memory", G_TYPE_UINT, info->memory, "finish",
      G_TYPE_STRING, or_empty (info->finish), "prompt-tokens", G_TYPE_UINT,
      info->prompt_tokens, "reused-tokens", G_TYPE_UINT, info->reused_tokens,
      "tokens", G_TYPE_UINT, info->tokens, "mean-logprob", G_TYPE_DOUBLE,
      info->mean_logprob,
      /* how long it took */
      "queue-time", G_TYPE_UINT64, info->queue_time, "encode-time",
      G_TYPE_UINT64, info->encode_time, "prefill-time", G_TYPE_UINT64,
      info->prefill_time, "first-token-time", G_TYPE_UINT64,
      info->first_token_time, "decode-time", G_TYPE_UINT64, info->decode_time,
      NULL);

  set_times (s, info->times, info->n_times);
  return s;
}

void
gst_buffer_add_neva_caption_meta (
    GstBuffer *buffer, const GstStructure *caption)
{
  g_return_if_fail (gst_buffer_is_writable (buffer));

  gst_buffer_add_neva_custom_meta (buffer, GST_NEVA_CAPTION_META_NAME, caption);
  gst_neva_analytics_add_caption (buffer, caption);
  gst_neva_region_relate (buffer, caption);
}

const GstStructure *
gst_buffer_get_neva_caption (GstBuffer *buffer)
{
  gst_neva_caption_meta_init ();
  return gst_buffer_get_neva_custom_meta (buffer, GST_NEVA_CAPTION_META_NAME);
}
