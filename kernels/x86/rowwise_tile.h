/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rowwise.h written once for every vector length; conversions are apart. The
 * includer defines the names of vector_*.h, v_exp (x, low) for e^(x + low), and
 * SUFFIX. */

#include <math.h>
#include "rowwise_x86.h"

/* ---- Norms -------------------------------------------------------------- */

/* Sum of (x - mean)^2, four partial sums to a vector. */
static inline float
squares (const float *x, size_t dim, float mean)
{
  const V m = v_set1 (mean);
  V sum[4] = {v_zero (), v_zero (), v_zero (), v_zero ()};
  float tail = 0;
  size_t i = 0;

  for (; i + 4 * VL <= dim; i += 4 * VL)
    for (int j = 0; j < 4; j++) {
      const V d = v_sub (v_load (x + i + j * VL), m);

      sum[j] = v_fmadd (d, d, sum[j]);
    }
  for (; i + VL <= dim; i += VL) {
    const V d = v_sub (v_load (x + i), m);

    sum[0] = v_fmadd (d, d, sum[0]);
  }
  for (; i < dim; i++)
    tail += (x[i] - mean) * (x[i] - mean);
  return tail + v_sum (v_add (v_add (sum[0], sum[1]), v_add (sum[2], sum[3])));
}

NEVA_DECL_RMS_NORM (SUFFIX (neva_rms_norm))
{
  for (size_t r = 0; r < rows; r++, x += dim, dst += dim) {
    const float scale = 1 / sqrtf (squares (x, dim, 0) / (float) dim + eps);
    const V s = v_set1 (scale);
    size_t i = 0;

    for (; i + VL <= dim; i += VL)
      v_store (dst + i, v_mul (v_mul (v_load (x + i), s), v_load (w + i)));
    for (; i < dim; i++)
      dst[i] = x[i] * scale * w[i];
  }
}

static inline float
total (const float *x, size_t dim)
{
  V sum[4] = {v_zero (), v_zero (), v_zero (), v_zero ()};
  float tail = 0;
  size_t i = 0;

  for (; i + 4 * VL <= dim; i += 4 * VL)
    for (int j = 0; j < 4; j++)
      sum[j] = v_add (v_load (x + i + j * VL), sum[j]);
  for (; i + VL <= dim; i += VL)
    sum[0] = v_add (v_load (x + i), sum[0]);
  for (; i < dim; i++)
    tail += x[i];
  return tail + v_sum (v_add (v_add (sum[0], sum[1]), v_add (sum[2], sum[3])));
}

NEVA_DECL_LAYER_NORM (SUFFIX (neva_layer_norm))
{
  for (size_t r = 0; r < rows; r++, x += dim, dst += dim) {
    const float mean = total (x, dim) / (float) dim;
    const float scale = 1 / sqrtf (squares (x, dim, mean) / (float) dim + eps);
    const V m = v_set1 (mean), s = v_set1 (scale);
    size_t i = 0;

    for (; i + VL <= dim; i += VL) {
      const V y = v_mul (v_sub (v_load (x + i), m), s);
      const V bias = b ? v_load (b + i) : v_zero ();

      v_store (dst + i, v_fmadd (y, v_load (w + i), bias));
    }
    for (; i < dim; i++)
      dst[i] = (x[i] - mean) * scale * w[i] + (b ? b[i] : 0);
  }
}

/* ---- Rotary embedding --------------------------------------------------- */

static inline void
rotate (float *x, const float *cosine, const float *sine, size_t half)
{
  size_t i = 0;

  for (; i + VL <= half; i += VL) {
    const V a = v_load (x + i), b = v_load (x + half + i);
    const V c = v_load (cosine + i), s = v_load (sine + i);

    v_store (x + i, v_fmsub (a, c, v_mul (b, s)));
    v_store (x + half + i, v_fmadd (b, c, v_mul (a, s)));
  }
  for (; i < half; i++) {
    const float a = x[i], b = x[half + i];

    x[i] = a * cosine[i] - b * sine[i];
    x[half + i] = b * cosine[i] + a * sine[i];
  }
}

NEVA_DECL_ROPE (SUFFIX (neva_rope))
{
  const size_t half = rot / 2;

  for (size_t r = 0; r < rows; r++)
    for (size_t h = 0; h < heads; h++)
      rotate (
          x + r * ldx + h * head_dim, cosine + r * half, sine + r * half, half);
}

/* ---- Activations -------------------------------------------------------- */

/* x sigmoid (a), from e^-|a| so that nothing overflows. */
static inline V
gated (V x, V a)
{
  const V one = v_set1 (1);
  const V z = v_exp (v_sub (v_zero (), v_abs (a)), v_zero ());

  return v_div (v_mul (x, v_where_negative (a, z, one)), v_add (one, z));
}

