/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler between a test that pushes frames by hand and one that reads
 * what comes out as text. */
#ifndef NEVA_TESTS_FRAMESAMPLER_FIXTURE_H
#define NEVA_TESTS_FRAMESAMPLER_FIXTURE_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "gstnevasamplemeta.h"

/* Of a frame of 4 bytes; the rate follows. */
#define SAMPLER_CAPS "video/x-raw,format=GRAY8,width=2,height=2,framerate="

/* A harness around one sampler, with a bus. */
typedef struct {
  GstHarness *h;
  GstBus *bus;
  guint next; /* number of the next frame, in its offset */
} Sampler;

/* properties: as in gst-launch; framerate: "10/1". */
Sampler sampler_start (const gchar *properties, const gchar *framerate);
void sampler_stop (Sampler *f);

GstFlowReturn sampler_push_at (
    Sampler *f, GstClockTime pts, GstClockTime duration);
/* n frames of a 10/1 stream from frame `first`. */
void sampler_push_tenths (Sampler *f, guint first, guint n);

/* Everything that came out, as text: "3" a frame's number, "*" after it per
 * meta "clip:index/count", "+r" its repeat, "!" last; "[clip frames/count
 * start-end]" a clip's end in ms, "x" if incomplete; "EOS", "GAP" off. */
gchar *sampler_drain (Sampler *f);
void sampler_expect (Sampler *f, const gchar *want);
/* Counts messages of a type; the text of each is matched if given. */
guint sampler_count_messages (
    Sampler *f, GstMessageType type, const gchar *contains);

#endif /* NEVA_TESTS_FRAMESAMPLER_FIXTURE_H */
