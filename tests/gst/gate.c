/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gates of nevaframesampler: clips in which nothing happens are gated, and
 * nevallm says nothing of them. Pictures are drawn here, without noise; what
 * noise does is tested by gate-clips. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <string.h>
#include "gstnevasamplemeta.h"

#define SIDE 64
#define FPS 10
#define FRAME (GST_SECOND / FPS)

typedef struct {
  GstHarness *h;
  GstBus *bus;
  GstVideoInfo info;
  guint next;           /* frame */
  GString *clips;       /* per clip: "." gated, "!" passed, "x" incomplete */
  guint undecided;      /* frames that were marked so */
  GstClockTime reached; /* by GAP events */
  gboolean ended;
} Gate;

static void
gate_caps (Gate *g, const char *format, guint side)
{
  GstCaps *caps;

  gst_video_info_set_format (
      &g->info, gst_video_format_from_string (format), side, side);
  GST_VIDEO_INFO_FPS_N (&g->info) = FPS;
  GST_VIDEO_INFO_FPS_D (&g->info) = 1;
  caps = gst_video_info_to_caps (&g->info);
  gst_harness_set_src_caps (g->h, caps);
}

static Gate
gate_start (const char *line, const char *format)
{
  Gate g = {gst_harness_new_parse (line), gst_bus_new ()};

  gst_element_set_bus (g.h->element, g.bus);
  g.clips = g_string_new (NULL);
  gate_caps (&g, format, SIDE);
  return g;
}

static void
gate_stop (Gate *g)
{
  gst_element_set_bus (g->h->element, NULL);
  gst_bus_set_flushing (g->bus, TRUE);
  gst_object_unref (g->bus);
  gst_harness_teardown (g->h);
  g_string_free (g->clips, TRUE);
}

/* A gradient with a bright square at column x; none if x < 0. */
static GstBuffer *
picture (Gate *g, int x, int level)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, g->info.size, NULL);
  GstVideoFrame f;

  gst_buffer_memset (buffer, 0, 0x80, g->info.size);
  fail_unless (gst_video_frame_map (&f, &g->info, buffer, GST_MAP_WRITE));
  for (int v = 0; v < GST_VIDEO_FRAME_HEIGHT (&f); v++) {
    guint8 *row = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&f, 0) +
                  v * GST_VIDEO_FRAME_PLANE_STRIDE (&f, 0);
    const int width = GST_VIDEO_FRAME_WIDTH (&f);
    const int bytes = GST_VIDEO_FRAME_COMP_PSTRIDE (&f, 0);

    for (int u = 0; u < width; u++) {
      const gboolean in = x >= 0 && u >= x && u < x + 12 && v >= 20 && v < 32;

      const int luma = in ? 220 : level + u / 2 + v / 2;

      if (GST_VIDEO_FRAME_COMP_DEPTH (&f, 0) > 8)
        GST_WRITE_UINT16_LE (
            row + u * bytes, luma * 4 << g->info.finfo->shift[0]);
      else
        memset (row + u * bytes, luma, bytes);
    }
  }
  gst_video_frame_unmap (&f);
  GST_BUFFER_PTS (buffer) = g->next++ * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  return buffer;
}

static void
take_event (Gate *g, GstEvent *e)
{
  GstClockTime pts, duration;
  GstNevaClip c;

  g->ended |= GST_EVENT_TYPE (e) == GST_EVENT_EOS;
  if (GST_EVENT_TYPE (e) == GST_EVENT_GAP) {
    gst_event_parse_gap (e, &pts, &duration);
    g->reached = MAX (g->reached, pts + duration);
  } else if (gst_neva_clip_event_parse (e, &c)) {
    g_string_append_c (g->clips, !c.complete ? 'x' : c.gated ? '.' : '!');
    gst_neva_clip_clear (&c);
  }
  gst_event_unref (e);
}

static void
drain (Gate *g)
{
  GstBuffer *b;
  GstEvent *e;

  while ((b = gst_harness_try_pull (g->h))) {
    GstNevaSampleMeta *m = gst_buffer_get_neva_sample_meta (b);

    g->undecided += m && m->undecided;
    gst_buffer_unref (b);
  }
  while ((e = gst_harness_try_pull_event (g->h)))
    take_event (g, e);
}

static void
push (Gate *g, guint n, int x, int step)
{
  for (guint i = 0; i < n; i++, x += step)
    fail_unless_equals_int (
        gst_harness_push (g->h, picture (g, x, 40)), GST_FLOW_OK);
  drain (g);
}

