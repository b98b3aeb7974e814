/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A live 1080p30 video whose frames are counted and timed at a sink that waits
 * for the clock, beside small streams that are captioned. */
#ifndef NEVA_TEST_PUNCTUAL_H
#define NEVA_TEST_PUNCTUAL_H

#include <gst/gst.h>

#define PUNCTUAL_FRAME_NS (GST_SECOND / 30)

typedef struct {
  guint frames;   /* that reached the sink */
  guint lost;     /* that did not, or came out of order */
  guint late;     /* by more than a frame time */
  gint64 worst;   /* ns behind the clock */
  guint captions; /* of all streams; 0 of the control */
} Punctual;

/* Runs a video of `frames` frames through `caption` ("nevacaption …", its
 * place in a pipeline), beside `streams` small ones that go through the same,
 * and a second such video without captions, the control.
 * Returns: FALSE with an error printed if any of them failed. */
gboolean punctual_run (const char *caption, guint streams, guint frames,
    Punctual *video, Punctual *control);

void punctual_print (const char *name, const Punctual *self);

#endif /* NEVA_TEST_PUNCTUAL_H */
