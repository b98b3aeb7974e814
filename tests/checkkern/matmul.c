/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* matmul: class sum. The tolerances are derived in docs/KERNELS.md. */
#include "config.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include "cases.h"
#include "matmul_layout.h"

enum { PANEL = NEVA_MATMUL_PANEL, PAD = 5 };

static const char *const type_names[NEVA_DTYPE_COUNT] = {
    "f32", "bf16", "f16", "i8", "i4", "e4m3"};

/* One product: what goes in, and the reference's view of it. */
typedef struct {
  NevaDType type;
  size_t m, n, k, ldd;
  void *xq, *xq_abs;
  NevaWeight w;
  size_t weight_bytes;
  float *bias;
  float *sum, *magnitude; /* [m][ldd]: plain sum, and that of the |terms| */
} Problem;

static bool
packed (NevaDType type)
{
  return type == NEVA_DTYPE_I8 || type == NEVA_DTYPE_I4;
}

static void
make_weight (const CheckCtx *c, Problem *p)
{
  const size_t count = p->n * p->k;
  float *w = check_buf (count);

  check_fill (w, count, 0.1f);
  if (packed (p->type)) {
    p->weight_bytes = neva_packed_bytes (p->type, p->n, p->k);
    p->w.data = check_alloc_edge (p->weight_bytes);
    for (size_t n0 = 0; n0 < p->n; n0 += PANEL)
      c->ref->pack[p->type]((void *) p->w.data, w + n0 * p->k, p->n, p->k, n0,
          p->n - n0 < PANEL ? p->n - n0 : PANEL);
  } else {
    p->weight_bytes = count * (p->type == NEVA_DTYPE_F32 ? 4 : 2);
    p->w.data = check_alloc_edge (p->weight_bytes);
    c->ref->from_f32 ((void *) p->w.data, w, p->type, count);
  }
  p->w.type = p->type;
  p->w.n = p->n;
  p->w.k = p->k;
  check_free (w);
}

/* Magnitudes of in-place types: the product of |x| and |W|. */
static void
magnitude_plain (const CheckCtx *c, const Problem *p)
{
  const NevaEpilogue none = {0};
  const size_t width = p->type == NEVA_DTYPE_F32 ? 4 : 2;
  unsigned char *bytes = check_alloc (p->weight_bytes);
  NevaWeight w = p->w;

  memcpy (bytes, p->w.data, p->weight_bytes);
  for (size_t i = width - 1; i < p->weight_bytes; i += width)
    bytes[i] &= 0x7f;
  w.data = bytes;
  c->ref->matmul[p->type](
      p->magnitude, p->ldd, p->xq_abs, &w, &none, p->m, 0, p->n, NULL);
  check_free (bytes);
}

/* The terms of quantised types are whole groups: inside one, sums are exact
 * integers. Found by handing the reference one group at a time. */
