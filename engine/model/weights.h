/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors of a checkpoint as weights of a backend: found under the names of
 * transformers 4 or 5, checked for shape and type, converted as the options
 * say.
 *
 * What the option `weights` means for a matrix (norms, biases, positions and
 * the class token are always f32):
 *
 *            as stored        f32   bf16   int8   int4
 *   patches  f32 | bf16 (1)   f32   bf16   bf16   bf16    few, and k is odd
 *   tower, projector   "      f32   bf16   int8   int8    compute-bound
 *   decoder, output    "      f32   bf16   int8   int4
 *   router     "       f32 | bf16 (1)   f32   bf16   bf16   bf16    a cliff
 *   word table         as it lies in the file, f16 too    only looked up
 *   AWQ      int4: the codes   f32   bf16   int8   int4: the codes
 *   8 bits   int8: the codes   f32   bf16   int8: the codes   as without
 *   E4M3     fp8: the codes    f32   bf16   int8   int8; decoder int4
 *   (1) f16 becomes bf16
 *
 * AWQ: matrices that the checkpoint stores as 4-bit codes (checkpoint/awq.h),
 * whatever their role; 8 bits: as 8-bit codes (checkpoint/int8.h); E4M3:
 * checkpoint/e4m3.h. Other types are made of what the codes stand for. */
#ifndef NEVA_WEIGHTS_H
#define NEVA_WEIGHTS_H

#include <gio/gio.h>
#include <neva/model.h>
#include "backend/backend.h"
#include "checkpoint/tensor_source.h"
#include "model/config.h"

typedef enum {
  NEVA_ROLE_PATCHES,
  NEVA_ROLE_VISION,
  NEVA_ROLE_TEXT,
  NEVA_ROLE_ROUTER,
  NEVA_ROLE_TABLE
} NevaRole;

typedef enum { NEVA_PART_TOWER, NEVA_PART_PROJECTOR, NEVA_PART_TEXT } NevaPart;

/* What a rank holds of a tensor that several ranks share (Megatron's scheme):
 * a block of its rows, or of its columns. */
typedef enum { NEVA_SPLIT_NONE, NEVA_SPLIT_ROWS, NEVA_SPLIT_COLUMNS } NevaSplit;

typedef struct _NevaWeightStore NevaWeightStore;

/* Takes over `source`; `mode` is NEVA_WEIGHTS_…. The store borrows `backend`.
 * progress and cancellable may be NULL; they are used until finish (). */
NevaWeightStore *neva_weights_new (NevaTensorSource *source, NevaWeights mode,
    NevaBackend *backend, NevaProgressFunc progress, gpointer user_data,
    GCancellable *cancellable);
/* The rank whose parts split tensors are; before it, all of them: 0 of 1. */
void neva_weights_set_rank (NevaWeightStore *store, guint rank, guint ranks);
/* How matrices that are stored as 4-bit codes lie, and whether 8-bit codes or
 * E4M3 are meant; before it all are an error. */
void neva_weights_set_codes (
    NevaWeightStore *store, NevaAwqLayout layout, gboolean int8, gboolean fp8);
/* Told of each matrix that was loaded, under its name without the part's
 * prefix, and where it is kept: the address that neva_backend_linear () gets.
 */
typedef void (*NevaWatchFunc) (
    NevaPart part, const char *name, const NevaMatrix *m, gpointer user_data);
void neva_weights_set_watch (
    NevaWeightStore *store, NevaWatchFunc watch, gpointer user_data);
void neva_weights_free (NevaWeightStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaWeightStore, neva_weights_free)

/* Loading functions do nothing after the first failure; ask finish () once.
 * Names are relative to the part, printf-like. Results belong to the store. */

/* A tensor [n, k] (further dimensions of the file are multiplied into k). */
void neva_weights_matrix (NevaWeightStore *store, NevaMatrix *m, NevaRole role,
    gsize n, gsize k, NevaPart part, const char *format, ...)
    G_GNUC_PRINTF (7, 8);
/* This rank's part [n, k] of a tensor. */
void neva_weights_matrix_part (NevaWeightStore *store, NevaMatrix *m,
    NevaRole role, NevaSplit split, gsize n, gsize k, NevaPart part,
    const char *format, ...) G_GNUC_PRINTF (8, 9);
/* A tensor of n elements, plus `offset`, as f32 in the backend's memory; with
 * wanted FALSE, NULL without looking. */
float *neva_weights_vector (NevaWeightStore *store, gboolean wanted, gsize n,
    float offset, NevaPart part, const char *format, ...) G_GNUC_PRINTF (6, 7);
/* This rank's n elements of a tensor. */
float *neva_weights_vector_part (NevaWeightStore *store, gboolean wanted,
    gsize n, NevaPart part, const char *format, ...) G_GNUC_PRINTF (5, 6);
/* This rank's rows of the output matrix, [vocab, hidden]: lm_head, or with
 * `tied` the word table. */
void neva_weights_head (NevaWeightStore *store, NevaMatrix *m, gsize vocab,
    gsize hidden, gboolean tied);

gboolean neva_weights_finish (NevaWeightStore *store, GError **error);

/* Weights are used where the files are mapped: after each use, are they still
 * what the files held? See neva_tensor_source_check (). */
gboolean neva_weights_check (NevaWeightStore *store, GError **error);

guint64 neva_weights_bytes (const NevaWeightStore *store);
/* "f32", "bf16", "int8", "int4", "fp8": of the decoder. */
const char *neva_weights_name (const NevaWeightStore *store);
/* What keys and values are kept as: F32 only beside f32 weights. */
NevaDType neva_weights_kv_type (const NevaWeightStore *store);

#endif /* NEVA_WEIGHTS_H */
