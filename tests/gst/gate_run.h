/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One scene through H.264 and nevaframesampler: which windows passed? */
#ifndef NEVA_TESTS_GATE_RUN_H
#define NEVA_TESTS_GATE_RUN_H

#include <gst/gst.h>
#include "gate_scenes.h"

/* What judges by what a model sees, less its model. */
#define GATE_RUN_EMBEDDING "! nevaencoder name=s overflow=block gate=embedding"

typedef struct {
  guint events, found;  /* found: a window that holds some of it passed */
  guint still, skipped; /* windows that hold nothing of any event */
  gboolean after; /* set: nor does the window before them, and there is one:
                     for a gate that compares with what was captioned last */
} GateScore;

/* gate: of nevaframesampler, with what else is to be set; or elements from "!"
 * on, of which the last one judges and is named "s". bitrate: kbit/s, 0
 * for no encoder. Adds to score; verbose: says what was wrong. FALSE, with a
 * word on stderr, when the pipeline fails. */
gboolean gate_run (GateKind kind, guint32 seed, double seconds, guint bitrate,
    const char *gate, gboolean verbose, GateScore *score);

#endif /* NEVA_TESTS_GATE_RUN_H */
