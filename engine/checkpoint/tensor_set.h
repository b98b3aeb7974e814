/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Named tensors gathered from the pieces of a checkpoint: views into mapped
 * files where a tensor lies in one piece, own memory where it had to be
 * assembled. */
#ifndef NEVA_TENSOR_SET_H
#define NEVA_TENSOR_SET_H

#include "checkpoint/assembly.h"
#include "checkpoint/safetensors.h"

typedef struct _NevaTensorSet NevaTensorSet;

NevaTensorSet *neva_tensor_set_new (const char *path);
void neva_tensor_set_free (NevaTensorSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTensorSet, neva_tensor_set_free)

/* The set calls `destroy (owner)` when it is freed: what views point into. */
void neva_tensor_set_keep (
    NevaTensorSet *set, gpointer owner, GDestroyNotify destroy);

/* The same for an owner whose bytes may turn out not to be the file's:
 * neva_tensor_set_check () asks `check`. */
void neva_tensor_set_keep_checked (NevaTensorSet *set, gpointer owner,
    GDestroyNotify destroy, gboolean (*check) (gconstpointer, GError **));
gboolean neva_tensor_set_check (const NevaTensorSet *set, GError **error);

/* A tensor whose data lives elsewhere (kept alive by keep ()). The name is
 * copied, view->name is not looked at. A name twice is an error. */
gboolean neva_tensor_set_add (NevaTensorSet *set, const char *name,
    const NevaTensorView *view, GError **error);

/* A tensor that is put together when it is held; takes over the assembly. */
gboolean neva_tensor_set_add_assembly (NevaTensorSet *set, const char *name,
    NevaAssembly *assembly, GError **error);

/* The tensor of that name becomes another one (kept alive by keep ()). */
void neva_tensor_set_replace (
    NevaTensorSet *set, const char *name, const NevaTensorView *view);

const NevaTensorView *neva_tensor_set_find (
    const NevaTensorSet *set, const char *name);
/* (element-type NevaTensorView *) (transfer none): in the order added. */
const GPtrArray *neva_tensor_set_all (const NevaTensorSet *set);

/* Rows [from, from + n) of a tensor; its name stays. */
NevaTensorView neva_tensor_rows (
    const NevaTensorView *view, gsize from, gsize n);

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
