/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames to a model's pictures on the GPU of a backend, equal to
 * neva_preprocess_frame () to the bit. It has a stream of its own: callers are
 * any threads, one at a time inside. */
#ifndef NEVA_BACKEND_PICTURES_H
#define NEVA_BACKEND_PICTURES_H

#include "backend.h"
#include "vision/preprocess.h"

typedef struct _NevaPictures NevaPictures;

/* NULL without error where the backend is no GPU; NULL with NEVA_ERROR_DEVICE.
 * Does not keep the backend. */
NevaPictures *neva_pictures_new (NevaBackend *backend, GError **error);
void neva_pictures_free (NevaPictures *pictures);

/* Whose memory frames may lie in. */
guint neva_pictures_gpu (const NevaPictures *pictures);

/* As neva_preprocess_frame (), or NEVA_ERROR_DEVICE. Frames of NEVA_MEMORY_GPU
 * too: of this GPU's memory, else NEVA_ERROR_UNSUPPORTED. */
gboolean neva_pictures_frame (NevaPictures *pictures, const NevaPreprocess *pre,
    const NevaFrame *frame, guint8 *rgb, GError **error);

/* Sums so far. */
typedef struct {
  guint64 uploaded;     /* bytes of planes, from the host's memory */
  guint64 gpu_frames;   /* that lay in the GPU's */
  guint64 bytes_copied; /* of those, from another context */
} NevaPictureCounts;

void neva_pictures_get_counts (
    NevaPictures *pictures, NevaPictureCounts *counts);

#endif /* NEVA_BACKEND_PICTURES_H */
