/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a buffer's metas comes out of GStreamer's elements: the table of
 * docs/nevallm.md. Fails where one that must pass is lost.
 *
 * Each line is a piece of pipeline; a frame of 64x48 goes in with an object at
 * 8,4 of 16x12 that a caption is related to, with that caption, and with the
 * mark of nevaframesampler; what comes out of the far end is looked at. */
#include "config.h"
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <stdlib.h>
#include <string.h>
#include "gstnevacaptionmeta.h"
#include "gstnevaregion.h"
#include "gstnevasamplemeta.h"
#if HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

enum { SKIP = 77, FRAMES = 4 };

typedef enum { ROI, PARAMETER, CAPTION, SAMPLE, ANALYTICS, N_METAS } Meta;

static const struct {
  const char *line;
  guint must; /* bits of Meta; 1.22 drops parameters where it converts */
} pieces[] = {
    {"identity", 0xf},
    {"queue", 0xf},
    {"tee", 0xf},
    {"videoconvert ! video/x-raw,format=RGB", 0xd},
    {"videoscale ! video/x-raw,width=32,height=24", 0xd},
    {"videoconvertscale ! video/x-raw,format=RGB,width=32,height=24", 0xd},
    {"videocrop left=4 top=4", 0},
    {"videoflip method=horizontal-flip", 0},
    {"videobox border-alpha=0 left=-8 top=-8", 0},
    {"videorate ! video/x-raw,framerate=20/1", 0},
    {"videobalance saturation=0.5", 0},
    {"timeoverlay", 0},
    {"textoverlay text=x", 0},
    {"compositor", 0},
    {"compositor sink_0::xpos=0 sink_0::width=32 sink_0::height=24", 0},
    {"glupload ! gldownload", 0},
    {"jpegenc", 0},
    {"x264enc tune=zerolatency", 0},
    {"x264enc tune=zerolatency ! h264parse", 0},
    {"x264enc tune=zerolatency ! avdec_h264", 0},
    {"openh264enc", 0},
    {"vp8enc deadline=1", 0},
    {"encodebin profile=video/x-vp8", 0},
};

static GstBuffer *
make_frame (guint n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64 * 48 * 3 / 2, NULL);
  GArray *times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  const GstNevaCaptionInfo info = {.text = "a cat", .final = TRUE};
  const GstNevaSampleTime time = {0, 0};
  GstNevaRegion *region = gst_neva_region_new ("cat", 8, 4, 16, 12);
  GstStructure *caption = gst_neva_caption_to_structure (&info);

  gst_buffer_memset (buffer, 0, 0x80, 64 * 48 * 3 / 2);
  GST_BUFFER_PTS (buffer) = n * GST_SECOND / 10;
  GST_BUFFER_DTS (buffer) = GST_BUFFER_PTS (buffer);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 10;
  gst_buffer_add_video_region_of_interest_meta (buffer, "cat", 8, 4, 16, 12);
#if HAVE_GST_ANALYTICS
  {
    GstAnalyticsODMtd mtd;

    gst_analytics_relation_meta_add_od_mtd (
        gst_buffer_add_analytics_relation_meta (buffer),
        g_quark_from_static_string ("cat"), 8, 4, 16, 12, 0.9f, &mtd);
  }
#endif
  gst_neva_region_to_structure (region, caption);
  gst_buffer_add_neva_caption_meta (buffer, caption);
  g_array_append_val (times, time);
  gst_buffer_add_neva_sample_meta (buffer, n, 0, 1, 0, GST_SECOND, times);
  g_array_unref (times);
  gst_structure_free (caption);
  gst_neva_region_unref (region);
  return buffer;
}

static char *
describe_roi (GstBuffer *buffer, guint *found)
{
  GstVideoRegionOfInterestMeta *roi =
      (GstVideoRegionOfInterestMeta *) gst_buffer_get_meta (
          buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);

  if (!roi)
    return g_strdup ("lost");
  *found |= 1u << ROI;
  if (gst_video_region_of_interest_meta_get_param (roi, "neva-caption"))
    *found |= 1u << PARAMETER;
  return g_strdup_printf ("%u,%u %ux%u", roi->x, roi->y, roi->w, roi->h);
}

