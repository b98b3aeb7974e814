/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Megatron's one matrix (or bias) of queries, keys and values as three. */
#ifndef NEVA_NEMO_QKV_H
#define NEVA_NEMO_QKV_H

#include "checkpoint/tensor_set.h"

typedef struct {
  gsize heads, groups, head_dim;
  gboolean apart; /* megatron_legacy: all queries, all keys, all values; else
                     per group its query heads, its key head, its value head */
} NevaQkv;

/* Adds PREFIXq_projSUFFIX, PREFIXk_projSUFFIX and PREFIXv_projSUFFIX, put
 * together from rows of `view`, whose data must outlive the set. */
gboolean neva_nemo_qkv_split (NevaTensorSet *to, const NevaTensorView *view,
    const NevaQkv *qkv, const char *prefix, const char *suffix, GError **error);

#endif /* NEVA_NEMO_QKV_H */
