/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of activations with a weight matrix: dst[m][n] = x[m][k] W[n][k]^T.
 *
 *   x (f32) --act_prepare--> xq (type's own activation format, shared by all
 *                            threads, rows may be prepared by several threads)
 *   xq, W   --matmul-------> dst columns [n0, n1), one call per thread or chunk
 *
 * F32 and BF16 weights are used in place: row-major, contiguous, as they lie in
 * the checkpoint (any alignment of 2 bytes or more). I8 and I4 weights are
 * packed once at load. One packed layout serves every tier, so a table of any
 * flags reads what `pack` of any flags wrote.
 */
#ifndef NEVA_MATMUL_H
#define NEVA_MATMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dtype.h"

/* Columns are handed out to threads in multiples of this. */
#define NEVA_MATMUL_PANEL 64
/* Weights along k that share a scale (and an offset for I4). */
#define NEVA_QUANT_GROUP 128

/* A weight matrix [n, k]. `data` is borrowed and immutable. */
typedef struct {
  NevaDType type; /* F32, BF16, I8, I4, E4M3; never F16 (converted at load) */
  size_t n, k;
  const void *data;
} NevaWeight;

typedef enum {
  NEVA_ACT_NONE,
  NEVA_ACT_GELU_ERF,   /* x/2 (1 + erf(x/sqrt 2)) */
  NEVA_ACT_GELU_TANH,  /* the tanh approximation */
  NEVA_ACT_GELU_QUICK, /* x sigmoid(1.702 x) */
  NEVA_ACT_SILU,       /* x sigmoid(x) */
  NEVA_ACT_RELU2       /* max(x, 0)^2 */
} NevaAct;

/* What happens to a finished sum before it is stored:
 * y = act(sum + bias[n]);  dst = add ? dst + y : y. */
typedef struct {
  const float *bias; /* [n] or NULL */
  NevaAct act;
  bool add;
} NevaEpilogue;

/* Bytes that `xq` needs for m rows of k activations for weights of `type`.
 * The same for every tier. Aligned to 64 by the caller. */
size_t neva_act_bytes (NevaDType type, size_t m, size_t k);

/* Bytes of a packed I8 or I4 matrix; 0 for types used in place. The buffer must
 * be aligned to 64. */
size_t neva_packed_bytes (NevaDType type, size_t n, size_t k);

/* Bytes of scratch that one matmul call may use (per thread, aligned to 64). */
size_t neva_matmul_work_bytes (NevaDType type, size_t m, size_t k);

/* Rows [m0, m1) of x [m, k] (f32, row stride ldx floats) into xq.
 * F32: copy. BF16: round to nearest even. I8, I4: 8 bits, symmetric, a scale
 * per row and group. A group that holds a NaN or an infinity gives NaN in every
 * product of its row. Layout: matmul_layout.h. Tolerance class: exact. */
#define NEVA_DECL_ACT_PREPARE(name)                                            \
  void name (void *xq, const float *x, size_t ldx, size_t m, size_t k,         \
      size_t m0, size_t m1)
typedef NEVA_DECL_ACT_PREPARE ((*NevaActPrepareFn));

/* Quantise and pack rows [n0, n0 + rows) of W from f32 `w` [rows, k]; n0 is a
 * multiple of NEVA_MATMUL_PANEL, rows is NEVA_MATMUL_PANEL or what is left.
 * I8: symmetric, scale = max|w| / 127 per row and group.
 * I4: w = scale q + low, q in 0..15, scale and low (bf16) per row and group so
 * that the range of the group is covered.
 * Layout: matmul_layout.h. Tolerance class: exact. */
#define NEVA_DECL_PACK(name)                                                   \
  void name (void *packed, const float *w, size_t n, size_t k, size_t n0,      \
      size_t rows)
typedef NEVA_DECL_PACK ((*NevaPackFn));

/* The same from an I4 matrix that is quantised already, w = scale q + low:
 * codes [rows, k], one in a byte; scale and low [rows, k / NEVA_QUANT_GROUP];
 * k is whole groups. Scale becomes bf16, and low the bf16 with which the error
 * of that is least over q in 0..15: 2^-8 (7.5 |scale| + |low|) at most. */
void neva_pack_i4_codes (void *packed, const uint8_t *codes, const float *scale,
    const float *low, size_t k, size_t n0, size_t rows);

/* An I8 matrix that is quantised already, w = scale q: codes [rows, k]; scale
 * [rows, groups], the last group may be short. Exact. */
void neva_pack_i8_codes (void *packed, const int8_t *codes, const float *scale,
    size_t k, size_t n0, size_t rows);

/* dst[0..m)[n0..n1) = epilogue(xq W^T); dst row stride ldd floats; n0 is a
 * multiple of NEVA_MATMUL_PANEL, n1 too or equal to w->n. dst must not overlap
 * xq. Accumulates in f32 (reference: double). Tolerance class: sum. */
#define NEVA_DECL_MATMUL(name)                                                 \
  void name (float *dst, size_t ldd, const void *xq, const NevaWeight *w,      \
      const NevaEpilogue *epilogue, size_t m, size_t n0, size_t n1,            \
      void *work)
typedef NEVA_DECL_MATMUL ((*NevaMatmulFn));

#endif /* NEVA_MATMUL_H */
