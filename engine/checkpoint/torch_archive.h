/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors of a torch.save file: a stored zip with data.pkl (the structure) and
 * one raw little-endian member per storage. Parser of untrusted bytes. */
#ifndef NEVA_TORCH_ARCHIVE_H
#define NEVA_TORCH_ARCHIVE_H

#include "checkpoint/safetensors.h"

typedef struct _NevaTorchArchive NevaTorchArchive;

/* data [length]: borrowed, must outlive the archive; `name` is for messages.
 * Nested dictionaries give names joined by dots; a tensor at the root has the
 * name "". Entries that are no tensors are left out, as are the names that end
 * in
 * "_extra_state". Returns: (transfer full). */
NevaTorchArchive *neva_torch_archive_read (
    const guint8 *data, gsize length, const char *name, GError **error);
void neva_torch_archive_free (NevaTorchArchive *archive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTorchArchive, neva_torch_archive_free)

/* (transfer none) NULL when there is no such tensor. */
const NevaTensorView *neva_torch_archive_find (
    const NevaTorchArchive *archive, const char *name);
/* (element-type NevaTensorView *) (transfer none): in file order. */
const GPtrArray *neva_torch_archive_tensors (const NevaTorchArchive *archive);

#endif /* NEVA_TORCH_ARCHIVE_H */
