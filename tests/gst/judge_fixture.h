/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevajudge between candidates that the test plays and a sink that it reads. */
#ifndef NEVA_TESTS_JUDGE_FIXTURE_H
#define NEVA_TESTS_JUDGE_FIXTURE_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

/* How long a test waits for something that must come. */
#define JUDGE_SOON (120 * GST_SECOND)
#define JUDGE_MAX_INPUTS 8

typedef struct {
  GstElement *judge;
  GstHarness *out;
  GstHarness *in[JUDGE_MAX_INPUTS]; /* candidates, then others */
  guint n_in;
  gboolean live;
  GstBus *bus;
} Judge;

/* properties: as in gst-launch. With `n` candidates, playing, each with caps
 * and a segment. */
void judge_init (Judge *f, const char *properties, guint n, gboolean live);
/* One more pad, e.g. "sink_%u", "reference". */
GstHarness *judge_add (Judge *f, const char *pad);
/* Releases an input's pad. */
void judge_remove (Judge *f, guint i);
/* NULL, nothing left behind. */
void judge_clear (Judge *f);

/* A text for [start, end), in seconds. */
GstFlowReturn judge_text (
    GstHarness *in, const char *text, double start, double end);
/* The same as a caption that is shown at another time: `pts` of the buffer. */
GstFlowReturn judge_caption (GstHarness *in, const char *text, double start,
    double end, double pts, gboolean final);
void judge_gap (GstHarness *in, double start, double end);
void judge_eos (Judge *f); /* of every input */

/* The next text that leaves must come; (transfer full). */
GstBuffer *judge_pull (Judge *f);
/* … and it holds this. */
void judge_expect (Judge *f, const char *part);
void judge_expect_event (Judge *f, GstEventType type);
/* The next element message of that name must come; (transfer full). */
GstMessage *judge_message (Judge *f, const char *name);
guint judge_count_messages (Judge *f, GstMessageType type);
guint64 judge_stat (Judge *f, const char *name);
void judge_wait_stat (Judge *f, const char *name, guint64 value);

#endif /* NEVA_TESTS_JUDGE_FIXTURE_H */
