/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors of a distributed checkpoint in zarr format: one folder per tensor
 * with .zarray (JSON) and uncompressed chunks 0.0, 0.1, … Untrusted bytes. */
#ifndef NEVA_ZARR_H
#define NEVA_ZARR_H

#include "checkpoint/bundle.h"
#include "checkpoint/tensor_set.h"

/* Adds every array below `folder` of the bundle, under the name of its own
 * folder. The bundle must outlive the set. */
gboolean neva_zarr_read (
    NevaBundle *bundle, const char *folder, NevaTensorSet *set, GError **error);

#endif /* NEVA_ZARR_H */
