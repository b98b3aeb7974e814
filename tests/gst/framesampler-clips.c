/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler on clips made here: each frame's number is drawn into its
 * picture, so that what is chosen can be read back, whatever the codec, the
 * container, the group of pictures, the frame times, or the way to the frame.
 */
#include "config.h"

#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdlib.h>

#include "choice.h"
#include "gstnevasamplemeta.h"

#define WIDTH 192
#define HEIGHT 64
#define BITS 8
#define BLOCK (WIDTH / BITS)

typedef struct {
  const gchar *name;
  const gchar *needs; /* elements, comma separated */
  const gchar *line;  /* encoder and muxer */
  guint frames;
  gboolean variable; /* frame times vary */
  guint cut; /* frames that the muxer put behind the duration it wrote */
} Clip;

static const Clip clips[] = {
    {"h264 b-frames mp4", "x264enc,h264parse,mp4mux",
        "x264enc key-int-max=30 bframes=3 b-adapt=false speed-preset=veryfast "
        "! h264parse ! mp4mux",
        123},
    {"h264 b-pyramid mkv", "x264enc,h264parse,matroskamux",
        "x264enc key-int-max=25 bframes=3 b-adapt=false b-pyramid=true "
        "speed-preset=veryfast ! h264parse ! matroskamux",
        123},
    {"h264 open gop mp4", "x264enc,h264parse,mp4mux",
        "x264enc key-int-max=20 bframes=2 b-adapt=false "
        "option-string=open-gop=1 "
        "speed-preset=veryfast ! h264parse ! mp4mux",
        90},
    {"h264 intra refresh mp4", "x264enc,h264parse,mp4mux",
        "x264enc key-int-max=40 intra-refresh=true speed-preset=veryfast ! "
        "h264parse ! mp4mux",
        100},
    {"h264 vfr mkv", "x264enc,h264parse,matroskamux",
        "x264enc key-int-max=30 bframes=2 speed-preset=veryfast ! h264parse ! "
        "matroskamux",
        150, TRUE},
    {"h264 vfr mp4", "x264enc,h264parse,mp4mux",
        "x264enc key-int-max=30 bframes=2 speed-preset=veryfast ! h264parse ! "
        "mp4mux",
        150, TRUE},
    {"h264 fragmented mp4", "x264enc,h264parse,mp4mux",
        "x264enc key-int-max=30 speed-preset=veryfast ! h264parse ! "
        "mp4mux fragment-duration=1000",
        123, FALSE, 2},
    {"h264 ts", "x264enc,h264parse,mpegtsmux",
        "x264enc key-int-max=30 speed-preset=veryfast ! h264parse ! mpegtsmux",
        123},
    {"h264 flv", "x264enc,h264parse,flvmux",
        "x264enc key-int-max=30 bframes=0 speed-preset=veryfast ! h264parse ! "
        "flvmux",
        123},
    {"h265 mp4", "x265enc,h265parse,mp4mux",
        "x265enc key-int-max=30 speed-preset=ultrafast ! h265parse ! mp4mux",
        100},
    {"vp8 webm", "vp8enc,webmmux",
        "vp8enc deadline=1 keyframe-max-dist=20 ! webmmux", 123},
    {"vp9 webm", "vp9enc,webmmux",
        "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=40 ! webmmux", 80},
    {"theora ogg", "theoraenc,oggmux", "theoraenc keyframe-freq=16 ! oggmux",
        100},
    {"mpeg4 b-frames avi", "avenc_mpeg4,avimux",
        "avenc_mpeg4 bitrate=4000000 gop-size=30 max-bframes=2 ! avimux", 90},
    {"mjpeg avi", "jpegenc,avimux", "jpegenc ! avimux", 64},
    {"mjpeg mov", "jpegenc,qtmux", "jpegenc ! qtmux", 64},
    {"one frame", "x264enc,h264parse,mp4mux", "x264enc ! h264parse ! mp4mux",
        1},
    {"three frames", "x264enc,h264parse,mp4mux",
        "x264enc bframes=2 ! h264parse ! mp4mux", 3},
    {"seven frames vp8", "vp8enc,webmmux", "vp8enc deadline=1 ! webmmux", 7},
};

static guint failures, checked;
static const gchar *current_clip, *current_run;

G_GNUC_PRINTF (1, 2) static void fail (const gchar *format, ...)
{
  va_list args;
  g_autofree gchar *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_print ("FAIL %s, %s: %s\n", current_clip, current_run, text);
  failures++;
}

