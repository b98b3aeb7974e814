/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a stream into clips and marks the chosen frames.
 *
 *   frames ──► clips whose window holds the frame ──► marked frames and
 *              (several when windows overlap)          GstNevaClip events
 *
 * Window k is [anchor + k * hop, anchor + k * hop + window) in running time,
 * hop = window - overlap, the anchor is the first frame after a start or a cut.
 * Without windows there is one clip from the first frame to the end.
 *
 * Not thread safe: called with the sink pad's stream lock held. */
#ifndef NEVA_WINDOW_H
#define NEVA_WINDOW_H

#include "plan.h"

G_BEGIN_DECLS

/* What the user should hear about; bits. */
typedef enum {
  NEVA_NOTE_HELD = 1 << 0,     /* nearest of a bounded set was taken */
  NEVA_NOTE_BY_TIME = 1 << 1,  /* equal times stand in for index steps */
  NEVA_NOTE_LENGTH = 1 << 2,   /* predicted and real length differ */
  NEVA_NOTE_NO_LENGTH = 1 << 3 /* error: output=all, length never known */
} NevaNotes;

typedef struct _NevaWindows NevaWindows;

/* Clips that ended, since the beginning. */
typedef struct {
  guint64 windows, gated, heartbeats;
} NevaWindowCounts;

NevaWindows *neva_windows_new (void);
void neva_windows_free (NevaWindows *windows);

/* Holds from the next clip on. */
void neva_windows_set_config (
    NevaWindows *windows, const NevaSamplerConfig *config);
/* facts->index must stay valid until it is replaced or all clips are over. */
void neva_windows_set_facts (
    NevaWindows *windows, const NevaStreamFacts *facts);

/* Takes buffer. running_time is valid and larger than that of the call before,
 * unless the clips were cut in between; duration 0 = unknown. happening: what
 * the gate makes of the frame. Appends what is to be pushed, in order, to out:
 * GstBuffer and GstEvent, owned by out. */
void neva_windows_push (NevaWindows *windows, GstBuffer *buffer,
    GstClockTime running_time, GstClockTime duration,
    const NevaHappening *happening, GQueue *out);

NevaWindowCounts neva_windows_get_counts (NevaWindows *windows);

/* Ends every clip with what it has; the next frame is a new anchor. */
void neva_windows_cut (NevaWindows *windows, GQueue *out);

/* Cancels every clip: its GstNevaClip event says complete FALSE. */
void neva_windows_cancel (NevaWindows *windows, GQueue *out);

/* Forgets every clip and frame (flush). Clip numbers go on. */
void neva_windows_reset (NevaWindows *windows);

/* Returns and clears the notes gathered so far. */
guint neva_windows_take_notes (NevaWindows *windows);

/* PTS of the oldest frame that may still be pushed, or NONE. */
GstClockTime neva_windows_oldest_pts (NevaWindows *windows);

/* TRUE when the one clip of a stream without windows has all its frames. */
gboolean neva_windows_whole_done (NevaWindows *windows);

/* The time that the whole stream's clip waits for next; FALSE if there is none
 * or it is not known. */
gboolean neva_windows_next_time (NevaWindows *windows, GstNevaSampleTime *time);

/* Frames that may be held at once under this configuration. */
guint neva_windows_max_held (const NevaSamplerConfig *config);

G_END_DECLS

#endif /* NEVA_WINDOW_H */
