/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Norms, rotary embedding, activations, conversions. The tolerances are derived
 * in docs/KERNELS.md. */
#include "config.h"
#include <float.h>
#include <math.h>
#include "cases.h"

enum { ROWS = 3, MAX_DIM = 4100 };

static const size_t dims[] = {
    1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 257, 1024, 1152, 2048, 4095, MAX_DIM};

#define COUNT(array) (sizeof array / sizeof array[0])

/* For timings: denormals cost what no activation costs. */
static void
fill_normal (float *x, size_t n)
{
  for (size_t i = 0; i < n; i++)
    x[i] = (float) check_randn ();
}

/* ---- Norms -------------------------------------------------------------- */

/* Rounding of a sum of `dim` terms in 8 lanes or more, halved by the square
 * root, then products: relative to |want|. */
static double
norm_tolerance (size_t dim)
{
  return ((double) dim / 16 + 8) * FLT_EPSILON;
}

void
check_rms_norm (const CheckCtx *c)
{
  if (!check_func (
          c, (void *) c->tier->rms_norm, (void *) c->ref->rms_norm, "rms_norm"))
    return;
  for (size_t d = 0; d < COUNT (dims); d++) {
    const size_t dim = dims[d], n = ROWS * dim;
    float *x = check_buf (n), *w = check_buf (dim);
    float *want = check_buf (n), *got = check_buf (n);

    check_fill (x, n, 1);
    check_fill (w, dim, 1);
    c->ref->rms_norm (want, x, w, ROWS, dim, 1e-5f);
    c->tier->rms_norm (got, x, w, ROWS, dim, 1e-5f);
    for (size_t i = 0; i < n; i++)
      if (!check_close ("dst", i, got[i], want[i],
              fabs (want[i]) * norm_tolerance (dim) + FLT_MIN))
        break;
    check_fence (got, "dst");
    c->tier->rms_norm (x, x, w, ROWS, dim, 1e-5f);
    check_same ("in place", x, got, n * sizeof *x);
    if (dim == 2048) {
      fill_normal (x, n);
      fill_normal (w, dim);
      check_bench (c, "3x2048", (double) n * 8e-9, "GB/s",
          c->tier->rms_norm (got, x, w, ROWS, dim, 1e-5f));
    }
    check_free (x), check_free (w), check_free (want), check_free (got);
  }
}

/* |x - mean| is off by the sum's rounding: dim / 16 + 4 eps of mean |x|, the
 * result by that over the deviation, and by the roundings of a norm. */
static void
layer_norm_dim (const CheckCtx *c, size_t dim, bool bias)
{
  const size_t n = ROWS * dim;
  float *x = check_buf (n), *w = check_buf (dim), *b = check_buf (dim);
  float *want = check_buf (n), *got = check_buf (n);

  check_fill (x, n, 1);
  check_fill (w, dim, 1);
  check_fill (b, dim, 1);
  for (size_t i = 0; i < n; i++)
    x[i] += 3;
  c->ref->layer_norm (want, x, w, bias ? b : NULL, ROWS, dim, 1e-5f);
  c->tier->layer_norm (got, x, w, bias ? b : NULL, ROWS, dim, 1e-5f);

  for (size_t r = 0; r < ROWS; r++) {
    double mean = 0, magnitude = 0, var = 0;

    for (size_t i = 0; i < dim; i++) {
      mean += x[r * dim + i] / (double) dim;
      magnitude += fabs (x[r * dim + i]) / (double) dim;
    }
    for (size_t i = 0; i < dim; i++)
      var += (x[r * dim + i] - mean) * (x[r * dim + i] - mean) / (double) dim;
    for (size_t i = 0; i < dim; i++) {
      const double bi = bias ? b[i] : 0, at = want[r * dim + i];
      const double tol =
          (fabs (at - bi) + fabs (bi) + fabs (at)) * norm_tolerance (dim) +
          fabs (w[i]) * ((double) dim / 16 + 4) * FLT_EPSILON * magnitude /
              sqrt (var + 1e-5) +
          FLT_MIN;

      if (!check_close ("dst", r * dim + i, got[r * dim + i], at, tol))
        goto done;
    }
  }
done:
  check_fence (got, "dst");
  c->tier->layer_norm (x, x, w, bias ? b : NULL, ROWS, dim, 1e-5f);
  check_same ("in place", x, got, n * sizeof *x);
  if (dim == 1024 && bias) {
    fill_normal (x, n);
    fill_normal (w, dim);
    fill_normal (b, dim);
    check_bench (c, "3x1024", (double) n * 8e-9, "GB/s",
        c->tier->layer_norm (got, x, w, b, ROWS, dim, 1e-5f));
  }
  check_free (x), check_free (w), check_free (b);
  check_free (want), check_free (got);
}

