/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors of PyTorch's distributed checkpoint: `.metadata` (a pickle) says
 * which chunk of which tensor is the torch.save blob at which bytes of which
 * .distcp file. Untrusted bytes. */
#ifndef NEVA_TORCH_DIST_H
#define NEVA_TORCH_DIST_H

#include "checkpoint/bundle.h"
#include "checkpoint/tensor_set.h"

/* Adds every tensor that `folder` of the bundle describes. The bundle must
 * outlive the set. */
gboolean neva_torch_dist_read (
    NevaBundle *bundle, const char *folder, NevaTensorSet *set, GError **error);

#endif /* NEVA_TORCH_DIST_H */
