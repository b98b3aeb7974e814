/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A day of four cameras on one real (tiny) model: windows, flushes, other caps,
 * cameras that are lost for minutes and come back. The clock jumps from one
 * wait to the next. After the first hour nothing grows any more: neither
 * resident memory, nor threads, descriptors or pages of KV cache. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/check/gsttestclock.h>
#include <stdio.h>
#include "use.h"

#define CAMERAS 4
#define WINDOW 20 /* seconds; a frame comes every 2 */
#define HOUR (3600 * GST_SECOND)
/* Something happens to some camera so often. */
#define EVENT_EVERY (37 * GST_SECOND)
/* Caps of that moment, and what the allocator keeps for itself, make a megabyte
 * up and down; 200 bytes for each caption of the day would be more. */
#define SLACK (3 << 20)
#define KV_BYTES 2000000 /* of all four */

typedef struct {
  GstElement *pipeline, *source, *filter, *caption;
  GstClockTime back; /* the camera is gone until then, or NONE */
  gint captions;     /* atomic */
} Camera;

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Camera *camera = user_data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
      gst_message_has_name (message, "neva-caption"))
    g_atomic_int_inc (&camera->captions);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    return GST_BUS_PASS;
  gst_message_unref (message);
  return GST_BUS_DROP;
}

/* ---- A camera ----------------------------------------------------------- */

static void
start_source (Camera *camera, GstClockTime now)
{
  g_autoptr (GstPad) pad = NULL;

  camera->source = gst_element_factory_make ("videotestsrc", NULL);
  g_object_set (camera->source, "is-live", TRUE, NULL);
  pad = gst_element_get_static_pad (camera->source, "src");
  gst_pad_set_offset (pad, (gint64) now);
  gst_bin_add (GST_BIN (camera->pipeline), camera->source);
  fail_unless (gst_element_link (camera->source, camera->filter));
  gst_element_sync_state_with_parent (camera->source);
  camera->back = GST_CLOCK_TIME_NONE;
}

static void
lose_source (Camera *camera, GstClockTime back)
{
  gst_element_set_state (camera->source, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (camera->pipeline), camera->source);
  camera->source = NULL;
  camera->back = back;
}

static void
set_size (Camera *camera, guint width)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format",
      G_TYPE_STRING, "RGB", "width", G_TYPE_INT, width, "height", G_TYPE_INT,
      width * 3 / 4, "framerate", GST_TYPE_FRACTION, 1, 2, NULL);

  g_object_set (camera->filter, "caps", caps, NULL);
}

static void
start (Camera *camera, GstClock *clock, const char *model)
{
  g_autofree char *description = g_strdup_printf (
      "capsfilter name=filter caps-change-mode=delayed ! nevacaption "
      "name=caption model=%s weights=f32 "
      "window=%" G_GUINT64_FORMAT " num-frames=3 max-tokens=6 "
      "kv-cache-bytes=%u overflow=drop-oldest ! "
      "fakesink async=false caption.text ! fakesink async=false",
      model, WINDOW * GST_SECOND, KV_BYTES);
  g_autoptr (GstBus) bus = NULL;

  camera->pipeline = gst_parse_launch (description, NULL);
  fail_unless (camera->pipeline != NULL);
  gst_pipeline_use_clock (GST_PIPELINE (camera->pipeline), clock);
  bus = gst_element_get_bus (camera->pipeline);
  gst_bus_set_sync_handler (bus, on_message, camera, NULL);
  camera->filter = gst_bin_get_by_name (GST_BIN (camera->pipeline), "filter");
  camera->caption = gst_bin_get_by_name (GST_BIN (camera->pipeline), "caption");
  set_size (camera, 32);
  start_source (camera, 0);
  gst_element_set_state (camera->pipeline, GST_STATE_PLAYING);
}