void
check_layer_norm (const CheckCtx *c)
{
  if (!check_func (c, (void *) c->tier->layer_norm, (void *) c->ref->layer_norm,
          "layer_norm"))
    return;
  for (size_t d = 0; d < COUNT (dims); d++) {
    layer_norm_dim (c, dims[d], true);
    layer_norm_dim (c, dims[d], false);
  }
}

/* ---- Rotary embedding --------------------------------------------------- */

void
check_rope (const CheckCtx *c)
{
  static const size_t shapes[][3] = {/* heads, head_dim, rot */
      {1, 2, 2}, {3, 24, 24}, {2, 64, 64}, {5, 80, 80}, {4, 128, 64},
      {1, 33, 30}, {2, 256, 256}, {32, 64, 64}};

  if (!check_func (c, (void *) c->tier->rope, (void *) c->ref->rope, "rope"))
    return;
  for (size_t s = 0; s < COUNT (shapes); s++) {
    const size_t heads = shapes[s][0], dim = shapes[s][1], rot = shapes[s][2];
    const size_t half = rot / 2, ld = heads * dim + 3, n = ROWS * ld;
    float *got = check_buf (n), *want = check_buf (n);
    float *cosine = check_buf (ROWS * half), *sine = check_buf (ROWS * half);

    check_fill (got, n, 1);
    memcpy (want, got, n * sizeof *got);
    for (size_t i = 0; i < ROWS * half; i++) {
      const double angle = check_randn () * 100;

      cosine[i] = (float) cos (angle);
      sine[i] = (float) sin (angle);
    }
    float *before = check_buf (n);

    memcpy (before, got, n * sizeof *got);
    c->ref->rope (want, ld, cosine, sine, ROWS, heads, dim, rot);
    c->tier->rope (got, ld, cosine, sine, ROWS, heads, dim, rot);
    for (size_t i = 0; i < n; i++) {
      const size_t d = i % ld % dim, pair = d < half ? i + half : i - half;
      const bool turned = i % ld < heads * dim && d < rot;
      /* Both products are at most the larger element. */
      const double tol =
          turned
              ? 4 * FLT_EPSILON * fmax (fabs (before[i]), fabs (before[pair])) +
                    FLT_MIN
              : 0;

      if (!check_close ("x", i, got[i], want[i], tol))
        break;
    }
    check_fence (got, "x");
    if (heads == 32)
      check_bench (c, "3x32x64", (double) (ROWS * heads * rot) * 8e-9, "GB/s",
          c->tier->rope (got, ld, cosine, sine, ROWS, heads, dim, rot));
    check_free (got), check_free (want), check_free (before);
    check_free (cosine), check_free (sine);
  }
}

/* ---- Activations -------------------------------------------------------- */

static const struct {
  NevaAct act;
  const char *name;
} acts[] = {{NEVA_ACT_NONE, "none"}, {NEVA_ACT_GELU_ERF, "gelu_erf"},
    {NEVA_ACT_GELU_TANH, "gelu_tanh"}, {NEVA_ACT_GELU_QUICK, "gelu_quick"},
    {NEVA_ACT_SILU, "silu"}, {NEVA_ACT_RELU2, "relu2"}};

/* ulp of |want|. The argument of a sigmoid is rounded: that multiplies what it
 * is in the exponent. */