static void
magnitude_groups (const CheckCtx *c, const Problem *p)
{
  const NevaEpilogue none = {0};
  const size_t one = NEVA_QUANT_GROUP, groups = neva_quant_groups (p->k);
  const size_t stride = neva_act_row_bytes (p->type, p->k);
  const size_t group_bytes = neva_packed_group_bytes (p->type);
  char *w = check_alloc (neva_packed_bytes (p->type, p->n, one));
  char *xq = check_alloc (neva_act_bytes (p->type, 1, one));
  float *y = check_buf (p->n);
  const NevaWeight weight = {p->type, p->n, one, w};

  memset (p->magnitude, 0, p->m * p->ldd * sizeof (float));
  for (size_t r = 0; r < p->m; r++)
    for (size_t g = 0; g < groups; g++) {
      const char *row = (const char *) p->xq + r * stride;
      float scale;

      for (size_t b = 0; b * PANEL < p->n; b++)
        memcpy (w + b * group_bytes,
            (const char *) p->w.data + (b * groups + g) * group_bytes,
            group_bytes);
      memcpy (xq, row + g * one, one);
      memcpy (xq + one, row + neva_act_scale_offset (p->k) + g * 4, 4);
      memcpy (xq + one + 4, row + neva_act_sum_offset (p->k) + g * 4, 4);
      memcpy (&scale, xq + one, 4);
      c->ref->matmul[p->type](y, p->n, xq, &weight, &none, 1, 0, p->n, NULL);
      for (size_t n = 0; n < p->n; n++) {
        double low = 0;

        if (p->type == NEVA_DTYPE_I4) {
          const uint16_t *offsets =
              (const uint16_t *) (w + n / PANEL * group_bytes) + PANEL;
          float sum;

          memcpy (&sum, xq + one + 4, 4);
          low = fabs ((double) neva_bf16_to_f32 (offsets[n % PANEL]) * sum);
        }
        p->magnitude[r * p->ldd + n] += (float) (fabs (y[n]) + 2 * low);
      }
    }
  check_free (w), check_free (xq), check_free (y);
}

static void
problem_init (const CheckCtx *c, Problem *p)
{
  const NevaEpilogue none = {0};
  const size_t count = p->m * p->k,
               bytes = neva_act_bytes (p->type, p->m, p->k);
  float *x = check_buf (count);

  p->ldd = p->n + PAD;
  p->xq = check_alloc (bytes);
  p->xq_abs = check_alloc (bytes);
  p->sum = check_buf (p->m * p->ldd);
  p->magnitude = check_buf (p->m * p->ldd);
  p->bias = check_buf (p->n);
  check_fill (p->bias, p->n, 1);
  check_fill (x, count, 1);
  c->ref->act_prepare[p->type](p->xq, x, p->k, p->m, p->k, 0, p->m);
  for (size_t i = 0; i < count; i++)
    x[i] = fabsf (x[i]);
  c->ref->act_prepare[p->type](p->xq_abs, x, p->k, p->m, p->k, 0, p->m);
  make_weight (c, p);
  c->ref->matmul[p->type](
      p->sum, p->ldd, p->xq, &p->w, &none, p->m, 0, p->n, NULL);
  if (packed (p->type))
    magnitude_groups (c, p);
  else
    magnitude_plain (c, p);
  check_free (x);
}

static void
problem_clear (Problem *p)
{
  check_free (p->xq), check_free (p->xq_abs);
  check_free (p->sum), check_free (p->magnitude), check_free (p->bias);
  check_free_edge ((void *) p->w.data, p->weight_bytes);
}

/* Rounding of `sum`: docs/KERNELS.md, matmul. */
static double
sum_tolerance (const Problem *p, size_t i)
{
  const double u = FLT_EPSILON / 2;
  const double terms = packed (p->type) ? 4.0 * neva_quant_groups (p->k) : p->k;

  return (8 * sqrt (terms) + 16) * u * p->magnitude[i] + terms * 64 * FLT_MIN;
}

static double
tolerance (const Problem *p, const NevaEpilogue *e, size_t i, size_t column,
    double old, double y)
{
  const double s = p->sum[i] + (e->bias ? (double) e->bias[column] : 0);
  const double before =
      sum_tolerance (p, i) +
      (e->bias ? FLT_EPSILON * (fabs (s) + fabs (e->bias[column])) : 0);
  const double steepest =
      e->act == NEVA_ACT_RELU2 ? 2 * (fabs (s) + before) : 1.2;
  double tol = before;

  if (e->act != NEVA_ACT_NONE)
    tol = before * steepest + 8 * FLT_EPSILON * (fabs (s) + fabs (y));
  return tol + (e->add ? FLT_EPSILON * (fabs (old) + fabs (y)) : 0);
}

