/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All tensors of a .nemo checkpoint under the names of one unsplit model,
 * however they were saved: one file, tensor- and pipeline-parallel ranks, or a
 * distributed checkpoint with stacked layers (spec 5.1, 5.2). */
#ifndef NEVA_NEMO_TENSORS_H
#define NEVA_NEMO_TENSORS_H

#include "checkpoint/bundle.h"
#include "checkpoint/tensor_set.h"

/* gated: FC1 holds gate and up (…swiglu), so ranks hold [gate_i ; up_i].
 * The bundle must outlive the set. Returns: (transfer full). */
NevaTensorSet *neva_nemo_tensors_read (
    NevaBundle *bundle, gboolean gated, GError **error);

#endif /* NEVA_NEMO_TENSORS_H */