static double
act_ulps (NevaAct act, double x)
{
  switch (act) {
    case NEVA_ACT_NONE:
      return 0;
    case NEVA_ACT_RELU2:
      return 0.5;
    case NEVA_ACT_SILU:
      return 5;
    case NEVA_ACT_GELU_ERF:
      return 8;
    case NEVA_ACT_GELU_QUICK:
      return 5 + fabs (1.702 * x);
    case NEVA_ACT_GELU_TANH:
      return 5 + 3 * fabs (1.6 * x + 0.0714 * x * x * x);
  }
  return 0;
}

/* Below FLT_MIN results may be flushed; x times an underflowing factor too. */
static double
act_tolerance (NevaAct act, double x, double want)
{
  return act_ulps (act, x) * FLT_EPSILON * fabs (want) +
         (act == NEVA_ACT_NONE ? 0 : FLT_MIN);
}

static void
fill_act (float *x, size_t n)
{
  static const float special[] = {0, -0.0f, NAN, INFINITY, 1e-41f, -1e-41f, 88,
      -87, -89, -105, 13, -13, -5.5f, 1e30f, -1e4f, 20, -14};

  check_fill (x, n, 3);
  for (size_t i = 0; i < COUNT (special) && 3 * i < n; i++)
    x[n - 1 - 3 * i] = special[i];
}

void
check_activate (const CheckCtx *c)
{
  if (!check_func (
          c, (void *) c->tier->activate, (void *) c->ref->activate, "activate"))
    return;
  for (size_t a = 0; a < COUNT (acts); a++)
    for (size_t d = 0; d < COUNT (dims); d++) {
      const size_t n = dims[d];
      float *x = check_buf (n), *want = check_buf (n), *got = check_buf (n);

      fill_act (x, n);
      c->ref->activate (want, x, n, acts[a].act);
      c->tier->activate (got, x, n, acts[a].act);
      for (size_t i = 0; i < n; i++)
        if (!check_close (acts[a].name, i, got[i], want[i],
                act_tolerance (acts[a].act, x[i], want[i])))
          break;
      check_fence (got, "dst");
      c->tier->activate (x, x, n, acts[a].act);
      check_same ("in place", x, got, n * sizeof *x);
      fill_normal (want, n);
      if (n == 4095)
        check_bench (c, acts[a].name, (double) n * 8e-9, "GB/s",
            c->tier->activate (got, want, n, acts[a].act));
      check_free (x), check_free (want), check_free (got);
    }
}

void
check_act_mul (const CheckCtx *c)
{
  if (!check_func (
          c, (void *) c->tier->act_mul, (void *) c->ref->act_mul, "act_mul"))
    return;
  for (size_t a = 0; a < COUNT (acts); a++)
    for (size_t d = 0; d < COUNT (dims); d++) {
      const size_t dim = dims[d], ldg = dim + 3, ldu = dim + 1, ldd = dim + 5;
      float *gate = check_buf (ROWS * ldg), *up = check_buf (ROWS * ldu);
      float *want = check_buf (ROWS * ldd), *got = check_buf (ROWS * ldd);

      fill_act (gate, ROWS * ldg);
      check_fill (up, ROWS * ldu, 1);
      c->ref->act_mul (want, ldd, gate, ldg, up, ldu, ROWS, dim, acts[a].act);
      c->tier->act_mul (got, ldd, gate, ldg, up, ldu, ROWS, dim, acts[a].act);
      for (size_t i = 0; i < ROWS * ldd; i++) {
        const size_t r = i / ldd, j = i % ldd;
        const double x = j < dim ? gate[r * ldg + j] : 0;
        const double u = j < dim ? up[r * ldu + j] : 0;

        if (!check_close (acts[a].name, i, got[i], want[i],
                act_tolerance (acts[a].act, x, want[i]) +
                    FLT_EPSILON * fabs (want[i]) + FLT_MIN * fabs (u)))
          break;
      }
      check_fence (got, "dst");
      c->tier->act_mul (gate, ldg, gate, ldg, up, ldu, ROWS, dim, acts[a].act);
      for (size_t r = 0; r < ROWS; r++)
        check_same ("in place", gate + r * ldg, got + r * ldd, 4 * dim);
      fill_normal (gate, ROWS * ldg);
      fill_normal (up, ROWS * ldu);
      if (dim == 2048)
        check_bench (c, acts[a].name, (double) (ROWS * dim) * 12e-9, "GB/s",
            c->tier->act_mul (
                got, ldd, gate, ldg, up, ldu, ROWS, dim, acts[a].act));
      check_free (gate), check_free (up), check_free (want), check_free (got);
    }
}