static void
check_epilogue (const CheckCtx *c, const Problem *p, const NevaEpilogue *e)
{
  const size_t count = p->m * p->ldd;
  const size_t split = p->n > PANEL ? PANEL : 0;
  float *want = check_buf (count), *got = check_buf (count);
  float *old = check_buf (count);
  void *work = check_alloc (neva_matmul_work_bytes (p->type, p->m, p->k));

  if (e->add)
    for (size_t r = 0; r < p->m; r++)
      check_fill (old + r * p->ldd, p->n, 1);
  memcpy (want, old, count * sizeof *old);
  memcpy (got, old, count * sizeof *old);
  c->ref->matmul[p->type](want, p->ldd, p->xq, &p->w, e, p->m, 0, p->n, NULL);
  if (split)
    c->tier->matmul[p->type](
        got, p->ldd, p->xq, &p->w, e, p->m, 0, split, work);
  c->tier->matmul[p->type](
      got, p->ldd, p->xq, &p->w, e, p->m, split, p->n, work);

  bool ok = true;

  for (size_t r = 0; r < p->m && ok; r++) {
    for (size_t n = 0; n < p->n && ok; n++) {
      const size_t i = r * p->ldd + n;
      const double y = want[i] - (e->add ? (double) old[i] : 0);

      ok = check_close (
          "dst", i, got[i], want[i], tolerance (p, e, i, n, old[i], y));
    }
    check_same ("gap", got + r * p->ldd + p->n, old + r * p->ldd + p->n,
        PAD * sizeof *old);
  }
  if (!ok)
    printf ("    m %zu n %zu k %zu act %d%s%s\n", p->m, p->n, p->k, e->act,
        e->bias ? " bias" : "", e->add ? " add" : "");
  check_fence (got, "dst");
  check_fence (work, "work");
  check_free (want), check_free (got), check_free (old), check_free (work);
}

/* How few rows have, by promise, the bits that they have among all m; 0: none.
 */
static size_t
same_rows (const CheckCtx *c, const Problem *p)
{
  if (packed (p->type) || p->m <= 4)
    return 1;
  if (strcmp (c->tier_name, "cuda") == 0)
    return p->m <= 16 ? 1 : 0; /* more go to cuBLAS */
  if (p->type == NEVA_DTYPE_BF16 && strcmp (c->tier_name, "amx") == 0)
    return 5; /* up to four go to vectors */
  return p->m <= 16 ? 1 : 0;
}

/* Rows do not depend on what is beside them, bit for bit. */
static void
check_alone (const CheckCtx *c, const Problem *p)
{
  const NevaEpilogue none = {0};
  const size_t part = same_rows (c, p);
  const size_t stride = neva_act_row_bytes (p->type, p->k);
  float *all = check_buf (p->m * p->ldd), *some = check_buf (5 * p->ldd);
  void *work = check_alloc (neva_matmul_work_bytes (p->type, p->m, p->k));

  c->tier->matmul[p->type](
      all, p->ldd, p->xq, &p->w, &none, p->m, 0, p->n, work);
  for (size_t r = 0; part && r + part <= p->m; r += part) {
    c->tier->matmul[p->type](some, p->ldd, (const char *) p->xq + r * stride,
        &p->w, &none, part, 0, p->n, work);
    for (size_t i = 0; i < part; i++)
      if (!check_same ("row alone", some + i * p->ldd, all + (r + i) * p->ldd,
              p->n * sizeof *all))
        printf ("    m %zu row %zu n %zu k %zu\n", p->m, r + i, p->n, p->k);
  }
  check_free (all), check_free (some), check_free (work);
}

static void
check_shape (const CheckCtx *c, NevaDType type, size_t m, size_t n, size_t k)
{
  Problem p = {.type = type, .m = m, .n = n, .k = k};
  NevaEpilogue e = {0};

  problem_init (c, &p);
  check_alone (c, &p);
  check_epilogue (c, &p, &e);
  e.bias = check_rand () % 2 ? p.bias : NULL;
  e.act = (NevaAct) (check_rand () % (NEVA_ACT_RELU2 + 1));
  e.add = check_rand () % 2;
  check_epilogue (c, &p, &e);
  problem_clear (&p);
}