static GstClockTime
frame_time (const Clip *clip, guint i)
{
  if (!clip->variable)
    return gst_util_uint64_scale (i, GST_SECOND, 30);
  /* 20, 40 or 120 ms apart */
  return (i / 3 * 180 + (i % 3 > 0 ? 20 : 0) + (i % 3 > 1 ? 40 : 0)) *
         GST_MSECOND;
}

static GstBuffer *
draw (const Clip *clip, guint number)
{
  const gsize luma = WIDTH * HEIGHT, size = luma * 3 / 2;
  GstBuffer *b = gst_buffer_new_allocate (NULL, size, NULL);
  GstMapInfo map;

  gst_buffer_map (b, &map, GST_MAP_WRITE);
  memset (map.data, 128, size);
  for (guint y = 0; y < HEIGHT; y++)
    for (guint x = 0; x < WIDTH; x++)
      map.data[y * WIDTH + x] = number >> (x / BLOCK) & 1 ? 220 : 30;
  gst_buffer_unmap (b, &map);
  GST_BUFFER_PTS (b) = frame_time (clip, number);
  GST_BUFFER_DURATION (b) = frame_time (clip, number + 1) - GST_BUFFER_PTS (b);
  return b;
}

/* The number in a GRAY8 picture, by the middle of each block; -1 if a block is
 * neither dark nor bright. */