static void
stop (Camera *camera)
{
  gst_element_set_state (camera->pipeline, GST_STATE_NULL);
  gst_object_unref (camera->filter);
  gst_object_unref (camera->caption);
  gst_object_unref (camera->pipeline);
}

/* On the source's thread, before its next frame. A live source cannot be
 * flushed itself here: it waits for the clock with its stream locked. */
static GstPadProbeReturn
flush (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);
  GstEvent *segment = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);

  (void) info;
  (void) user_data;
  gst_pad_send_event (peer, gst_event_new_flush_start ());
  gst_pad_send_event (peer, gst_event_new_flush_stop (FALSE));
  if (segment)
    gst_pad_send_event (peer, segment);
  return GST_PAD_PROBE_REMOVE;
}

/* One thing that happens to cameras. At least one camera always has a picture,
 * or the clock would have nobody to wait for. */
static void
disturb (Camera *camera, guint n_lost, GstClockTime now, GRand *rand)
{
  g_autoptr (GstPad) pad = NULL;

  if (!camera->source)
    return;
  switch (g_rand_int_range (rand, 0, 4)) {
    case 0:
      if (n_lost < CAMERAS - 1)
        lose_source (camera,
            now + (guint64) g_rand_int_range (rand, 10, 300) * GST_SECOND);
      break;
    case 1:
      pad = gst_element_get_static_pad (camera->source, "src");
      gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, flush, NULL, NULL);
      break;
    case 2:
      set_size (camera, (guint) g_rand_int_range (rand, 2, 20) * 8);
      break;
    default:
      g_object_set (
          camera->source, "pattern", g_rand_int_range (rand, 0, 20), NULL);
      break;
  }
}

/* A number of nevallm's statistics. */
static guint64
stat_of (const Camera *camera, const char *name)
{
  GstStructure *stats = NULL;
  const GstStructure *s;
  guint64 value = 0;
  guint narrow = 0;

  g_object_get (camera->caption, "stats", &stats, NULL);
  s = gst_value_get_structure (gst_structure_get_value (stats, "llm"));
  fail_unless (gst_structure_get_uint64 (s, name, &value) ||
                   gst_structure_get_uint (s, name, &narrow),
      "no %s in the statistics", name);
  gst_structure_free (stats);
  return value + narrow;
}

/* Time goes as fast as it likes, but not so fast that the model is always late.
 */
static void
wait_for_answers (Camera *cameras)
{
  for (guint i = 0; i < CAMERAS; i++)
    /* One clip may be on its way. */
    while (stat_of (&cameras[i], "pending") > 1 ||
           stat_of (&cameras[i], "in-flight") > 0)
      g_usleep (100);
}

/* ---- The day ------------------------------------------------------------ */

static guint
sum_captions (Camera *cameras)
{
  guint n = 0;

  for (guint i = 0; i < CAMERAS; i++)
    n += (guint) g_atomic_int_get (&cameras[i].captions);
  return n;
}

static void
run_until (Camera *cameras, GstTestClock *clock, GstClockTime end, GRand *rand)
{
  GstClockTime next = gst_clock_get_time (GST_CLOCK (clock)) + EVENT_EVERY;
  GstClockTime breath = 0;

  for (;;) {
    GstClockTime now;
    guint n_lost = 0;

    /* Waits for somebody who waits; the test's own timeout ends that. */
    fail_unless (gst_test_clock_crank (clock));
    now = gst_clock_get_time (GST_CLOCK (clock));
    if (now >= end)
      return;
    for (guint i = 0; i < CAMERAS; i++) {
      if (!cameras[i].source && now >= cameras[i].back)
        start_source (&cameras[i], now);
      n_lost += !cameras[i].source;
    }
    if (now >= breath) {
      breath = now + WINDOW * GST_SECOND / 2;
      wait_for_answers (cameras);
    }
    if (now < next)
      continue;
    next = now + EVENT_EVERY;
    disturb (&cameras[g_rand_int_range (rand, 0, CAMERAS)], n_lost, now, rand);
  }
}