/* Another scene: the same picture upside down, and mirrored. */
static void
push_turned (Gate *g, guint n)
{
  for (guint i = 0; i < n; i++) {
    GstBuffer *b = picture (g, -1, 40);
    GstMapInfo map;

    fail_unless (gst_buffer_map (b, &map, GST_MAP_READWRITE));
    for (guint k = 0; k < SIDE * SIDE / 2; k++) {
      const guint8 t = map.data[k];

      map.data[k] = map.data[SIDE * SIDE - 1 - k];
      map.data[SIDE * SIDE - 1 - k] = t;
    }
    gst_buffer_unmap (b, &map);
    fail_unless_equals_int (gst_harness_push (g->h, b), GST_FLOW_OK);
  }
  drain (g);
}

/* One grey all over: there is nothing to compare but how light it is. */
static void
push_even (Gate *g, guint n, guint8 luma)
{
  for (guint i = 0; i < n; i++) {
    GstBuffer *b = picture (g, -1, 40);

    gst_buffer_memset (b, 0, luma, g->info.size);
    fail_unless_equals_int (gst_harness_push (g->h, b), GST_FLOW_OK);
  }
  drain (g);
}

static void
expect (Gate *g, const char *want)
{
  drain (g);
  fail_unless_equals_string (g->clips->str, want);
}

static guint64
stat (Gate *g, const char *factory, const char *field)
{
  GstElement *e = gst_harness_find_element (g->h, factory);
  GstStructure *s = NULL;
  guint64 value = G_MAXUINT64;

  g_object_get (e, "stats", &s, NULL);
  fail_unless (gst_structure_get_uint64 (s, field, &value), "%s", field);
  gst_structure_free (s);
  gst_object_unref (e);
  return value;
}

#define SECOND_WINDOWS "window=1000000000 num-frames=4 "

static const char *formats[] = {
    "GRAY8", "I420", "NV12", "YV12", "Y444", "RGB", "BGRx", "xRGB"};

GST_START_TEST (test_only_what_moves_passes)
{
  static const char *outputs[] = {"selected", "all"};

  for (guint o = 0; o < G_N_ELEMENTS (outputs); o++) {
    g_autofree char *line = g_strdup_printf (
        "nevaframesampler gate=motion " SECOND_WINDOWS "output=%s", outputs[o]);
    Gate g = gate_start (line, formats[__i__]);

    push (&g, 30, -1, 0);
    push (&g, 10, 4, 3);
    push (&g, 31, -1, 0);
    expect (&g, "...!...");
    fail_unless (g.undecided >= 20, "%u", g.undecided);
    fail_unless_equals_uint64 (
        stat (&g, "nevaframesampler", "windows-gated"), 6);
    fail_unless_equals_uint64 (stat (&g, "nevaframesampler", "windows"), 7);
    gate_stop (&g);
  }
}
GST_END_TEST;

GST_START_TEST (test_ten_bits_are_read)
{
  static const char *wide[] = {"I420_10LE", "P010_10LE", "Y444_10LE"};

  for (guint i = 0; i < G_N_ELEMENTS (wide); i++) {
    Gate g =
        gate_start ("nevaframesampler gate=motion " SECOND_WINDOWS, wide[i]);

    push (&g, 20, -1, 0);
    push (&g, 10, 4, 3);
    push (&g, 11, -1, 0);
    expect (&g, "..!.");
    gate_stop (&g);
  }
}
GST_END_TEST;

