/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attention and kv_store. The tolerances are derived in docs/KERNELS.md. */
#include "config.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "cases.h"

typedef struct {
  size_t head_dim, group, rows, kv_len, pos0, window;
  bool causal;
  NevaDType type;
  float query; /* magnitude: how peaked the softmax is */
} Shape;

typedef struct {
  NevaAttention a;
  size_t pages;
  void **k, **v;
  float *q, *want, *got;
  void *work;
} Problem;

static bool
visible (const NevaAttention *a, size_t row, size_t key)
{
  const size_t pos = a->pos0 + row;

  return (!a->causal || key <= pos) && (!a->window || pos < key + a->window);
}

/* Pages that no row sees stay NULL. */
static bool
page_needed (const NevaAttention *a, size_t page)
{
  for (size_t key = page * NEVA_KV_PAGE;
       key < (page + 1) * NEVA_KV_PAGE && key < a->kv_len; key++)
    for (size_t r = 0; r < a->rows; r++)
      if (visible (a, r, key))
        return true;
  return false;
}

static void
fill_pages (const CheckCtx *c, Problem *p)
{
  const size_t dim = p->a.head_dim;
  const size_t bytes = neva_kv_page_bytes (p->a.type, dim);
  float *kv = check_buf (2 * dim);

  for (size_t page = 0; page < p->pages; page++) {
    if (!page_needed (&p->a, page))
      continue;
    p->k[page] = check_alloc (bytes); /* every slot NaN */
    p->v[page] = check_alloc (bytes);
    if (p->a.type == NEVA_DTYPE_BF16 && dim % 2) /* what a fresh page holds */
      memset (p->k[page], 0, bytes);
    for (size_t slot = 0; slot < NEVA_KV_PAGE; slot++) {
      if (page * NEVA_KV_PAGE + slot >= p->a.kv_len)
        break;
      for (size_t i = 0; i < 2 * dim; i++)
        kv[i] = (float) check_randn () * (check_rand () % 97 ? 1 : 5);
      c->ref->kv_store (p->k[page], p->v[page], p->a.type, dim, slot, kv, dim,
          kv + dim, dim, 1);
    }
  }
  check_free (kv);
}

