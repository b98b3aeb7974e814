/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler on real clips against what Decord chose: number of frames,
 * their times, and 8x8 thumbnails of them. Needs the shared folder. */
#include "config.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "gstnevasamplemeta.h"

#define THUMB (8 * 8 * 3)

/* swscale and videoconvert round the same matrix and upsample chroma
 * differently: +-2 per channel in flat areas, and on sharp colour edges more in
 * one or two columns of a block, which the block's mean dilutes. Over all clips
 * the mean difference is at most 2.0 and the worst 5. */
#define MEAN_TOLERANCE 3.
#define WORST_TOLERANCE 8.

typedef struct {
  GArray *pts;    /* GstClockTime per distinct frame */
  GPtrArray *rgb; /* guint8[THUMB] per distinct frame */
  guint repeat;   /* of the last frame */
  guint count;    /* said by the clip event; 0: none came */
  guint width, height;
  gchar *error; /* of the bus, or NULL */
  guint errors, warnings;
  gboolean timeout;
} Result;

static void
result_clear (Result *r)
{
  g_array_unref (r->pts);
  g_ptr_array_unref (r->rgb);
  g_free (r->error);
}

/* The mean of each of 8x8 blocks, weighted by area. */
static guint8 *
thumbnail (GstVideoFrame *f)
{
  const guint w = GST_VIDEO_FRAME_WIDTH (f), h = GST_VIDEO_FRAME_HEIGHT (f);
  const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (f, 0);
  const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (f, 0);
  guint8 *out = g_malloc (THUMB);

  for (guint by = 0; by < 8; by++)
    for (guint bx = 0; bx < 8; bx++) {
      const gdouble y0 = by * h / 8., y1 = (by + 1) * h / 8.;
      const gdouble x0 = bx * w / 8., x1 = (bx + 1) * w / 8.;
      gdouble sum[3] = {0}, area = 0;

      for (guint y = (guint) y0; y < h && y < y1; y++)
        for (guint x = (guint) x0; x < w && x < x1; x++) {
          const gdouble a = (MIN (y + 1., y1) - MAX (y, y0)) *
                            (MIN (x + 1., x1) - MAX (x, x0));

          for (guint c = 0; c < 3; c++)
            sum[c] += a * data[(gsize) y * stride + 3 * x + c];
          area += a;
        }
      for (guint c = 0; c < 3; c++)
        out[(by * 8 + bx) * 3 + c] = (guint8) (sum[c] / area + .5);
    }
  return out;
}

static void
take_sample (Result *r, GstSample *sample)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstNevaSampleMeta *m = gst_buffer_get_neva_sample_meta (buffer);
  GstVideoInfo info;
  GstVideoFrame frame;

  if (!m)
    return; /* output=all */
  r->repeat = m->last ? m->repeat : r->repeat;
  r->count = m->count;
  g_array_append_val (r->pts, GST_BUFFER_PTS (buffer));
  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  r->width = GST_VIDEO_INFO_WIDTH (&info);
  r->height = GST_VIDEO_INFO_HEIGHT (&info);
  if (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ)) {
    g_ptr_array_add (r->rgb, thumbnail (&frame));
    gst_video_frame_unmap (&frame);
  }
}

static Result
run (const gchar *path, const gchar *properties)
{
  g_autofree gchar *line = g_strdup_printf (
      "filesrc name=src ! decodebin ! nevaframesampler %s ! videoconvert ! "
      "videoflip video-direction=auto ! videoconvert ! "
      "video/x-raw,format=RGB ! appsink name=sink sync=false max-buffers=4",
      properties);
  Result r = {g_array_new (FALSE, FALSE, sizeof (GstClockTime)),
      g_ptr_array_new_with_free_func (g_free)};
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, NULL);
  g_autoptr (GstElement) src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  g_autoptr (GstElement) sink =
      gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  const gint64 end = g_get_monotonic_time () + 120 * G_USEC_PER_SEC;
  gboolean over = FALSE;

  g_object_set (src, "location", path, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!over) {
    g_autoptr (GstSample) sample =
        gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 20 * GST_MSECOND);
    g_autoptr (GstMessage) m = NULL;

    if (sample) {
      take_sample (&r, sample);
      continue;
    }
    if ((m = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR))) {
      g_autoptr (GError) error = NULL;

      gst_message_parse_error (m, &error, NULL);
      g_free (r.error);
      r.error = g_strdup (error->message);
      r.errors++;
      continue; /* the next one, if any, is there already */
    }
    r.timeout = g_get_monotonic_time () > end;
    over =
        r.errors > 0 || r.timeout || gst_app_sink_is_eos (GST_APP_SINK (sink));
  }
  for (GstMessage *m; (m = gst_bus_pop_filtered (
                           bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));) {
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR)
      r.errors++;
    else
      r.warnings++;
    gst_message_unref (m);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return r;
}

