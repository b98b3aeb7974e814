/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sixteen streams are captioned by one model that never rests; a 1080p30 video
 * that is one of them loses no frame and keeps time. What the machine itself
 * delays is seen by a control beside it. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <stdio.h>
#include "punctual.h"

#define STREAMS 15
#define FRAMES 120
#define ATTEMPTS 5
/* Those in which the machine itself is late do not count, up to this many. */
#define MOST_ATTEMPTS 12

/* An answer takes longer than a window: the model always has work. */
#define CAPTION                                                                \
  "nevacaption model=\"fake:a word and another?tokens=40&delay=800\" "         \
  "window=500000000 num-frames=4 partial=true overflow=drop-oldest"

static gboolean
in_time (const Punctual *self)
{
  return self->worst <= (gint64) PUNCTUAL_FRAME_NS;
}

GST_START_TEST (test_video_keeps_time_while_all_generate)
{
  guint late = 0;

  for (guint i = 0; i < MOST_ATTEMPTS && late < ATTEMPTS; i++) {
    Punctual video, control;

    fail_unless (punctual_run (CAPTION, STREAMS, FRAMES, &video, &control));
    punctual_print ("video", &video);
    punctual_print ("control", &control);
    fail_unless_equals_int (video.lost, 0);
    fail_unless (video.frames >= FRAMES - 1, "%u frames", video.frames);
    fail_unless (video.captions >= STREAMS, "%u captions", video.captions);
    if (in_time (&video))
      return;
    late += in_time (&control);
  }
  fail_unless (late < ATTEMPTS, "always late while the control was not");
  printf ("the machine is too busy to say whether frames are in time\n");
}
GST_END_TEST;

static Suite *
beside_suite (void)
{
  Suite *s = suite_create ("beside");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 300);
  tcase_add_test (tc, test_video_keeps_time_while_all_generate);
  return s;
}

GST_CHECK_MAIN (beside);