static Problem
make_problem (const CheckCtx *c, const Shape *s)
{
  const size_t width = s->group * s->head_dim;
  Problem p = {.a = {.type = s->type,
                   .head_dim = s->head_dim,
                   .group = s->group,
                   .rows = s->rows,
                   .ldq = width + 5,
                   .ldd = width + 3,
                   .kv_len = s->kv_len,
                   .pos0 = s->pos0,
                   .window = s->window,
                   .causal = s->causal,
                   .scale = 1 / sqrtf ((float) s->head_dim)},
      .pages = (s->kv_len + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE};

  p.k = calloc (2 * p.pages + 1, sizeof *p.k);
  p.v = p.k + p.pages;
  p.a.k = (const void *const *) p.k;
  p.a.v = (const void *const *) p.v;
  p.q = check_buf (s->rows * p.a.ldq);
  p.want = check_buf (s->rows * p.a.ldd);
  p.got = check_buf (s->rows * p.a.ldd);
  for (size_t i = 0; i < s->rows * p.a.ldq; i++)
    p.q[i] = (float) check_randn () * s->query;
  fill_pages (c, &p);
  p.work = check_alloc (neva_attention_work_bytes (&p.a));
  return p;
}

static void
free_problem (Problem *p)
{
  for (size_t i = 0; i < p->pages; i++)
    if (p->k[i])
      check_free (p->k[i]), check_free (p->v[i]);
  free (p->k);
  check_free (p->q), check_free (p->want), check_free (p->got);
  check_free (p->work);
}

/* Element d of key j, of K (offset 0) or V. */
static double
key_at (const Problem *p, size_t j, size_t d)
{
  const size_t slot = j % NEVA_KV_PAGE;
  const void *page = p->k[j / NEVA_KV_PAGE];

  if (p->a.type == NEVA_DTYPE_F32)
    return ((const float *) page)[d * NEVA_KV_PAGE + slot];
  return neva_bf16_to_f32 (
      ((const uint16_t *) page)[(d / 2 * NEVA_KV_PAGE + slot) * 2 + d % 2]);
}

static double
value_at (const Problem *p, size_t j, size_t d)
{
  const size_t slot = j % NEVA_KV_PAGE, dim = p->a.head_dim;
  const void *page = p->v[j / NEVA_KV_PAGE];

  if (p->a.type == NEVA_DTYPE_F32)
    return ((const float *) page)[slot * dim + d];
  return neva_bf16_to_f32 (
      ((const uint16_t *) page)[(slot / 2 * dim + d) * 2 + slot % 2]);
}

static float
query_at (const Problem *p, const float *q, size_t d)
{
  return p->a.type == NEVA_DTYPE_F32
             ? q[d]
             : neva_bf16_to_f32 (neva_f32_to_bf16 (q[d]));
}

/* One row in double and, for bf16, unfused with every stage rounded as PyTorch
 * does in bf16: s, probabilities. Fills
 *   bound[d]  what rounding may do to element d (see docs/KERNELS.md)
 *   naive[d]  the unfused result */
static void
bound_row (
    const Problem *p, size_t r, const float *q, double *bound, double *naive)
{
  const size_t n = p->a.kv_len, dim = p->a.head_dim;
  const bool bf16 = p->a.type == NEVA_DTYPE_BF16;
  double *s = malloc (2 * (n + 1) * sizeof *s), *rounded = s + n;
  double max = -INFINITY, total = 0, worst = 0;
  size_t seen = 0;

  for (size_t j = 0; j < n; j++) {
    double sum = 0, magnitude = 0;

    s[j] = -INFINITY;
    if (!visible (&p->a, r, j))
      continue;
    for (size_t d = 0; d < dim; d++) {
      const double x = query_at (p, q, d) * key_at (p, j, d);

      sum += x;
      magnitude += fabs (x);
    }
    s[j] = sum * p->a.scale;
    max = fmax (max, s[j]);
    worst = fmax (worst, magnitude * p->a.scale);
    seen++;
  }
  for (size_t j = 0; j < n; j++)
    total += s[j] = s[j] == -INFINITY ? 0 : exp (s[j] - max);
  for (size_t j = 0; j < n; j++)
    rounded[j] = neva_bf16_to_f32 (neva_f32_to_bf16 ((float) (s[j] / total)));

  /* Scores are off by (dim / 2 + 4) eps of their terms at most, which moves
   * every probability by twice that; the sums over keys and exp2 add theirs. */
  const double factor = 2 * ((double) dim / 2 + 4) * FLT_EPSILON * worst +
                        ((double) seen / 8 + 16) * FLT_EPSILON +
                        (bf16 ? 0x1p-8 + 2.5e-4 : 0);

  for (size_t d = 0; d < dim; d++) {
    double sum = 0;

    naive[d] = 0;
    for (size_t j = 0; j < n; j++)
      if (s[j] > 0) {
        sum += s[j] / total * fabs (value_at (p, j, d));
        naive[d] += rounded[j] * value_at (p, j, d);
      }
    bound[d] = factor * sum;
  }
  free (s);
}

static void
judge (const Problem *p)
{
  const size_t dim = p->a.head_dim;
  double bound[256], naive[256], square = 0, square_naive = 0, largest = 0;

  for (size_t r = 0; r < p->a.rows; r++)
    for (size_t g = 0; g < p->a.group; g++) {
      const size_t at = r * p->a.ldd + g * dim;

      bound_row (p, r, p->q + r * p->a.ldq + g * dim, bound, naive);
      for (size_t d = 0; d < dim; d++) {
        const double got = p->got[at + d], want = p->want[at + d];

        if (!check_close ("dst", at + d, got, want, bound[d]))
          return;
        square += (got - want) * (got - want);
        square_naive += (naive[d] - want) * (naive[d] - want);
        largest = fmax (largest, fabs (want));
      }
    }
  /* The bound holds for the worst element; on the whole the error is that of
   * the unfused computation, whose worst element is a matter of luck. naive is
   * in double but for its roundings to bf16: leave f32 its own. */
  const double n = (double) (p->a.rows * p->a.group * dim);

  if (p->a.type == NEVA_DTYPE_BF16 && n >= 2000)
    check_close ("rms against naive", 0, sqrt (square / n), 0,
        2 * sqrt (square_naive / n) + 4 * FLT_EPSILON * largest);
}

/* The same rows, in calls of a few rows that see no more pages than they must:
 * not a bit may change. */
static void
check_chunks (const CheckCtx *c, Problem *p)
{
  const size_t width = p->a.group * p->a.head_dim;
  float *one = check_buf (width * 3);

  for (size_t r = 0, n; r < p->a.rows; r += n) {
    NevaAttention a = p->a;

    n = 1 + check_rand () % 3;
    n = r + n > p->a.rows ? p->a.rows - r : n;
    a.rows = n;
    a.pos0 += r;
    a.ldd = width;
    if (a.causal && a.pos0 + n < a.kv_len)
      a.kv_len = a.pos0 + n;
    c->tier->attention (one, p->q + r * a.ldq, &a, p->work);
    for (size_t i = 0; i < n; i++)
      if (!check_same ("chunk", one + i * width, p->got + (r + i) * p->a.ldd,
              width * sizeof *one)) {
        check_free (one);
        return;
      }
  }
  check_free (one);
}

static void
check_shape (const CheckCtx *c, const Shape *s)
{
  Problem p = make_problem (c, s);

  c->ref->attention (p.want, p.q, &p.a, p.work);
  c->tier->attention (p.got, p.q, &p.a, p.work);
  check_fence (p.got, "dst");
  check_fence (p.work, "work");
  judge (&p);
  check_chunks (c, &p);
  free_problem (&p);
}

/* ---- kv_store ----------------------------------------------------------- */

static void
check_store_shape (
    const CheckCtx *c, NevaDType type, size_t dim, size_t slot, size_t count)
{
  const size_t bytes = neva_kv_page_bytes (type, dim), ld = dim + 3;
  float *k = check_buf (count * ld), *v = check_buf (count * ld);
  void *page[4];

  check_fill (k, count * ld, 1);
  check_fill (v, count * ld, 1);
  for (int i = 0; i < 4; i++) /* other slots keep what they hold: NaN */
    page[i] = check_alloc (bytes);
  c->ref->kv_store (page[0], page[1], type, dim, slot, k, ld, v, ld, count);
  c->tier->kv_store (page[2], page[3], type, dim, slot, k, ld, v, ld, count);
  check_same ("K", page[2], page[0], bytes);
  check_same ("V", page[3], page[1], bytes);
  check_fence (page[2], "K");
  check_fence (page[3], "V");
  if (count == NEVA_KV_PAGE && dim == 64)
    check_bench (c, type == NEVA_DTYPE_F32 ? "f32 64x64" : "bf16 64x64",
        (double) (count * dim) * 8e-9, "GB/s",
        c->tier->kv_store (
            page[2], page[3], type, dim, slot, k, ld, v, ld, count));
  for (int i = 0; i < 4; i++)
    check_free (page[i]);
  check_free (k), check_free (v);
}

void
check_kv_store (const CheckCtx *c)
{
  static const size_t widths[] = {1, 2, 7, 8, 16, 17, 24, 31, 64, 72, 128, 256};
  static const size_t spans[][2] = {/* slot, count */
      {0, 64}, {0, 1}, {63, 1}, {5, 8}, {5, 9}, {6, 17}, {1, 63}, {40, 24}};

  if (!check_func (
          c, (void *) c->tier->kv_store, (void *) c->ref->kv_store, "kv_store"))
    return;
  for (size_t d = 0; d < sizeof widths / sizeof widths[0]; d++)
    for (size_t s = 0; s < sizeof spans / sizeof spans[0]; s++)
      for (int type = 0; type < 2; type++)
        check_store_shape (c, type ? NEVA_DTYPE_BF16 : NEVA_DTYPE_F32,
            widths[d], spans[s][0], spans[s][1]);
}

/* ---- Speed -------------------------------------------------------------- */

/* Visible (row, key) pairs times the work of one. */
static double
operations (const NevaAttention *a)
{
  double pairs = 0;

  for (size_t r = 0; r < a->rows; r++)
    for (size_t j = 0; j < a->kv_len; j++)
      pairs += visible (a, r, j);
  return 4 * pairs * (double) (a->group * a->head_dim);
}

static void
bench_shape (const CheckCtx *c, const char *label, const Shape *s)
{
  Problem p = make_problem (c, s);

  check_bench (c, label, operations (&p.a) / 1e9, "GFLOP/s",
      c->tier->attention (p.got, p.q, &p.a, p.work));
  if (s->rows == 1)
    check_bench (c, label,
        2e-9 * (double) (neva_kv_page_bytes (s->type, s->head_dim) * p.pages),
        "GB/s", c->tier->attention (p.got, p.q, &p.a, p.work));
  free_problem (&p);
}

static void
bench (const CheckCtx *c)
{
  static const struct {
    const char *label;
    Shape shape;
  } list[] = {
      {"prefill 512 d64 g8", {64, 8, 512, 512, 0, 0, true, 0, 1}},
      {"prefill 2048 d64 g8", {64, 8, 2048, 2048, 0, 0, true, 0, 1}},
      {"prefill 2048 d128 g1", {128, 1, 2048, 2048, 0, 0, true, 0, 1}},
      {"chunk 512 at 1536 d64 g8", {64, 8, 512, 2048, 1536, 0, true, 0, 1}},
      {"ViT 257 d64", {64, 1, 257, 257, 0, 0, false, 0, 1}},
      {"SigLIP 729 d72", {72, 1, 729, 729, 0, 0, false, 0, 1}},
      {"decode 2048 d64 g8", {64, 8, 1, 2048, 2047, 0, true, 0, 1}},
      {"decode 65536 d64 g8", {64, 8, 1, 65536, 65535, 0, true, 0, 1}},
      {"decode 65536 d128 g1", {128, 1, 1, 65536, 65535, 0, true, 0, 1}},
  };

  for (size_t i = 0; c->bench && i < sizeof list / sizeof list[0]; i++)
    for (int type = 0; type < 2; type++) {
      Shape s = list[i].shape;
      char label[64];

      s.type = type ? NEVA_DTYPE_BF16 : NEVA_DTYPE_F32;
      snprintf (
          label, sizeof label, "%s %s", type ? "bf16" : "f32", list[i].label);
      bench_shape (c, label, &s);
    }
}

void
check_attention (const CheckCtx *c)
{
  static const Shape shapes[] = {
      {1, 1, 1, 1, 0, 0, true, 0, 1},
      {64, 1, 1, 1, 0, 0, false, 0, 1},
      {24, 2, 3, 3, 0, 0, true, 0, 1},
      {33, 3, 5, 70, 60, 0, true, 0, 1},
      {64, 8, 9, 300, 291, 0, true, 0, 1},
      {64, 4, 40, 40, 0, 0, true, 0, 2},
      {64, 1, 65, 257, 0, 0, false, 0, 1},
      {72, 1, 33, 129, 0, 0, false, 0, 3},
      {80, 2, 17, 600, 583, 0, true, 0, 1},
      {96, 1, 40, 513, 473, 100, true, 0, 1},
      {128, 5, 20, 320, 300, 48, true, 0, 1},
      {256, 2, 12, 191, 179, 0, true, 0, 1},
      {16, 1, 3, 64, 500, 20, true, 0, 1}, /* no visible key */
      {8, 1, 70, 70, 0, 1, true, 0, 1},
      {7, 2, 12, 66, 0, 0, true, 0, 4}, /* rows beyond kv_len or before */
      {64, 1, 30, 700, 100, 33, false, 0, 1},
      {40, 1, 1, 1100, 1099, 0, true, 0, 1},
  };

  if (!check_func (c, (void *) c->tier->attention, (void *) c->ref->attention,
          "attention"))
    return;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    for (int type = 0; type < 2; type++) {
      Shape s = shapes[i];

      s.type = type ? NEVA_DTYPE_BF16 : NEVA_DTYPE_F32;
      check_shape (c, &s);
    }
  bench (c);
}
