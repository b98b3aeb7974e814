/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A media file as the model sees it: decoded by GStreamer, encoded by the
 * model. */
#ifndef NEVA_EVAL_DECODE_H
#define NEVA_EVAL_DECODE_H

#include <neva/neva.h>

typedef struct {
  NevaMediaType type;
  guint num_frames;         /* of a video */
  const char *frame_choice; /* of a video: NULL: uniform; else one frame */
} DecodeWhat;

/* name: for messages. A video gives the frames that the original chooses, the
 * last one repeated where it has fewer; an image gives one. Blocks until the
 * last frame is queued. *duration_ns: the video's length, 0: not known.
 * Returns: (transfer full) (element-type NevaEmbedding): NULL with error. */
GPtrArray *decode_media (NevaModel *model, const char *path, const char *name,
    const DecodeWhat *what, gint64 *duration_ns, GCancellable *cancellable,
    GError **error);

#endif /* NEVA_EVAL_DECODE_H */
