/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Named tensors gathered from the pieces of a checkpoint: views into mapped
 * files where a tensor lies in one piece, own memory where it had to be
 * assembled. */
#ifndef NEVA_TENSOR_SET_H
#define NEVA_TENSOR_SET_H

#include "checkpoint/safetensors.h"

typedef struct _NevaTensorSet NevaTensorSet;

NevaTensorSet *neva_tensor_set_new (const char *path);
void neva_tensor_set_free (NevaTensorSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTensorSet, neva_tensor_set_free)

/* The set calls `destroy (owner)` when it is freed: what views point into. */
void neva_tensor_set_keep (
    NevaTensorSet *set, gpointer owner, GDestroyNotify destroy);

/* A tensor whose data lives elsewhere (kept alive by keep ()). The name is
 * copied, view->name is not looked at. A name twice is an error. */
gboolean neva_tensor_set_add (NevaTensorSet *set, const char *name,
    const NevaTensorView *view, GError **error);

/* A tensor to be assembled: memory of `shape` in `dtype`, zeroed, owned by the
 * set; *data to write to. */
gboolean neva_tensor_set_allocate (NevaTensorSet *set, const char *name,
    const char *dtype, guint n_dims, const gsize *shape, void **data,
    GError **error);

const NevaTensorView *neva_tensor_set_find (
    const NevaTensorSet *set, const char *name);
/* (element-type NevaTensorView *) (transfer none): in the order added. */
const GPtrArray *neva_tensor_set_all (const NevaTensorSet *set);

/* Bytes of an element of "F32", "BF16", …; 0: unknown. */
gsize neva_dtype_name_bytes (const char *dtype);

/* Copies a block of `sizes` elements of `element` bytes to `offsets` of `to`
 * (row-major `shape`) from `from`, whose rows have the shape `from_shape` >=
 * sizes (padding at the ends is left out). What lies outside of `to` is cut
 * off. FALSE when an offset lies outside. */
gboolean neva_copy_block (void *to, guint n_dims, const gsize *shape,
    const gsize *offsets, const void *from, const gsize *from_shape,
    const gsize *sizes, gsize element);

#endif /* NEVA_TENSOR_SET_H */