/* x Phi (x). With y = |x|, Phi (-y) = e^(-y^2 / 2) g (1 / (1 + 0.33 y)); g is
 * a minimax fit for y in 0..14, relative error 1.1e-8. */
static inline V
gelu_erf (V x)
{
  const V one = v_set1 (1), y = v_min (v_set1 (20), v_abs (x));
  const V square = v_mul (y, y), rest = v_fmsub (y, y, square);
  const V t = v_div (one, v_fmadd (y, v_set1 (0.33f), one));
  V g = v_set1 (-0.0261068766f);

  g = v_fmadd (g, t, v_set1 (0.149801586f));
  g = v_fmadd (g, t, v_set1 (-0.325066709f));
  g = v_fmadd (g, t, v_set1 (0.295112329f));
  g = v_fmadd (g, t, v_set1 (-0.109546386f));
  g = v_fmadd (g, t, v_set1 (0.147299671f));
  g = v_fmadd (g, t, v_set1 (0.103261538f));
  g = v_fmadd (g, t, v_set1 (0.133769116f));
  g = v_fmadd (g, t, v_set1 (0.131468953f));
  g = v_fmadd (g, t, v_set1 (6.7824566e-06f));
  g = v_mul (
      g, v_exp (v_mul (square, v_set1 (-0.5f)), v_mul (rest, v_set1 (-0.5f))));
  return v_where_negative (x, v_mul (x, g), v_fnmadd (y, g, x));
}

static inline __attribute__ ((always_inline)) V
act_of (V x, const NevaAct act)
{
  switch (act) {
    case NEVA_ACT_NONE:
      return x;
    case NEVA_ACT_GELU_ERF:
      return gelu_erf (x);
    case NEVA_ACT_GELU_TANH: /* 2 sqrt (2 / pi) (x + 0.044715 x^3) */
      return gated (x, v_mul (x, v_fmadd (v_mul (x, x), v_set1 (0.0713548163f),
                                     v_set1 (1.59576912f))));
    case NEVA_ACT_GELU_QUICK:
      return gated (x, v_mul (x, v_set1 (1.702f)));
    case NEVA_ACT_SILU:
      return gated (x, x);
    case NEVA_ACT_RELU2:
      x = v_max (v_zero (), x); /* NaN: the second operand */
      return v_mul (x, x);
  }
  return x;
}

/* dst = act (x), times up unless that is NULL. */
static inline __attribute__ ((always_inline)) void
act_row (
    float *dst, const float *x, const float *up, size_t n, const NevaAct act)
{
  size_t i = 0;

  for (; i + VL <= n; i += VL) {
    const V y = act_of (v_load (x + i), act);

    v_store (dst + i, up ? v_mul (y, v_load (up + i)) : y);
  }
  if (i < n) {
    const V y = act_of (v_load_n (x + i, n - i), act);

    v_store_n (dst + i, up ? v_mul (y, v_load_n (up + i, n - i)) : y, n - i);
  }
}

static inline void
any_act_row (float *dst, const float *x, const float *up, size_t n, NevaAct act)
{
  switch (act) {
    case NEVA_ACT_NONE:
      act_row (dst, x, up, n, NEVA_ACT_NONE);
      break;
    case NEVA_ACT_GELU_ERF:
      act_row (dst, x, up, n, NEVA_ACT_GELU_ERF);
      break;
    case NEVA_ACT_GELU_TANH:
      act_row (dst, x, up, n, NEVA_ACT_GELU_TANH);
      break;
    case NEVA_ACT_GELU_QUICK:
      act_row (dst, x, up, n, NEVA_ACT_GELU_QUICK);
      break;
    case NEVA_ACT_SILU:
      act_row (dst, x, up, n, NEVA_ACT_SILU);
      break;
    case NEVA_ACT_RELU2:
      act_row (dst, x, up, n, NEVA_ACT_RELU2);
      break;
  }
}

NEVA_DECL_ACTIVATE (SUFFIX (neva_activate))
{
  any_act_row (dst, x, NULL, n, act);
}

NEVA_DECL_ACT_MUL (SUFFIX (neva_act_mul))
{
  for (size_t r = 0; r < rows; r++)
    any_act_row (dst + r * ldd, gate + r * ldg, up + r * ldu, dim, act);
}

NEVA_DECL_ADD (SUFFIX (neva_add))
{
  size_t i = 0;

  for (; i + VL <= n; i += VL)
    v_store (dst + i, v_add (v_load (dst + i), v_load (x + i)));
  for (; i < n; i++)
    dst[i] += x[i];
}
