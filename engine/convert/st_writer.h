/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Safetensors: one file, or shards and their index, as transformers names
 * them. */
#ifndef NEVA_ST_WRITER_H
#define NEVA_ST_WRITER_H

#include "convert/out_tensor.h"

/* Writes model.safetensors, or model-00001-of-0000N.safetensors and
 * model.safetensors.index.json, into a folder. A shard holds at most
 * shard_bytes, or one tensor that is larger. */
gboolean neva_st_write (const char *folder, const NevaOutList *tensors,
    NevaTensorSource *source, guint64 shard_bytes, NevaOutProgress *progress,
    GError **error);

#endif /* NEVA_ST_WRITER_H */