/* "related": the caption is there, and the detection it is about. */
static const char *
describe_analytics (GstBuffer *buffer, guint *found)
{
#if HAVE_GST_ANALYTICS
  GstAnalyticsRelationMeta *meta =
      gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  gint detection = -1, caption = -1;

  if (!meta)
    return "lost";
  *found |= 1u << ANALYTICS;
  while (gst_analytics_relation_meta_iterate (
      meta, &state, GST_ANALYTICS_MTD_TYPE_ANY, &mtd)) {
    const GstAnalyticsMtdType type = gst_analytics_mtd_get_mtd_type (&mtd);

    if (type == gst_analytics_od_mtd_get_mtd_type ())
      detection = (gint) mtd.id;
    else if (g_strcmp0 (
                 gst_analytics_mtd_type_get_name (type), "neva-caption") == 0)
      caption = (gint) mtd.id;
  }
  return detection >= 0 && caption >= 0 &&
                 gst_analytics_relation_meta_get_relation (meta,
                     (guint) detection,
                     (guint) caption) == GST_ANALYTICS_REL_TYPE_RELATE_TO
             ? "related"
             : "unrelated";
#else
  (void) buffer;
  (void) found;
  return "none before 1.24";
#endif
}

/* Returns: the metas that came out, or -1: nothing did. */
static gint
run (const char *piece, char **roi, const char **analytics)
{
  g_autofree char *line = g_strdup_printf (
      "appsrc name=in format=time is-live=false caps=\"video/x-raw,format=I420,"
      "width=64,height=48,framerate=10/1\" ! %s ! appsink name=out sync=false",
      piece);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstElement *in, *out;
  GstSample *sample;
  gint found = -1;

  if (!pipeline || error) {
    g_clear_pointer (&pipeline, gst_object_unref);
    return -1;
  }
  in = gst_bin_get_by_name (GST_BIN (pipeline), "in");
  out = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < FRAMES; i++)
    gst_app_src_push_buffer (GST_APP_SRC (in), make_frame (i));
  gst_app_src_end_of_stream (GST_APP_SRC (in));
  sample = gst_app_sink_try_pull_sample (GST_APP_SINK (out), 10 * GST_SECOND);
  if (sample) {
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    guint bits = 0;

    *roi = describe_roi (buffer, &bits);
    *analytics = describe_analytics (buffer, &bits);
    bits |= gst_buffer_get_neva_caption (buffer) ? 1u << CAPTION : 0;
    bits |= gst_buffer_get_neva_sample_meta (buffer) ? 1u << SAMPLE : 0;
    found = (gint) bits;
    gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (in);
  gst_object_unref (out);
  gst_object_unref (pipeline);
  return found;
}

static const char *
kept (gint found, Meta meta)
{
  return found & 1 << meta ? "kept" : "lost";
}

int
main (int argc, char **argv)
{
  guint ran = 0, failed = 0;

  gst_init (&argc, &argv);
  gst_neva_caption_meta_init ();
  g_print ("GStreamer %u.%u\n\n", GST_VERSION_MAJOR, GST_VERSION_MINOR);
  g_print (
      "| through | object (8,4 16x12) | its caption | caption on the frame "
      "| sampler's mark | GstAnalytics |\n|---|---|---|---|---|---|\n");
  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++) {
    g_autofree char *roi = NULL;
    const char *analytics = NULL;
    const gint found = run (pieces[i].line, &roi, &analytics);

    if (found < 0) {
      g_print ("| `%s` | not here | | | | |\n", pieces[i].line);
      continue;
    }
    ran++;
    g_print ("| `%s` | %s | %s | %s | %s | %s |\n", pieces[i].line, roi,
        kept (found, PARAMETER), kept (found, CAPTION), kept (found, SAMPLE),
        analytics);
    if (((guint) found & pieces[i].must) != pieces[i].must) {
      g_printerr ("%s loses what it must not\n", pieces[i].line);
      failed++;
    }
  }
  if (ran == 0)
    return SKIP;
  return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
