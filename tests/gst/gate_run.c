/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gate_run.h"
#include <gst/app/gstappsrc.h>
#include <string.h>
#include "gstnevasamplemeta.h"

#define WINDOW (2 * GST_SECOND)

typedef struct {
  GateScene *scene;
  guint next, frames;
  GArray *clips; /* GstNevaClip */
} Run;

static void
need_data (GstElement *source, guint size, gpointer user_data)
{
  Run *run = user_data;
  const guint fps = gate_scene_fps (run->scene);
  const gsize bytes = (gsize) gate_scene_width (run->scene) *
                      gate_scene_height (run->scene) * 3 / 2;
  GstFlowReturn flow;
  GstBuffer *buffer;
  guint8 *data;

  (void) size;
  if (run->next == run->frames) {
    gst_app_src_end_of_stream (GST_APP_SRC (source));
    return;
  }
  data = g_malloc (bytes);
  gate_scene_render (run->scene, run->next, data);
  buffer = gst_buffer_new_wrapped (data, bytes);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (run->next, GST_SECOND, fps);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / fps;
  run->next++;
  flow = gst_app_src_push_buffer (GST_APP_SRC (source), buffer);
  (void) flow;
}

static GstPadProbeReturn
on_event (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Run *run = user_data;
  GstNevaClip clip;

  (void) pad;
  if (gst_neva_clip_event_parse (GST_PAD_PROBE_INFO_EVENT (info), &clip)) {
    g_array_append_val (run->clips, clip);
  }
  return GST_PAD_PROBE_OK;
}

/* A verdict may come after EOS; the model is at work. */
static void
await (GstNevaClip *clip)
{
  while (clip->verdict &&
         gst_neva_verdict_get (clip->verdict) == GST_NEVA_VERDICT_OPEN)
    g_usleep (1000);
  clip->gated |= clip->verdict &&
                 gst_neva_verdict_get (clip->verdict) == GST_NEVA_VERDICT_GATED;
}

static gboolean
play (Run *run, guint bitrate, const char *gate)
{
  g_autofree char *codec = g_strdup_printf (
      "x264enc bitrate=%u speed-preset=veryfast key-int-max=%u ! "
      "video/x-h264,profile=main ! avdec_h264 ! ",
      bitrate, gate_scene_fps (run->scene) * 2);
  g_autofree char *line = g_strdup_printf (
      "appsrc name=in format=time caps=video/x-raw,format=I420,width=%u,"
      "height=%u,framerate=%u/1 ! %s nevaframesampler %s output=all "
      "window=%" G_GUINT64_FORMAT " %s ! fakesink sync=false",
      gate_scene_width (run->scene), gate_scene_height (run->scene),
      gate_scene_fps (run->scene), bitrate > 0 ? codec : "",
      *gate == '!' ? "num-frames=4" : "name=s", WINDOW, gate);
  GstElement *pipeline = gst_parse_launch (line, NULL);
  g_autoptr (GstElement) source = NULL, sampler = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstPad) pad = NULL;
  GstMessage *message;
  gboolean ok;

  if (!pipeline)
    return FALSE;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "in");
  sampler = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  pad = gst_element_get_static_pad (sampler, "src");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, run, NULL);
  g_signal_connect (source, "need-data", G_CALLBACK (need_data), run);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  bus = gst_element_get_bus (pipeline);
  message = gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  ok = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  if (!ok) {
    g_autoptr (GError) error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
  }
  gst_message_unref (message);
  for (guint i = 0; ok && i < run->clips->len; i++)
    await (&g_array_index (run->clips, GstNevaClip, i));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return ok;
}

static gboolean
overlaps (const GstNevaClip *clip, const GateEvent *e)
{
  return (double) clip->start / GST_SECOND < e->end &&
         (double) clip->end / GST_SECOND > e->start;
}

static void
judge (const Run *run, gboolean verbose, const char *label, GateScore *score)
{
  const GArray *events = gate_scene_events (run->scene);

  for (guint i = 0; i < events->len; i++) {
    const GateEvent *e = &g_array_index (events, GateEvent, i);
    gboolean found = FALSE;

    for (guint k = 0; k < run->clips->len; k++) {
      const GstNevaClip *c = &g_array_index (run->clips, GstNevaClip, k);

      found |= !c->gated && overlaps (c, e);
    }
    score->events++;
    score->found += found;
    if (verbose && !found)
      g_print ("%s: event %.1f-%.1f is missed\n", label, e->start, e->end);
  }
  for (guint k = 0; k < run->clips->len; k++) {
    const GstNevaClip *c = &g_array_index (run->clips, GstNevaClip, k);
    gboolean still = k > 0 || !score->after;

    for (guint i = 0; i < events->len; i++)
      still &= !overlaps (c, &g_array_index (events, GateEvent, i)) &&
               !(score->after && k > 0 &&
                   overlaps (c - 1, &g_array_index (events, GateEvent, i)));
    score->still += still;
    score->skipped += still && c->gated;
    if (verbose && still && !c->gated)
      g_print ("%s: window %.1f-%.1f passed\n", label,
          (double) c->start / GST_SECOND, (double) c->end / GST_SECOND);
  }
}

gboolean
gate_run (GateKind kind, guint32 seed, double seconds, guint bitrate,
    const char *gate, gboolean verbose, GateScore *score)
{
  Run run = {.scene = gate_scene_new (kind, seed, seconds)};
  g_autofree char *label = g_strdup_printf ("%s seed %u %ux%u@%u %u kbit/s",
      gate_kind_name (kind), seed, gate_scene_width (run.scene),
      gate_scene_height (run.scene), gate_scene_fps (run.scene), bitrate);
  gboolean ok;

  run.frames = (guint) (seconds * gate_scene_fps (run.scene));
  run.clips = g_array_new (FALSE, TRUE, sizeof (GstNevaClip));
  g_array_set_clear_func (run.clips, (GDestroyNotify) gst_neva_clip_clear);
  ok = play (&run, bitrate, gate);
  if (ok)
    judge (&run, verbose, label, score);
  g_array_unref (run.clips);
  gate_scene_free (run.scene);
  return ok;
}
