/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The video of a source whose pads come later, such as uridecodebin. */
#ifndef NEVA_COMMON_VIDEO_PAD_H
#define NEVA_COMMON_VIDEO_PAD_H

#include <gst/gst.h>

typedef struct {
  GstElement *pipeline; /* borrowed */
  GstElement *entry;    /* borrowed; its sink pad takes the video */
  gboolean linked;      /* video was found; the source's thread */
} VideoPad;

/* Links the first pad of raw video. If no pad of the source is one, the
 * pipeline posts the application message "no-video". self: lives as long as the
 * source. */
void video_pad_watch (VideoPad *self, GstElement *source);

#endif /* NEVA_COMMON_VIDEO_PAD_H */
