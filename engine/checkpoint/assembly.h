/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tensor that is put together when it is needed: blocks of other tensors, and
 * products of low rank added to them (LoRA). Memory is taken while somebody
 * holds it. Holding and letting go: any thread. */
#ifndef NEVA_ASSEMBLY_H
#define NEVA_ASSEMBLY_H

#include "checkpoint/safetensors.h"

typedef struct _NevaAssembly NevaAssembly;

/* dtype: static. NULL when the shape overflows. Elements that no block covers
 * are zero. Returns: (transfer full) */
NevaAssembly *neva_assembly_new (
    const char *dtype, guint n_dims, const gsize *shape);
void neva_assembly_free (NevaAssembly *assembly);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaAssembly, neva_assembly_free)

/* Row-major `from`, whose rows lie as from_shape >= sizes says, goes to
 * `offsets`; what lies outside is cut off. `from` is copied, its data borrowed,
 * of the assembly's type and number of dimensions. FALSE: outside at all. */
gboolean neva_assembly_add (NevaAssembly *assembly, const NevaTensorView *from,
    const gsize *from_shape, const gsize *offsets, const gsize *sizes);
/* All of a tensor at a row. */
gboolean neva_assembly_add_rows (
    NevaAssembly *assembly, const NevaTensorView *from, gsize row);
/* [n, k] plus scale · out [n, r] · in [r, k]; F32, BF16 or F16 each. FALSE: the
 * shapes or types do not fit. */
gboolean neva_assembly_add_product (NevaAssembly *assembly,
    const NevaTensorView *out, const NevaTensorView *in, float scale);

/* A view of it without data. `name` is borrowed. */
NevaTensorView neva_assembly_view (NevaAssembly *assembly, const char *name);

/* A view's bytes until let go: of an assembly, or where they lie. NULL with
 * error: no memory. */
const void *neva_tensor_hold (const NevaTensorView *view, GError **error);
void neva_tensor_let_go (const NevaTensorView *view);

#endif /* NEVA_ASSEMBLY_H */