static gint
read_number (GstSample *sample)
{
  GstVideoInfo info;
  GstVideoFrame f;
  gint number = 0;

  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  if (!gst_video_frame_map (
          &f, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    return -1;
  for (guint bit = 0; bit < BITS; bit++) {
    const guint8 *row = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&f, 0) +
                        GST_VIDEO_FRAME_PLANE_STRIDE (&f, 0) * (HEIGHT / 2);
    const guint8 v = row[bit * BLOCK + BLOCK / 2];

    if (v > 160)
      number |= 1 << bit;
    else if (v > 90)
      number = -1 - (1 << 20);
  }
  gst_video_frame_unmap (&f);
  return MAX (number, -1);
}

/* flvdemux of GStreamer 1.26 pushes an event to a pad that it does not have. */
static gboolean
demuxer_is_sound (const gchar *names)
{
  guint major, minor, micro, nano;

  gst_version (&major, &minor, &micro, &nano);
  if (minor < 24 || !strstr (names, "flvmux"))
    return TRUE;
  g_print ("SKIP %s: this GStreamer's flvdemux is broken\n", current_clip);
  return FALSE;
}

static gboolean
available (const gchar *names)
{
  g_auto (GStrv) list = g_strsplit (names, ",", 0);

  for (guint i = 0; list[i]; i++) {
    g_autoptr (GstElementFactory) f = gst_element_factory_find (list[i]);

    if (!f) {
      g_print ("SKIP %s: no %s\n", current_clip, list[i]);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
make_clip (const Clip *clip, const gchar *path)
{
  g_autofree gchar *line = g_strdup_printf (
      "appsrc name=src format=time "
      "caps=video/x-raw,format=I420,width=%d,height=%d,framerate=%s ! %s ! "
      "filesink name=sink async=false",
      WIDTH, HEIGHT, clip->variable ? "0/1,max-framerate=50/1" : "30/1",
      clip->line);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, &error);
  g_autoptr (GstElement) src = NULL, sink = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) m = NULL;

  if (!pipeline) {
    g_print ("%s\n", error->message);
    return FALSE;
  }
  src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  bus = gst_element_get_bus (pipeline);
  g_object_set (sink, "location", path, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < clip->frames; i++)
    gst_app_src_push_buffer (GST_APP_SRC (src), draw (clip, i));
  gst_app_src_end_of_stream (GST_APP_SRC (src));
  m = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return m && GST_MESSAGE_TYPE (m) == GST_MESSAGE_EOS;
}

/* What came out of a run: numbers of the chosen frames, and how often the last
 * one counts. */
typedef struct {
  GArray *numbers;
  guint repeat, count, passed, warnings;
  gchar *error;
} Result;

static void
take (Result *r, GstSample *sample)
{
  GstBuffer *b = gst_sample_get_buffer (sample);
  GstNevaSampleMeta *m = gst_buffer_get_neva_sample_meta (b);
  gint number;

  r->passed++;
  if (!m)
    return;
  number = read_number (sample);
  g_array_append_val (r->numbers, number);
  if (m->last)
    r->repeat = m->repeat;
  r->count = m->count;
}

static Result
run (const gchar *source, const gchar *path, const gchar *properties)
{
  g_autofree gchar *line = g_strdup_printf (
      "%s name=src ! decodebin ! nevaframesampler name=s %s ! videoconvert ! "
      "video/x-raw,format=GRAY8 ! appsink name=sink sync=false max-buffers=4",
      source, properties);
  Result r = {g_array_new (FALSE, FALSE, sizeof (gint))};
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, NULL);
  g_autoptr (GstElement) src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  g_autoptr (GstElement) sink =
      gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  const gint64 end = g_get_monotonic_time () + 120 * G_USEC_PER_SEC;

  g_object_set (src, "location", path, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!r.error) {
    g_autoptr (GstSample) sample =
        gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 20 * GST_MSECOND);
    GstMessage *m;

    if (sample) {
      take (&r, sample);
      continue;
    }
    while ((m = gst_bus_pop_filtered (
                bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
      g_autoptr (GError) error = NULL;

      if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR) {
        gst_message_parse_error (m, &error, NULL);
        g_free (r.error);
        r.error = g_strdup (error->message);
      } else
        r.warnings++;
      gst_message_unref (m);
    }
    if (gst_app_sink_is_eos (GST_APP_SINK (sink)))
      break;
    if (!r.error && g_get_monotonic_time () > end)
      r.error = g_strdup ("no end after 120 s");
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return r;
}

static gchar *
list (GArray *numbers)
{
  GString *s = g_string_new (NULL);

  for (guint i = 0; i < numbers->len; i++)
    g_string_append_printf (s, " %d", g_array_index (numbers, gint, i));
  return g_string_free (s, FALSE);
}

/* slack: how far a chosen number may be from the exact one. */
static void
check (const Clip *clip, const gchar *source, const gchar *path,
    NevaChoice choice, guint n, const gchar *extra, guint slack)
{
  static const gchar *const modes[] = {
      "uniform", "first", "middle", "last", "all"};
  g_autofree gchar *properties =
      g_strdup_printf ("mode=%s num-frames=%u %s", modes[choice], n, extra);
  const guint length = clip->frames - clip->cut;
  const guint m = (guint) neva_choice_distinct (choice, length, n);
  Result r = run (source, path, properties);
  g_autofree gchar *got = list (r.numbers);

  current_run = properties;
  if (r.error)
    fail ("%s", r.error);
  else if (r.numbers->len != m)
    fail ("%u frames:%s", r.numbers->len, got);
  else {
    for (guint k = 0; k < m; k++) {
      const gint want = (gint) neva_choice_index (choice, length, n, k);

      if (ABS (g_array_index (r.numbers, gint, k) - want) > (gint) slack)
        fail ("frame %u is not %d:%s", k, want, got);
    }
    if (choice == NEVA_CHOICE_UNIFORM && m + r.repeat != n)
      fail ("%u repeats", r.repeat);
  }
  if (slack == 0 && r.warnings)
    fail ("%u warnings", r.warnings);
  if (slack > 0 && m < length && !r.warnings)
    fail ("approximate, and no warning");
  checked++;
  g_array_unref (r.numbers);
  g_free (r.error);
}

static void
check_clip (const Clip *clip, const gchar *path)
{
  static const guint counts[] = {1, 3, 8, 15};
  static const gchar *const ways[] = {"seek=auto", "seek=never", "output=all"};

  for (guint w = 0; w < G_N_ELEMENTS (ways); w++) {
    for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
      check (clip, "filesrc", path, NEVA_CHOICE_UNIFORM, counts[i], ways[w], 0);
    check (clip, "filesrc", path, NEVA_CHOICE_MIDDLE, 8, ways[w], 0);
    check (clip, "filesrc", path, NEVA_CHOICE_LAST, 8, ways[w], 0);
  }
  check (clip, "filesrc", path, NEVA_CHOICE_FIRST, 8, "", 0);
  check (clip, "filesrc", path, NEVA_CHOICE_ALL, 8, "", 0);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *dir = g_dir_make_tmp ("neva-clips-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (dir, "clip", NULL);
  const gchar *only = argc > 1 ? argv[1] : NULL;

  gst_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (clips); i++) {
    current_clip = clips[i].name;
    if ((only && !strstr (current_clip, only)) || !available (clips[i].needs) ||
        !demuxer_is_sound (clips[i].needs))
      continue;
    current_run = "making it";
    if (make_clip (&clips[i], path))
      check_clip (&clips[i], path);
    else
      fail ("failed");
  }
  g_unlink (path);
  g_rmdir (dir);
  g_print ("%u runs, %u failures\n", checked, failures);
  if (failures)
    return EXIT_FAILURE;
  return checked ? EXIT_SUCCESS : 77;
}