/* ---- Exact ones --------------------------------------------------------- */

void
check_add (const CheckCtx *c)
{
  if (!check_func (c, (void *) c->tier->add, (void *) c->ref->add, "add"))
    return;
  for (size_t d = 0; d < COUNT (dims); d++) {
    const size_t n = dims[d];
    float *x = check_buf (n), *want = check_buf (n), *got = check_buf (n);

    check_fill (x, n, 1);
    check_fill (want, n, 1);
    memcpy (got, want, n * sizeof *got);
    c->ref->add (want, x, n);
    c->tier->add (got, x, n);
    check_same ("dst", got, want, n * sizeof *got);
    check_fence (got, "dst");
    check_free (x), check_free (want), check_free (got);
  }
}

static const NevaDType types[] = {
    NEVA_DTYPE_F32, NEVA_DTYPE_BF16, NEVA_DTYPE_F16};

/* Every 16-bit pattern, then odd sizes at odd places. */
void
check_to_f32 (const CheckCtx *c)
{
  if (!check_func (
          c, (void *) c->tier->to_f32, (void *) c->ref->to_f32, "to_f32"))
    return;
  for (size_t t = 0; t < COUNT (types); t++) {
    const size_t n = 65536, width = types[t] == NEVA_DTYPE_F32 ? 4 : 2;
    char *src = check_alloc (n * width + width);
    float *want = check_buf (n), *got = check_buf (n);

    for (size_t i = 0; i < n; i++)
      if (width == 2)
        memcpy (src + width + 2 * i, &(uint16_t){(uint16_t) i}, 2);
      else
        memcpy (src + width + 4 * i, &(float){(float) check_randn ()}, 4);
    c->ref->to_f32 (want, src + width, types[t], n);
    c->tier->to_f32 (got, src + width, types[t], n);
    check_same ("dst", got, want, n * sizeof *got);
    check_fence (got, "dst");
    for (size_t d = 0; d < COUNT (dims); d++) {
      float *part = check_buf (dims[d]);

      c->tier->to_f32 (part, src, types[t], dims[d]);
      check_same ("part", part + (dims[d] > 1), want, 4 * (dims[d] - 1));
      check_fence (part, "part");
      check_free (part);
    }
    check_free (src), check_free (want), check_free (got);
  }
}

/* Random bits: every exponent, NaNs and infinities among them. */
void
check_from_f32 (const CheckCtx *c)
{
  if (!check_func (
          c, (void *) c->tier->from_f32, (void *) c->ref->from_f32, "from_f32"))
    return;
  for (size_t t = 0; t < COUNT (types); t++)
    for (size_t d = 0; d < COUNT (dims); d++) {
      const size_t n = dims[d] * 5;
      const size_t width = types[t] == NEVA_DTYPE_F32 ? 4 : 2;
      float *src = check_buf (n);
      char *want = check_alloc (n * width), *got = check_alloc (n * width);

      for (size_t i = 0; i < n; i++) {
        const uint32_t u = i % 3 ? check_rand () : check_rand () & 0xffff8000u;

        memcpy (src + i, &u, sizeof u);
      }
      c->ref->from_f32 (want, src, types[t], n);
      c->tier->from_f32 (got, src, types[t], n);
      check_same ("dst", got, want, n * width);
      check_fence (got, "dst");
      check_free (src), check_free (want), check_free (got);
    }
}
