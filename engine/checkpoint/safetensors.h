/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Read-only view of a safetensors checkpoint: one file, or shards named by
 * model.safetensors.index.json. Files are memory-mapped; tensors point into the
 * maps. Every header is checked against the file before anything is believed:
 * sizes, offsets, overlaps, dtypes, duplicate names. Parser of untrusted bytes.
 */
#ifndef NEVA_SAFETENSORS_H
#define NEVA_SAFETENSORS_H

#include <glib.h>
#include <stdbool.h>
#include "dtype.h"

typedef struct _NevaSafetensors NevaSafetensors;

#define NEVA_TENSOR_MAX_DIMS 8

/* A tensor as it lies in the file: row-major, contiguous, little endian. Or one
 * that is put together when it is held (assembly.h); then data is NULL. */
typedef struct {
  const char *name;  /* owned by the checkpoint */
  const char *dtype; /* "F32", "BF16", "F16", "U8", "I64", … */
  guint n_dims;
  gsize shape[NEVA_TENSOR_MAX_DIMS];
  gsize n_elements, bytes;
  const void *data;               /* into the map; element-aligned or not */
  struct _NevaAssembly *assembly; /* NULL: data lies there */
  gsize assembly_offset;          /* bytes, of this view's first element */
} NevaTensorView;

/* path: a folder (with model.safetensors or an index) or one file.
 * Returns: (transfer full) or NULL with error naming file and tensor. */
NevaSafetensors *neva_safetensors_open (const char *path, GError **error);
void neva_safetensors_free (NevaSafetensors *st);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaSafetensors, neva_safetensors_free)

/* (transfer none) NULL when there is no such tensor. */
const NevaTensorView *neva_safetensors_find (
    const NevaSafetensors *st, const char *name);
/* (transfer container): names in file order, NULL-terminated. */
const char **neva_safetensors_names (const NevaSafetensors *st);
/* (transfer none): path of the file that holds a tensor, for messages. */
const char *neva_safetensors_file (
    const NevaSafetensors *st, const NevaTensorView *view);

#endif /* NEVA_SAFETENSORS_H */
