/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations on rows of activations: norms, rotary embedding, activations,
 * widening. All activations are f32; rows are contiguous unless a stride says
 * otherwise. dst may equal x where "in place" is said. */
#ifndef NEVA_ROWWISE_H
#define NEVA_ROWWISE_H

#include <stddef.h>
#include <stdint.h>
#include "matmul.h"

/* dst[r][i] = x[r][i] / sqrt(mean(x[r]^2) + eps) * w[i]. In place allowed.
 * Class: sum. */
#define NEVA_DECL_RMS_NORM(name)                                               \
  void name (float *dst, const float *x, const float *w, size_t rows,          \
      size_t dim, float eps)
typedef NEVA_DECL_RMS_NORM ((*NevaRmsNormFn));

/* dst[r][i] = (x[r][i] - mean) / sqrt(var + eps) * w[i] + b[i], population
 * variance; b may be NULL. In place allowed. Class: sum. */
#define NEVA_DECL_LAYER_NORM(name)                                             \
  void name (float *dst, const float *x, const float *w, const float *b,       \
      size_t rows, size_t dim, float eps)
typedef NEVA_DECL_LAYER_NORM ((*NevaLayerNormFn));

/* Rotary embedding, in place, half-rotation: for i < rot/2 of each head,
 *   (x[i], x[i + rot/2]) = (x[i] c - x[i + rot/2] s, x[i + rot/2] c + x[i] s)
 * with c, s = cosine[r][i], sine[r][i] ([rows, rot/2]); elements from rot on
 * stay. x [rows][heads][head_dim], row stride ldx floats. Class: 4 ulp of the
 * larger product. */
#define NEVA_DECL_ROPE(name)                                                   \
  void name (float *x, size_t ldx, const float *cosine, const float *sine,     \
      size_t rows, size_t heads, size_t head_dim, size_t rot)
typedef NEVA_DECL_ROPE ((*NevaRopeFn));

/* dst[i] = act(x[i]). In place allowed. Class: n ulp. */
#define NEVA_DECL_ACTIVATE(name)                                               \
  void name (float *dst, const float *x, size_t n, NevaAct act)
typedef NEVA_DECL_ACTIVATE ((*NevaActivateFn));

/* dst[r][i] = act(gate[r][i]) * up[r][i]; row strides ldd, ldg, ldu floats.
 * dst may equal gate. Class: n ulp. */
#define NEVA_DECL_ACT_MUL(name)                                                \
  void name (float *dst, size_t ldd, const float *gate, size_t ldg,            \
      const float *up, size_t ldu, size_t rows, size_t dim, NevaAct act)
typedef NEVA_DECL_ACT_MUL ((*NevaActMulFn));

/* dst[i] += x[i]. Class: exact. */
#define NEVA_DECL_ADD(name) void name (float *dst, const float *x, size_t n)
typedef NEVA_DECL_ADD ((*NevaAddFn));

/* n numbers of `type` (F32, BF16, F16) to f32 / from f32 (nearest even).
 * src and dst need no alignment beyond their element. Class: exact. */
#define NEVA_DECL_TO_F32(name)                                                 \
  void name (float *dst, const void *src, NevaDType type, size_t n)
typedef NEVA_DECL_TO_F32 ((*NevaToF32Fn));
#define NEVA_DECL_FROM_F32(name)                                               \
  void name (void *dst, const float *src, NevaDType type, size_t n)
typedef NEVA_DECL_FROM_F32 ((*NevaFromF32Fn));

#endif /* NEVA_ROWWISE_H */
