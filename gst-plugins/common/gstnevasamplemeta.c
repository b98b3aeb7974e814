/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "gstnevasamplemeta.h"

/* This file may be linked into a process twice (the plugin, and a program that
 * reads the metas): whoever comes second takes the registered type. */

#define CLIP_EVENT "GstNevaClip"

GType
gst_neva_sample_meta_api_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const gchar *tags[] = {NULL};
    GType t = g_type_from_name ("GstNevaSampleMetaAPI");

    if (!t)
      t = gst_meta_api_type_register ("GstNevaSampleMetaAPI", tags);
    g_once_init_leave (&type, t);
  }
  return type;
}

static gboolean
sample_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  GstNevaSampleMeta *sample = (GstNevaSampleMeta *) meta;

  sample->clip = 0;
  sample->index = sample->count = sample->repeat = 0;
  sample->last = sample->undecided = FALSE;
  sample->start = sample->end = GST_CLOCK_TIME_NONE;
  sample->times = NULL;
  return TRUE;
}

static void
sample_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  GstNevaSampleMeta *sample = (GstNevaSampleMeta *) meta;

  g_clear_pointer (&sample->times, g_array_unref);
}

/* The meta speaks about time, so it holds for any picture made from this one,
 * whatever the transformation. */
static gboolean
sample_meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *buffer,
    GQuark type, gpointer data)
{
  const GstNevaSampleMeta *src = (GstNevaSampleMeta *) meta;
  GstNevaSampleMeta *dst = gst_buffer_add_neva_sample_meta (dest, src->clip,
      src->index, src->count, src->start, src->end, src->times);

  if (!dst)
    return FALSE;
  dst->repeat = src->repeat;
  dst->last = src->last;
  dst->undecided = src->undecided;
  return TRUE;
}

const GstMetaInfo *
gst_neva_sample_meta_get_info (void)
{
  static gsize info = 0;

  if (g_once_init_enter (&info)) {
    g_once_init_leave (
        &info, (gsize) gst_meta_register (GST_NEVA_SAMPLE_META_API_TYPE,
                   "GstNevaSampleMeta", sizeof (GstNevaSampleMeta),
                   sample_meta_init, sample_meta_free, sample_meta_transform));
  }
  return (const GstMetaInfo *) info;
}

GstNevaSampleMeta *
gst_buffer_add_neva_sample_meta (GstBuffer *buffer, guint64 clip, guint index,
    guint count, GstClockTime start, GstClockTime end, GArray *times)
{
  GstNevaSampleMeta *sample;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (times != NULL, NULL);

  sample = (GstNevaSampleMeta *) gst_buffer_add_meta (
      buffer, GST_NEVA_SAMPLE_META_INFO, NULL);
  if (!sample)
    return NULL;
  sample->clip = clip;
  sample->index = index;
  sample->count = count;
  sample->start = start;
  sample->end = end;
  sample->times = g_array_ref (times);
  return sample;
}

GstNevaSampleMeta *
gst_buffer_get_neva_sample_meta (GstBuffer *buffer)
{
  return (GstNevaSampleMeta *) gst_buffer_get_meta (
      buffer, GST_NEVA_SAMPLE_META_API_TYPE);
}

GstNevaSampleMeta *
gst_buffer_iterate_neva_sample_meta (GstBuffer *buffer, gpointer *state)
{
  return (GstNevaSampleMeta *) gst_buffer_iterate_meta_filtered (
      buffer, state, GST_NEVA_SAMPLE_META_API_TYPE);
}

static void
take_time (GValue *array, GstClockTime time)
{
  GValue v = G_VALUE_INIT;

  g_value_init (&v, G_TYPE_UINT64);
  g_value_set_uint64 (&v, time);
  gst_value_array_append_and_take_value (array, &v);
}

GstEvent *
gst_neva_clip_event_new (const GstNevaClip *clip)
{
  GstStructure *s;
  GValue running = G_VALUE_INIT, pts = G_VALUE_INIT;

  g_return_val_if_fail (clip != NULL && clip->times != NULL, NULL);

  g_value_init (&running, GST_TYPE_ARRAY);
  g_value_init (&pts, GST_TYPE_ARRAY);
  for (guint i = 0; i < clip->times->len; i++) {
    const GstNevaSampleTime *t =
        &g_array_index (clip->times, GstNevaSampleTime, i);

    take_time (&running, t->running_time);
    take_time (&pts, t->pts);
  }

  s = gst_structure_new (CLIP_EVENT, "clip", G_TYPE_UINT64, clip->clip,
      "frames", G_TYPE_UINT, clip->frames, "count", G_TYPE_UINT, clip->count,
      "complete", G_TYPE_BOOLEAN, clip->complete, "gated", G_TYPE_BOOLEAN,
      clip->gated, "start", G_TYPE_UINT64, clip->start, "end", G_TYPE_UINT64,
      clip->end, NULL);
  gst_structure_take_value (s, "running-times", &running);
  gst_structure_take_value (s, "timestamps", &pts);
  if (clip->verdict)
    gst_structure_set (
        s, "verdict", GST_TYPE_NEVA_VERDICT, clip->verdict, NULL);
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, s);
}

static gboolean
parse_times (const GstStructure *s, GArray *times)
{
  const GValue *running = gst_structure_get_value (s, "running-times");
  const GValue *pts = gst_structure_get_value (s, "timestamps");
  guint n;

  if (!running || !pts || !GST_VALUE_HOLDS_ARRAY (running) ||
      !GST_VALUE_HOLDS_ARRAY (pts))
    return FALSE;
  n = gst_value_array_get_size (running);
  if (gst_value_array_get_size (pts) != n)
    return FALSE;

  for (guint i = 0; i < n; i++) {
    const GValue *r = gst_value_array_get_value (running, i);
    const GValue *p = gst_value_array_get_value (pts, i);
    GstNevaSampleTime t;

    if (!G_VALUE_HOLDS_UINT64 (r) || !G_VALUE_HOLDS_UINT64 (p))
      return FALSE;
    t.running_time = g_value_get_uint64 (r);
    t.pts = g_value_get_uint64 (p);
    g_array_append_val (times, t);
  }
  return TRUE;
}

gboolean
gst_neva_clip_event_parse (GstEvent *event, GstNevaClip *clip)
{
  const GstStructure *s;
  GstNevaClip c = {0};

  g_return_val_if_fail (GST_IS_EVENT (event) && clip != NULL, FALSE);

  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_DOWNSTREAM)
    return FALSE;
  s = gst_event_get_structure (event);
  if (!s || !gst_structure_has_name (s, CLIP_EVENT))
    return FALSE;

  c.times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  if (!gst_structure_get (s, "clip", G_TYPE_UINT64, &c.clip, "frames",
          G_TYPE_UINT, &c.frames, "count", G_TYPE_UINT, &c.count, "complete",
          G_TYPE_BOOLEAN, &c.complete, "start", G_TYPE_UINT64, &c.start, "end",
          G_TYPE_UINT64, &c.end, NULL) ||
      !parse_times (s, c.times) || c.times->len != c.frames) {
    gst_neva_clip_clear (&c);
    return FALSE;
  }
  /* Not there, it is not gated. */
  gst_structure_get_boolean (s, "gated", &c.gated);
  gst_structure_get (s, "verdict", GST_TYPE_NEVA_VERDICT, &c.verdict, NULL);
  *clip = c;
  return TRUE;
}

void
gst_neva_clip_clear (GstNevaClip *clip)
{
  g_clear_pointer (&clip->times, g_array_unref);
  g_clear_pointer (&clip->verdict, gst_neva_verdict_unref);
}
