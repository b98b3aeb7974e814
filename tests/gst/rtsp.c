/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network camera over RTSP, H.264 on loopback, that is killed and comes back
 * while captions run: the pipeline stays, only the source is replaced, and
 * nothing is left over. TCP and UDP in turn. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>
#include <stdio.h>
#include "camera_process.h"
#include "use.h"

#define ROUNDS 4
#define WINDOW (GST_SECOND / 2)
#define CAPTIONS 2    /* of each round */
#define WAIT_S 120    /* for anything */
#define SILENCE_S 15  /* then the camera counts as lost */
#define NEAR 12       /* of 255: what H.264 does to a colour */
#define POLL_US 20000 /* between two looks */

typedef struct {
  GstElement *pipeline, *entry, *source;
  GMutex lock;
  /* with the lock */
  guint captions, frames;
  GstClockTime first, last; /* running times of captions of this round */
  gboolean in_order;
  gint luma;     /* of the newest frame */
  gboolean lost; /* the source said so */
} Client;

/* ---- What comes --------------------------------------------------------- */

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Client *self = data;
  GstClockTime time = GST_CLOCK_TIME_NONE;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
      gst_message_has_name (message, "neva-caption")) {
    fail_unless (gst_structure_get_uint64 (
        gst_message_get_structure (message), "running-time", &time));
    g_mutex_lock (&self->lock);
    if (self->captions++ == 0)
      self->first = time;
    self->in_order = self->in_order && (!GST_CLOCK_TIME_IS_VALID (self->last) ||
                                           time > self->last);
    self->last = time;
    g_mutex_unlock (&self->lock);
  }
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_printerr ("  %s: %s\n", GST_OBJECT_NAME (GST_MESSAGE_SRC (message)),
        error->message);
    g_mutex_lock (&self->lock);
    self->lost = TRUE;
    g_mutex_unlock (&self->lock);
  }
  gst_message_unref (message);
  return GST_BUS_DROP;
}

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Client *self = data;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstVideoInfo format;
  GstVideoFrame frame;

  fail_unless (caps && gst_video_info_from_caps (&format, caps));
  fail_unless (gst_video_frame_map (&frame, &format, info->data, GST_MAP_READ));
  g_mutex_lock (&self->lock);
  self->luma = *(guint8 *) GST_VIDEO_FRAME_COMP_DATA (&frame, 0);
  self->frames++;
  g_mutex_unlock (&self->lock);
  gst_video_frame_unmap (&frame);
  return GST_PAD_PROBE_OK;
}

/* The end of a source is not the end of the captions. */
static GstPadProbeReturn
on_source_event (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Client *self = data;

  if (GST_EVENT_TYPE (info->data) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&self->lock);
  self->lost = TRUE;
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_DROP;
}

/* ---- The source --------------------------------------------------------- */

static void
add_source (Client *self, guint port, const char *protocol)
{
  g_autofree char *description = g_strdup_printf (
      "rtspsrc location=rtsp://127.0.0.1:%u/cam latency=100 protocols=%s "
      "timeout=10000000 tcp-timeout=30000000 ! rtph264depay ! avdec_h264 "
      "name=last",
      port, protocol);
  g_autoptr (GstElement) last = NULL;
  g_autoptr (GstPad) inner = NULL;
  GstPad *pad;

  self->source = gst_parse_bin_from_description (description, FALSE, NULL);
  fail_unless (self->source != NULL);
  last = gst_bin_get_by_name (GST_BIN (self->source), "last");
  inner = gst_element_get_static_pad (last, "src");
  pad = gst_ghost_pad_new ("src", inner);
  gst_element_add_pad (self->source, pad);
  gst_bin_add (GST_BIN (self->pipeline), self->source);
  fail_unless (gst_element_link (self->source, self->entry));
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_source_event, self, NULL);
  fail_unless (gst_element_sync_state_with_parent (self->source));
}

static void
remove_source (Client *self)
{
  gst_element_set_state (self->source, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self->pipeline), self->source);
  self->source = NULL;
}

/* ---- The client --------------------------------------------------------- */

static void
client_start (Client *self)
{
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstPad) pad = NULL;

  *self = (Client){.first = GST_CLOCK_TIME_NONE,
      .last = GST_CLOCK_TIME_NONE,
      .in_order = TRUE};
  g_mutex_init (&self->lock);
  self->pipeline = gst_parse_launch ("videoconvert name=entry ! nevacaption "
                                     "name=c model=fake:echo num-frames=2 ! "
                                     "fakesink async=false sync=false",
      NULL);
  fail_unless (self->pipeline != NULL);
  self->entry = gst_bin_get_by_name (GST_BIN (self->pipeline), "entry");
  gst_child_proxy_set (
      GST_CHILD_PROXY (self->pipeline), "c::window", WINDOW, NULL);
  bus = gst_element_get_bus (self->pipeline);
  gst_bus_set_sync_handler (bus, on_message, self, NULL);
  pad = gst_element_get_static_pad (self->entry, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, self, NULL);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
}

static void
client_stop (Client *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->entry);
  gst_object_unref (self->pipeline);
  g_mutex_clear (&self->lock);
}

static void
connect_source (Client *self, const CameraProcess *camera, guint round)
{
  add_source (self, camera->port, round % 2 ? "udp" : "tcp");
}

