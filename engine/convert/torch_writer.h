/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A dictionary of tensors as torch.save writes it: a zip archive of stored
 * members (zip64 where needed), data.pkl first. torch.load and
 * torch.load (mmap=True, weights_only=True) read it. */
#ifndef NEVA_TORCH_WRITER_H
#define NEVA_TORCH_WRITER_H

#include "convert/out_tensor.h"

/* Appends the archive to the sink; its offsets count from there. */
gboolean neva_torch_write (NevaSink *sink, const NevaOutList *tensors,
    NevaTensorSource *source, NevaOutProgress *progress, GError **error);

#endif /* NEVA_TORCH_WRITER_H */