GST_START_TEST (test_exposure_alone_does_not_pass)
{
  Gate g = gate_start ("nevaframesampler gate=motion " SECOND_WINDOWS, "NV12");

  for (guint i = 0; i < 61; i++)
    fail_unless_equals_int (
        gst_harness_push (g.h, picture (&g, -1, 40 + (int) i)), GST_FLOW_OK);
  expect (&g, "......");
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_scene_passes_cuts_and_no_motion)
{
  Gate g = gate_start ("nevaframesampler gate=scene " SECOND_WINDOWS, "I420");

  push (&g, 15, -1, 0);
  push (&g, 10, 4, 3); /* moves */
  push (&g, 20, -1, 0);
  push_turned (&g, 26);
  expect (&g, "....!..");
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_an_even_picture_that_is_suddenly_light_passes)
{
  static const char *gates[] = {"motion", "scene"};

  for (guint i = 0; i < G_N_ELEMENTS (gates); i++) {
    g_autofree char *line =
        g_strdup_printf ("nevaframesampler gate=%s " SECOND_WINDOWS, gates[i]);
    Gate g = gate_start (line, "GRAY8");

    push_even (&g, 25, 30);
    push_even (&g, 26, 220);
    push_even (&g, 10, 30);
    expect (&g, "..!..!");
    gate_stop (&g);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_cut_in_the_last_frame_of_a_window_passes_it)
{
  Gate g = gate_start ("nevaframesampler gate=scene " SECOND_WINDOWS, "GRAY8");

  push (&g, 19, -1, 0);
  push_turned (&g, 22);
  expect (&g, ".!..");
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_heartbeat)
{
  Gate g = gate_start (
      "nevaframesampler gate=motion heartbeat=3000000000 " SECOND_WINDOWS,
      "I420");

  push (&g, 91, -1, 0);
  expect (&g, "!..!..!..");
  fail_unless_equals_uint64 (
      stat (&g, "nevaframesampler", "heartbeats"), 3 + 1);
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_overlapping_windows)
{
  Gate g = gate_start ("nevaframesampler gate=motion window=2000000000 "
                       "overlap=1000000000 num-frames=4",
      "I420");

  push (&g, 40, -1, 0);
  push (&g, 8, 4, 4);
  push (&g, 33, -1, 0);
  /* Begin at 0, 1, ...: those from 3 and 4 hold the fifth second. */
  expect (&g, "...!!..");
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_flush_and_caps_forget_the_background)
{
  Gate g = gate_start ("nevaframesampler gate=motion " SECOND_WINDOWS, "I420");
  GstSegment segment;

  push (&g, 20, -1, 0);
  gst_harness_push_event (g.h, gst_event_new_flush_start ());
  gst_harness_push_event (g.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (g.h, gst_event_new_segment (&segment));
  g.next = 0;
  /* The thing was there from the first frame on. */
  push (&g, 20, 30, 0);
  gate_caps (&g, "RGB", SIDE / 2);
  push (&g, 21, -1, 0);
  expect (&g, ".....");
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_a_whole_stream_is_a_window)
{
  Gate g = gate_start ("nevaframesampler gate=motion num-frames=4", "I420");

  push (&g, 30, -1, 0);
  push (&g, 8, 4, 4);
  gst_harness_push_event (g.h, gst_event_new_eos ());
  expect (&g, "!");
  gate_stop (&g);

  g = gate_start ("nevaframesampler gate=motion num-frames=4", "I420");
  push (&g, 30, 20, 0);
  gst_harness_push_event (g.h, gst_event_new_eos ());
  expect (&g, ".");
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_frames_that_cannot_be_read_are_one_error)
{
  Gate g = gate_start ("nevaframesampler gate=motion " SECOND_WINDOWS, "v210");
  GstBuffer *b = gst_buffer_new_allocate (NULL, g.info.size, NULL);
  GstMessage *m;
  g_autoptr (GError) error = NULL;

  GST_BUFFER_PTS (b) = 0;
  fail_unless_equals_int (gst_harness_push (g.h, b), GST_FLOW_EOS);
  m = gst_bus_pop_filtered (g.bus, GST_MESSAGE_ERROR);
  fail_unless (m != NULL);
  gst_message_parse_error (m, &error, NULL);
  fail_unless (strstr (error->message, "videoconvert") != NULL);
  gst_message_unref (m);
  fail_unless (gst_bus_pop_filtered (g.bus, GST_MESSAGE_ERROR) == NULL);
  gate_stop (&g);
}
GST_END_TEST;

static guint
count_captions (Gate *g)
{
  GstMessage *m;
  guint n = 0;

  while ((m = gst_bus_pop_filtered (g->bus, GST_MESSAGE_ELEMENT))) {
    n += gst_message_has_name (m, "neva-caption");
    gst_message_unref (m);
  }
  return n;
}

/* The encoder does not show the model what may come to nothing; nevallm does it
 * when something has happened. */
GST_START_TEST (test_still_windows_cost_neither_answers_nor_frames)
{
  Gate g = gate_start (
      "nevaframesampler output=all gate=motion " SECOND_WINDOWS
      " ! nevaencoder overflow=block model=\"fake:a thing\" ! nevallm "
      "overflow=block",
      "RGB");
  GstStructure *stats = NULL;
  GstElement *llm = gst_harness_find_element (g.h, "nevallm");
  guint64 encoded = 0, answers = 0;

  push (&g, 30, -1, 0);
  push (&g, 8, 4, 4);
  push (&g, 32, -1, 0);
  gst_harness_push_event (g.h, gst_event_new_eos ());
  drain (&g);
  fail_unless_equals_int (count_captions (&g), 1);
  fail_unless_equals_uint64 (stat (&g, "nevallm", "windows-gated"), 6);
  fail_unless_equals_uint64 (stat (&g, "nevallm", "captions"), 1);
  fail_unless (stat (&g, "nevaencoder", "undecided") >= 24);
  g_object_get (llm, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "frames-encoded", &encoded));
  fail_unless (gst_structure_get_uint64 (stats, "answers", &answers));
  fail_unless_equals_uint64 (answers, 1);
  fail_unless_equals_uint64 (encoded, 4);
  gst_structure_free (stats);
  gst_object_unref (llm);
  gate_stop (&g);
}
GST_END_TEST;

GST_START_TEST (test_text_goes_on_by_gaps)
{
  Gate g = gate_start (
      "nevaframesampler gate=motion " SECOND_WINDOWS
      " ! nevallm overflow=block model=\"fake:a thing\" output=text",
      "RGB");
  push (&g, 51, -1, 0);
  gst_harness_push_event (g.h, gst_event_new_eos ());
  /* Text leaves on a thread of its own. */
  while (!g.ended)
    take_event (&g, gst_harness_pull_event (g.h));
  fail_unless (g.reached >= 5 * GST_SECOND, "%" GST_TIME_FORMAT,
      GST_TIME_ARGS (g.reached));
  fail_unless_equals_int (gst_harness_buffers_received (g.h), 0);
  gate_stop (&g);
}
GST_END_TEST;

static void
push_level (Gate *g, guint n, int level)
{
  for (guint i = 0; i < n; i++)
    fail_unless_equals_int (
        gst_harness_push (g->h, picture (g, -1, level)), GST_FLOW_OK);
  drain (g);
}

#define EMBEDDING " ! nevaencoder overflow=block gate=embedding "

/* A fake model sees the first pixel. */
GST_START_TEST (test_embedding_passes_what_looks_new)
{
  static const struct {
    const char *heartbeat;
    guint captions, heartbeats;
  } cases[] = {{"", 3, 0}, {"heartbeat=3000000000", 4, 1}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *line = g_strdup_printf (
        "nevaframesampler " SECOND_WINDOWS EMBEDDING
        "%s model=\"fake:a thing?encode=5\" ! nevallm overflow=block",
        cases[i].heartbeat);
    Gate g = gate_start (line, "GRAY8");

    push_level (&g, 50, 40); /* the first clip, and no other */
    push_level (&g, 10, 90); /* new */
    push_level (&g, 20, 40); /* and back again */
    gst_harness_push_event (g.h, gst_event_new_eos ());
    while (!g.ended)
      take_event (&g, gst_harness_pull_event (g.h));
    fail_unless_equals_int (count_captions (&g), cases[i].captions);
    fail_unless_equals_uint64 (
        stat (&g, "nevallm", "captions"), cases[i].captions);
    fail_unless_equals_uint64 (
        stat (&g, "nevallm", "windows-gated"), 8 - cases[i].captions);
    fail_unless_equals_uint64 (
        stat (&g, "nevaencoder", "windows-gated"), 8 - cases[i].captions);
    fail_unless_equals_uint64 (
        stat (&g, "nevaencoder", "heartbeats"), cases[i].heartbeats);
    gate_stop (&g);
  }
}
GST_END_TEST;

GST_START_TEST (test_embedding_begins_anew_after_a_flush)
{
  Gate g = gate_start ("nevaframesampler " SECOND_WINDOWS EMBEDDING
                       "model=\"fake:a thing\" ! nevallm overflow=block",
      "GRAY8");
  GstSegment segment;

  push_level (&g, 20, 40);
  gst_harness_push_event (g.h, gst_event_new_flush_start ());
  gst_harness_push_event (g.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (g.h, gst_event_new_segment (&segment));
  g.next = 0;
  push_level (&g, 20, 40);
  gst_harness_push_event (g.h, gst_event_new_eos ());
  /* Whether the first one was said before the flush is open. */
  fail_unless (stat (&g, "nevaencoder", "windows") >= 2);
  fail_unless (stat (&g, "nevallm", "captions") >= 1);
  gate_stop (&g);
}
GST_END_TEST;

static Suite *
gate_suite (void)
{
  Suite *s = suite_create ("gate");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (
      tc, test_only_what_moves_passes, 0, G_N_ELEMENTS (formats));
  tcase_add_test (tc, test_ten_bits_are_read);
  tcase_add_test (tc, test_exposure_alone_does_not_pass);
  tcase_add_test (tc, test_scene_passes_cuts_and_no_motion);
  tcase_add_test (tc, test_an_even_picture_that_is_suddenly_light_passes);
  tcase_add_test (tc, test_a_cut_in_the_last_frame_of_a_window_passes_it);
  tcase_add_test (tc, test_heartbeat);
  tcase_add_test (tc, test_overlapping_windows);
  tcase_add_test (tc, test_flush_and_caps_forget_the_background);
  tcase_add_test (tc, test_a_whole_stream_is_a_window);
  tcase_add_test (tc, test_frames_that_cannot_be_read_are_one_error);
  tcase_add_test (tc, test_still_windows_cost_neither_answers_nor_frames);
  tcase_add_test (tc, test_text_goes_on_by_gaps);
  tcase_add_test (tc, test_embedding_passes_what_looks_new);
  tcase_add_test (tc, test_embedding_begins_anew_after_a_flush);
  return s;
}

GST_CHECK_MAIN (gate);