/* A camera that a busy machine keeps from answering in time is asked again. */
static void
wait_for_captions (Client *self, const CameraProcess *camera, guint round)
{
  guint n = 0;

  for (gint64 i = 0; i < (gint64) WAIT_S * G_USEC_PER_SEC / POLL_US; i++) {
    gboolean lost;

    g_mutex_lock (&self->lock);
    n = self->captions;
    lost = self->lost;
    self->lost = FALSE;
    g_mutex_unlock (&self->lock);
    if (n >= CAPTIONS)
      return;
    if (lost) {
      remove_source (self);
      connect_source (self, camera, round);
    }
    g_usleep (POLL_US);
  }
  ck_abort_msg ("round %u: %u captions in %d s", round, n, WAIT_S);
}

/* Until the source says so, or says nothing any more. */
static void
wait_for_loss (Client *self)
{
  guint before = 0;
  gint64 since = g_get_monotonic_time ();

  while (g_get_monotonic_time () - since < SILENCE_S * G_USEC_PER_SEC) {
    gboolean lost;

    g_mutex_lock (&self->lock);
    lost = self->lost;
    if (self->frames != before)
      since = g_get_monotonic_time ();
    before = self->frames;
    g_mutex_unlock (&self->lock);
    if (lost)
      return;
    g_usleep (POLL_US);
  }
  g_printerr ("  no frame for %d s\n", SILENCE_S);
}

/* Luma of a grey, as BT.601 has it. */
static gint
luma_of (guint grey)
{
  return 16 + (gint) grey * 219 / 255;
}

static void
check_round (Client *self, guint round, guint grey, GstClockTime begin)
{
  const GstClockTime now =
      gst_element_get_current_running_time (self->pipeline);

  g_mutex_lock (&self->lock);
  g_printerr ("round %u: %u frames, luma %d; captions of %.2f to %.2f s, the "
              "camera was started at %.2f s, now %.2f s\n",
      round, self->frames, self->luma, (double) self->first / GST_SECOND,
      (double) self->last / GST_SECOND, (double) begin / GST_SECOND,
      (double) now / GST_SECOND);
  fail_unless (ABS (self->luma - luma_of (grey)) <= NEAR, "another picture");
  fail_unless (self->in_order, "captions go back in time");
  /* A window may have begun before the loss; it was not yet full then. */
  fail_unless (round == 0 || self->last >= begin, "old running times");
  fail_unless (self->last <= now, "running times of the future");
  self->captions = self->frames = 0;
  self->lost = FALSE;
  g_mutex_unlock (&self->lock);
}

static void
run_round (Client *self, CameraProcess *camera, guint round, GRand *rand)
{
  const guint grey = (guint) g_rand_int_range (rand, 20, 230);
  const GstClockTime begin =
      gst_element_get_current_running_time (self->pipeline);

  fail_unless (camera_process_start (camera, grey * 0x010101u));
  connect_source (self, camera, round);
  wait_for_captions (self, camera, round);
  check_round (self, round, grey, begin);
  camera_process_kill (camera);
  wait_for_loss (self);
  remove_source (self);
}

static Use
run_session (guint rounds, GRand *rand)
{
  CameraProcess camera = {0};
  Client client;
  Use last;

  client_start (&client);
  for (guint i = 0; i < rounds; i++)
    run_round (&client, &camera, i, rand);
  last = use_measure ();
  client_stop (&client);
  return last;
}

GST_START_TEST (test_camera_is_killed_and_comes_back)
{
  const guint32 seed = (guint32) g_get_real_time ();
  GRand *rand = g_rand_new_with_seed (seed);
  const Use none = {0};
  Use before, two, four, after;

  g_printerr ("seed %u\n", seed);
  two = run_session (2, rand); /* what is loaded once is then there */
  before = use_settle (&none);
  four = run_session (ROUNDS, rand);
  after = use_settle (&before);
  g_printerr ("threads: after 2 rounds %u, after %d %u; when stopped %u, %u. "
              "descriptors: %u, %u; %u, %u\n",
      two.threads, ROUNDS, four.threads, before.threads, after.threads,
      two.descriptors, four.descriptors, before.descriptors, after.descriptors);
  fail_unless (after.threads <= before.threads, "threads are left");
  fail_unless (after.descriptors <= before.descriptors, "open files are left");
  fail_unless (four.descriptors <= two.descriptors, "rounds leave open files");
  g_rand_free (rand);
}
GST_END_TEST;

static Suite *
rtsp_suite (void)
{
  Suite *s = suite_create ("rtsp");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 500);
  tcase_add_test (tc, test_camera_is_killed_and_comes_back);
  return s;
}

/* Exits with 77 where the camera or the client cannot be. */
int
main (int argc, char **argv)
{
  static const char *const needed[] = {
      "rtspsrc", "rtph264depay", "rtph264pay", "avdec_h264", "x264enc", NULL};

  gst_check_init (&argc, &argv);
  for (guint i = 0; needed[i]; i++) {
    g_autoptr (GstElementFactory) factory =
        gst_element_factory_find (needed[i]);

    if (!factory) {
      printf ("SKIP: no %s here\n", needed[i]);
      return 77;
    }
  }
  return gst_check_run_suite (rtsp_suite (), "rtsp", __FILE__);
}