/* The clip under test, for messages. */
typedef struct {
  const gchar *file, *choice, *how;
  guint failures, checked;
} Report;

G_GNUC_PRINTF (2, 3) static void fail (Report *report, const gchar *format, ...)
{
  va_list args;
  g_autofree gchar *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_print ("FAIL %s, choice %s, %s: %s\n", report->file, report->choice,
      report->how, text);
  report->failures++;
}

static gdouble
mean_difference (const guint8 *got, JsonArray *want, gdouble *worst)
{
  gdouble sum = 0;

  *worst = 0;
  for (guint i = 0; i < THUMB; i++) {
    gdouble d = ABS (got[i] - (gdouble) json_array_get_int_element (want, i));

    sum += d;
    *worst = MAX (*worst, d);
  }
  return sum / THUMB;
}

/* The frame looks like Decord's, and not more like another of its frames. */
static void
compare_thumbnail (Report *report, const Result *r, guint k, JsonObject *thumbs,
    const gchar *name)
{
  const guint8 *got = g_ptr_array_index (r->rgb, k);
  g_autoptr (GList) names = json_object_get_members (thumbs);
  gdouble worst, ignored,
      mean = mean_difference (
          got, json_object_get_array_member (thumbs, name), &worst);

  if (!(mean <= MEAN_TOLERANCE) || !(worst <= WORST_TOLERANCE))
    fail (report, "frame %u looks different: mean %.2f, worst %.0f", k, mean,
        worst);
  for (GList *l = names; l; l = l->next) {
    JsonArray *other = json_object_get_array_member (thumbs, l->data);

    if (!(mean <= mean_difference (got, other, &ignored) + 1.))
      fail (report, "frame %u looks like frame %s, not %s", k,
          (gchar *) l->data, name);
  }
}

/* first: PTS of frame 0, which Decord calls 0 s. */
static void
compare (Report *report, const Result *r, JsonObject *file, JsonObject *choice,
    GstClockTime first)
{
  JsonArray *index = json_object_get_array_member (choice, "index");
  JsonArray *pts = json_object_get_array_member (choice, "pts");
  JsonObject *thumbs =
      json_object_get_object_member (file, "thumbnails_8x8_rgb");
  const guint n = json_array_get_length (index);
  guint distinct = 0;
  gint64 last = -1;

  if (r->timeout || r->error) {
    fail (report, "%s", r->error ? r->error : "no end after 120 s");
    return;
  }
  if (r->warnings)
    fail (report, "%u warnings", r->warnings);
  for (guint i = 0; i < n; i++) {
    const gint64 at = json_array_get_int_element (index, i);
    g_autofree gchar *name = g_strdup_printf ("%" G_GINT64_FORMAT, at);
    gdouble want, got;

    if (at == last)
      continue;
    last = at;
    if (distinct >= r->pts->len)
      break;
    want = json_array_get_double_element (pts, i);
    got = ((gdouble) g_array_index (r->pts, GstClockTime, distinct) - first) /
          GST_SECOND;
    /* Matroska's clock ticks in ms, and Decord prints six digits. */
    if (!(ABS (want - got) <= 0.0011))
      fail (report, "frame %u is at %.6f s, not %.6f", distinct, got, want);
    if (json_object_has_member (thumbs, name) && distinct < r->rgb->len)
      compare_thumbnail (report, r, distinct, thumbs, name);
    distinct++;
  }
  if (distinct != r->pts->len || r->pts->len + r->repeat != n || r->count != n)
    fail (report, "%u frames + %u repeats (count %u) for %u", r->pts->len,
        r->repeat, r->count, n);
  report->checked++;
}

static const gchar *const how[] = {
    "seek=auto", "seek=never", "seek=never output=all"};

/* The libav H.264 decoder of GStreamer 1.26 aborts the process at some flushing
 * seeks in a picture that it pads ("video meta uses 432x240 instead of
 * 426x240"), with or without elements of ours. */