/* Rates: one thread, weights from cache or memory as the shape has it. */
static void
bench_shape (const CheckCtx *c, NevaDType type, size_t m, size_t n, size_t k)
{
  const NevaEpilogue none = {0};
  float *x = check_buf (m * k), *w = check_buf (PANEL * k);
  float *dst = check_buf (m * n);
  void *xq = check_alloc (neva_act_bytes (type, m, k));
  void *work = check_alloc (neva_matmul_work_bytes (type, m, k));
  const size_t bytes = packed (type) ? neva_packed_bytes (type, n, k)
                                     : n * k * (type == NEVA_DTYPE_F32 ? 4 : 2);
  char *data = check_alloc (bytes);
  const NevaWeight weight = {type, n, k, data};
  const double work_done =
      m <= 4 ? (double) bytes / 1e9 : 2.0 * (double) (m * n * k) / 1e9;
  char label[48];

  /* no denormals here: they would be the whole time of f32 */
  for (size_t i = 0; i < m * k; i++)
    x[i] = (float) check_randn ();
  for (size_t i = 0; i < PANEL * k; i++)
    w[i] = (float) check_randn ();
  for (size_t n0 = 0; n0 < n; n0 += PANEL)
    if (packed (type))
      c->ref->pack[type](data, w, n, k, n0, PANEL);
    else
      c->ref->from_f32 (data + bytes / n * n0, w, type,
          (n - n0 < PANEL ? n - n0 : PANEL) * k);
  c->ref->act_prepare[type](xq, x, k, m, k, 0, m);
  snprintf (label, sizeof label, "%zux%zux%zu", m, n, k);
  check_bench (c, label, work_done, m <= 4 ? "GB/s" : "GOP/s",
      c->tier->matmul[type](dst, n, xq, &weight, &none, m, 0, n, work));
  check_free (x), check_free (w), check_free (dst), check_free (xq);
  check_free (work), check_free (data);
}

static void
check_type (const CheckCtx *c, NevaDType type)
{
  static const size_t ms[] = {
      1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 15, 16, 17, 23, 31, 32, 33, 48, 50, 65};
  static const size_t ns[] = {1, 7, 15, 16, 17, 47, 63, 64, 65, 97, 128, 193};
  static const size_t ks[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100,
      127, 128, 129, 257, 384, 511, 1024, 1031};
  char name[32];

  snprintf (name, sizeof name, "matmul_%s", type_names[type]);
  if (!check_func (c, (void *) c->tier->matmul[type],
          (void *) c->ref->matmul[type], name))
    return;
  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++)
      check_shape (c, type, ms[i],
          ns[check_rand () % (sizeof ns / sizeof ns[0])],
          ks[check_rand () % (sizeof ks / sizeof ks[0])]);
  check_shape (c, type, 1, 320, 5632);
  check_shape (c, type, 257, 80, 588);
  check_shape (c, type, 70, 64, 5633);
  check_shape (c, type, 800, 40, 160);
  check_shape (c, type, 9, 600, 3201);

  if (c->bench) {
    bench_shape (c, type, 1, 32768, 2048);
    bench_shape (c, type, 4, 32768, 2048);
    bench_shape (c, type, 16, 2048, 2048);
    bench_shape (c, type, 64, 2048, 2048);
    bench_shape (c, type, 512, 2048, 2048);
    bench_shape (c, type, 512, 2048, 5632);
    bench_shape (c, type, 2048, 1024, 2048);
    bench_shape (c, type, 257, 1024, 1024);
  }
}

void
check_matmul (const CheckCtx *c)
{
  for (int type = 0; type < NEVA_DTYPE_COUNT; type++)
    check_type (c, (NevaDType) type);
}