static void
check_errors (Camera *cameras)
{
  for (guint i = 0; i < CAMERAS; i++) {
    g_autoptr (GstBus) bus = gst_element_get_bus (cameras[i].pipeline);
    g_autoptr (GstMessage) message = gst_bus_pop (bus);
    g_autoptr (GError) error = NULL;
    g_autofree char *details = NULL;

    if (message)
      gst_message_parse_error (message, &error, &details);
    fail_unless (!message, "camera %u: %s (%s)", i, error ? error->message : "",
        details ? details : "");
  }
}

/* When no camera is lost: each has a thread. */
static Use
measure_with_all (Camera *cameras, GstTestClock *clock)
{
  for (guint i = 0; i < CAMERAS; i++)
    if (!cameras[i].source)
      start_source (&cameras[i], gst_clock_get_time (GST_CLOCK (clock)));
  wait_for_answers (cameras);
  return use_measure ();
}

static guint
hours (void)
{
  const char *text = g_getenv ("NEVA_SOAK_HOURS");

  return text ? (guint) g_ascii_strtoull (text, NULL, 10) : 24;
}

GST_START_TEST (test_a_day_of_four_cameras_leaves_nothing_behind)
{
  const guint32 seed = (guint32) g_get_real_time ();
  GRand *rand = g_rand_new_with_seed (seed);
  const char *root = g_getenv ("NEVA_SOURCE");
  g_autofree char *model = g_build_filename (root ? root : ".", "tests", "data",
      "reference", "clip-llama3-bf16-shards", NULL);
  GstTestClock *clock = GST_TEST_CLOCK (gst_test_clock_new ());
  Camera cameras[CAMERAS] = {0};
  const Use before = use_measure ();
  Use hour, day, after;
  guint64 kv;

  fprintf (stderr, "seed %u, %u hours\n", seed, hours ());
  for (guint i = 0; i < CAMERAS; i++)
    start (&cameras[i], GST_CLOCK (clock), model);
  run_until (cameras, clock, HOUR, rand);
  hour = measure_with_all (cameras, clock);
  run_until (cameras, clock, hours () * HOUR, rand);
  check_errors (cameras);
  day = measure_with_all (cameras, clock);
  kv = stat_of (&cameras[0], "kv-bytes");
  fprintf (stderr,
      "%u captions; after an hour and at the end: resident %zu, %zu KiB; "
      "threads %u, %u; descriptors %u, %u; KV cache %u KiB\n",
      sum_captions (cameras), hour.resident >> 10, day.resident >> 10,
      hour.threads, day.threads, hour.descriptors, day.descriptors,
      (guint) (kv >> 10));
  fail_unless (sum_captions (cameras) > hours () * 3600 / WINDOW * CAMERAS / 2);
  fail_unless (day.resident <= hour.resident + SLACK, "memory grew");
  /* What starts and stops has a few more for a moment. */
  fail_unless (day.threads <= hour.threads + CAMERAS);
  fail_unless (day.descriptors <= hour.descriptors + 2 * CAMERAS);
  fail_unless (kv <= KV_BYTES);
  for (guint i = 0; i < CAMERAS; i++)
    stop (&cameras[i]);
  after = use_settle (&before);
  fprintf (stderr,
      "before and afterwards: threads %u, %u; descriptors %u, %u\n",
      before.threads, after.threads, before.descriptors, after.descriptors);
  fail_unless (after.threads <= before.threads, "threads are left");
  fail_unless (after.descriptors <= before.descriptors, "open files are left");
  gst_object_unref (clock);
  g_rand_free (rand);
}
GST_END_TEST;

static Suite *
day_suite (void)
{
  Suite *s = suite_create ("day");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 600);
  tcase_add_test (tc, test_a_day_of_four_cameras_leaves_nothing_behind);
  return s;
}

GST_CHECK_MAIN (day);
