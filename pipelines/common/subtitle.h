/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cues of SRT and WebVTT. */
#ifndef NEVA_COMMON_SUBTITLE_H
#define NEVA_COMMON_SUBTITLE_H

#include <gst/gst.h>

/* 00:01:02,345 with point ',' */
void subtitle_append_clock (GString *out, GstClockTime time, char point);

/* Text that cannot end a subtitle early: no blank line, no "-->". (transfer
 * full) */
char *subtitle_text (const char *text);

/* `text` as the lines of a WebVTT cue: as above, and no markup in it. */
void subtitle_append_vtt_text (GString *out, const char *text);

#endif /* NEVA_COMMON_SUBTITLE_H */
