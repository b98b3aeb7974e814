/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words in and out of nevallm: an answer becomes a caption that every text
 * consumer accepts, and a prompt's placeholders become the clip's times.
 * Pure functions; any thread. */
#ifndef GST_NEVA_LLM_TEXT_H
#define GST_NEVA_LLM_TEXT_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* One caption in one paragraph: valid UTF-8 without control characters, white
 * space folded to single spaces, no blank line and no `-->`, both of which
 * would end a cue of srtenc or webvttenc. A `wrap` > 0 breaks lines at spaces
 * so that none is longer than `wrap` characters where words allow it.
 * answer: any bytes up to NUL; NULL reads as "".
 * Returns: (transfer full): never NULL, maybe "". */
char *gst_neva_text_format (const char *answer, guint wrap);

/* The same for `format=pango-markup`: `& < > ' "` become entities.
 * text: a result of gst_neva_text_format (). Returns: (transfer full) */
char *gst_neva_text_to_markup (const char *text);

/* What a prompt can name. Times are stream time, i.e. positions in the clip's
 * own medium; GST_CLOCK_TIME_NONE where unknown. */
typedef struct {
  guint64 clip;
  GstClockTime start, end;   /* the window, [start, end) */
  const GstClockTime *times; /* [n_times] of the chosen frames; borrowed */
  gsize n_times;
  const char *objects; /* that were found, or NULL: none */
  const char *object;  /* that the question is about, or NULL */
  const char *memory;  /* lines of gst_neva_text_remember (); NULL: none */
} GstNevaTextClip;

/* Replaces {clip}, {frames}, {start}, {end}, {duration}, {times} (seconds, one
 * decimal, a point in every locale), {start-clock}, {end-clock} (H:MM:SS),
 * {objects} ("none" if there are none), {object} and {memory} as they are.
 * An unknown time reads as "?". Anything else in braces stays as it is, so
 * that a prompt may hold JSON.
 * Returns: (transfer full): NULL if prompt is NULL. */
char *gst_neva_text_expand (const char *prompt, const GstNevaTextClip *clip);

/* A caption of [start, end) as a line of later prompts: "4.0 s to 8.0 s: …",
 * without markers of media, which would be taken for the prompt's. text: a
 * result of gst_neva_text_format (). (transfer full) */
char *gst_neva_text_remember (
    GstClockTime start, GstClockTime end, const char *text);

/* The prompt with the lines under "Earlier captions:" in front, behind a marker
 * <video> or <image> that it may begin with; as it is where it says {memory}
 * itself. (transfer full) */
char *gst_neva_text_place_memory (const char *prompt);

/* The video's segment, moved so that positions are stream times: srtenc,
 * webvttenc and file sinks write a buffer's time as it is, and the pictures of
 * many files do not begin at 0 (edit lists of H.264). Running times
 * stay. (transfer full) */
GstEvent *gst_neva_text_move_segment (GstEvent *event);

G_END_DECLS

#endif /* GST_NEVA_LLM_TEXT_H */