static gboolean
seeking_aborts (JsonObject *file)
{
  guint major, minor, micro, nano;

  gst_version (&major, &minor, &micro, &nano);
  return minor >= 24 && json_object_get_int_member (file, "width") == 426;
}

static void
check_choice (Report *report, const gchar *path, JsonObject *file,
    const gchar *name, GstClockTime first)
{
  JsonObject *choice = json_object_get_object_member (
      json_object_get_object_member (file, "choices"), name);

  for (guint h = seeking_aborts (file) ? 1 : 0; h < G_N_ELEMENTS (how); h++) {
    g_autofree gchar *properties =
        g_ascii_isdigit (*name)
            ? g_strdup_printf ("num-frames=%s %s", name, how[h])
            : g_strdup_printf ("mode=%s %s", name, how[h]);
    Result r = run (path, properties);

    report->choice = name;
    report->how = how[h];
    compare (report, &r, file, choice, first);
    result_clear (&r);
  }
}

static void
check_file (Report *report, const gchar *path, JsonObject *file)
{
  Result probe = run (path, "mode=first");
  g_autoptr (GList) names = NULL;

  report->choice = report->how = "-";
  if (probe.error || probe.pts->len != 1) {
    /* A decoder that is not installed is not this element's fault. */
    g_print (
        "SKIP %s: %s\n", report->file, probe.error ? probe.error : "no frame");
    result_clear (&probe);
    return;
  }
  if (probe.width != json_object_get_int_member (file, "width") ||
      probe.height != json_object_get_int_member (file, "height"))
    fail (report, "%ux%u", probe.width, probe.height);

  if (seeking_aborts (file))
    g_print (
        "SKIP %s: seek=auto: this GStreamer's decoder aborts\n", report->file);
  names =
      json_object_get_members (json_object_get_object_member (file, "choices"));
  for (GList *l = names; l; l = l->next)
    check_choice (report, path, file, l->data,
        g_array_index (probe.pts, GstClockTime, 0));
  result_clear (&probe);
}

/* A packet in the middle is broken: frames that need it are an error that names
 * them, those before it are not. */
static void
check_corrupted (Report *report, const gchar *path)
{
  static const gchar *const bad[] = {
      "num-frames=8", "num-frames=64", "mode=last", "num-frames=8 seek=never"};

  report->choice = "corrupted";
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    Result r = run (path, bad[i]);

    report->how = bad[i];
    if (r.timeout || r.errors != 1 || !strstr (r.error, "damaged"))
      fail (report, "%u errors: %s", r.errors, r.error ? r.error : "none");
    report->checked++;
    result_clear (&r);
  }
  {
    Result r = run (path, "mode=middle");

    report->how = "mode=middle";
    if (r.timeout || r.errors || r.pts->len != 1)
      fail (report, "%s", r.error ? r.error : "no frame");
    result_clear (&r);
  }
}

static void
check_all (Report *report, const gchar *shared, JsonArray *files)
{
  for (guint i = 0; i < json_array_get_length (files); i++) {
    JsonObject *file = json_array_get_object_element (files, i);
    g_autofree gchar *path = NULL;

    report->file = json_object_get_string_member (file, "file");
    path = g_build_filename (shared, "media", report->file, NULL);
    if (g_str_equal (report->file, "corrupted.mp4"))
      check_corrupted (report, path);
    else if (json_object_has_member (file, "error"))
      g_print ("SKIP %s: Decord cannot read it\n", report->file);
    else
      check_file (report, path, file);
  }
}

int
main (int argc, char **argv)
{
  const gchar *shared = g_getenv ("NEVA_SHARED");
  g_autofree gchar *reference = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  Report report = {NULL};

  gst_init (&argc, &argv);
  reference = g_build_filename (
      shared ? shared : ".", "reference", "frame_choice.json", NULL);
  if (!g_file_test (reference, G_FILE_TEST_EXISTS)) {
    g_print ("SKIP: %s is not there\n", reference);
    return 77;
  }
  if (!json_parser_load_from_file (parser, reference, &error)) {
    g_print ("FAIL: %s\n", error->message);
    return 1;
  }
  check_all (&report, shared,
      json_object_get_array_member (
          json_node_get_object (json_parser_get_root (parser)), "files"));
  g_print (
      "%u choices checked, %u failures\n", report.checked, report.failures);
  if (report.failures)
    return 1;
  return report.checked ? 0 : 77;
}
