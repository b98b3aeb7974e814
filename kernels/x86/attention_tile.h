/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention of one block of rows with a running softmax, written once for every
 * vector length and element type. The includer defines
 *
 *   V, VL               vector of f32, and its lanes
 *   B, UNIT             operand made of a 32-bit word of K or V per lane, and
 *                       the elements in such a word (1: f32, 2: bf16)
 *   A_BYTES             bytes of the row operand that meets one word
 *   ROWS                rows of a register tile (1, 2, 4 or 8)
 *   SUFFIX              of the names below
 *   v_load_n, v_store_n the first n < VL lanes only
 *   b_load, b_load_n    words to operand
 *   b_mac (acc, a, b)   acc + row operand at `a` times b
 *   put_row (dst, x, n) n f32 to row operands (the query)
 *
 *   S [ROWS_MAX][KEYS] = A = q [rows][head_dim]  x  K
 *   P [ROWS_MAX][KEYS] = exp2 (S - max)
 *   O [ROWS_MAX][head_dim] = O exp2 (old max - max) + P V
 *
 * A row's result depends on its query, its position, the keys that it sees and
 * nothing else: register tiles of any height add in the same order, keys that
 * it does not see add an exact zero.
 */

#define ROWS_MAX NEVA_ATTENTION_ROWS
#define SOFTMAX_ROWS ((ROWS_MAX + VL - 1) / VL * VL)
#include "attention_softmax.h"

#define KEYS NEVA_ATTENTION_KEYS
#define PAGE NEVA_KV_PAGE
#define HEAD_MAX 256

typedef struct {
  float s[ROWS_MAX][KEYS];
  float o[ROWS_MAX][HEAD_MAX];
  char a[ROWS_MAX][(HEAD_MAX / UNIT + 1) * A_BYTES];
  char p[ROWS_MAX][KEYS / UNIT * A_BYTES];
  uint32_t v_tail[HEAD_MAX]; /* the last pair of V, without its stale half */
  Softmax softmax;
} Work;

/* acc[r][j] += sum over g < groups of A[r][g] B[g][j], j in 1 or 2 vectors, or
 * the first `tail` lanes of one. */
static inline __attribute__ ((always_inline)) void
multiply (float *c, size_t ldc, const char *a, size_t lda, const char *b,
    size_t ldb, size_t groups, const int rows, const int vectors, bool start,
    size_t tail)
{
  V acc[ROWS][2];

#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++)
      acc[r][j] = start  ? v_zero ()
                  : tail ? v_load_n (c + (size_t) r * ldc, tail)
                         : v_load (c + (size_t) r * ldc + j * VL);

  for (size_t g = 0; g < groups; g++, b += ldb) {
    B k[2];

#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++)
      k[j] = tail ? b_load_n (b, tail) : b_load (b + j * VL * 4);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++)
        acc[r][j] = b_mac (acc[r][j], a + (size_t) r * lda + g * A_BYTES, k[j]);
  }

#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++)
      if (tail)
        v_store_n (c + (size_t) r * ldc, acc[r][j], tail);
      else
        v_store (c + (size_t) r * ldc + j * VL, acc[r][j]);
}

/* The same for any number of rows and columns. */
static inline __attribute__ ((always_inline)) void
multiply_rows (float *c, size_t ldc, const char *a, size_t lda, const char *b,
    size_t ldb, size_t groups, size_t rows, const int vectors, bool start,
    size_t tail)
{
  for (; rows >= ROWS; rows -= ROWS, c += ROWS * ldc, a += ROWS * lda)
    multiply (c, ldc, a, lda, b, ldb, groups, ROWS, vectors, start, tail);
  if (ROWS > 4 && rows >= 4) {
    multiply (c, ldc, a, lda, b, ldb, groups, 4, vectors, start, tail);
    rows -= 4, c += 4 * ldc, a += 4 * lda;
  }
  if (rows >= 2) {
    multiply (c, ldc, a, lda, b, ldb, groups, 2, vectors, start, tail);
    rows -= 2, c += 2 * ldc, a += 2 * lda;
  }
  if (rows)
    multiply (c, ldc, a, lda, b, ldb, groups, 1, vectors, start, tail);
}

/* Scores of keys [lo, hi), rounded out to whole register tiles; `t0` is key 0
 * of S. */
static void
scores (Work *w, const NevaAttentionBlock *b, size_t t0, size_t lo, size_t hi)
{
  const size_t groups = (b->a->head_dim + UNIT - 1) / UNIT;

  for (size_t key = lo; key < hi; key += 2 * VL)
    multiply_rows (w->s[0] + key - t0, KEYS, w->a[0], sizeof w->a[0],
        (const char *) b->a->k[key / PAGE] + key % PAGE * 4, PAGE * 4, groups,
        b->n, 2, true, 0);
}

static void
scale_output (Work *w, size_t rows, size_t head_dim)
{
  for (size_t r = 0; r < rows; r++) {
    const V decay = v_set1 (w->softmax.decay[r]);

    if (w->softmax.decay[r] != 1)
      for (size_t d = 0; d < head_dim; d += VL)
        v_store (w->o[r] + d, v_mul (v_load (w->o[r] + d), decay));
  }
}

/* O += P V over `groups` words of keys from word `g` of the tile on. */
static void
weigh (Work *w, const NevaAttentionBlock *b, size_t g, const char *v,
    size_t groups)
{
  const size_t dim = b->a->head_dim, ldv = dim * 4;
  const char *p = w->p[0] + g * A_BYTES;
  size_t d = 0;

  for (; d + 2 * VL <= dim; d += 2 * VL)
    multiply_rows (w->o[0] + d, HEAD_MAX, p, sizeof w->p[0], v + d * 4, ldv,
        groups, b->n, 2, false, 0);
  if (d + VL <= dim) {
    multiply_rows (w->o[0] + d, HEAD_MAX, p, sizeof w->p[0], v + d * 4, ldv,
        groups, b->n, 1, false, 0);
    d += VL;
  }
  if (d < dim)
    multiply_rows (w->o[0] + d, HEAD_MAX, p, sizeof w->p[0], v + d * 4, ldv,
        groups, b->n, 1, false, dim - d);
}

/* O += P V for keys [lo, hi) of the tile at t0; lo begins a page. */
static void
values (Work *w, const NevaAttentionBlock *b, size_t t0, size_t lo, size_t hi)
{
  const size_t ldv = b->a->head_dim * 4;

  for (size_t key = lo; key < hi; key += PAGE) {
    const size_t n = hi - key < PAGE ? hi - key : PAGE;
    const size_t whole = n / UNIT;
    const char *page = b->a->v[key / PAGE];

    weigh (w, b, (key - t0) / UNIT, page, whole);
    if (n % UNIT) { /* the other half of the last pair may be stale: drop it */
      memcpy (w->v_tail, page + whole * ldv, ldv);
      for (size_t d = 0; d < b->a->head_dim; d++)
        w->v_tail[d] &= 0xffff;
      weigh (w, b, (key - t0) / UNIT + whole, (const char *) w->v_tail, 1);
    }
  }
}

static void
begin (Work *w, const NevaAttentionBlock *b, const float *q)
{
  softmax_start (&w->softmax, b);
  for (size_t r = 0; r < b->n; r++) {
    const size_t row = b->row0 + r;

    put_row (w->a[r],
        q + row / b->a->group * b->a->ldq + row % b->a->group * b->a->head_dim,
        b->a->head_dim);
    memset (w->o[r], 0, sizeof w->o[r]);
  }
}

static void
finish (const Work *w, const NevaAttentionBlock *b, float *dst)
{
  const size_t dim = b->a->head_dim;

  for (size_t r = 0; r < b->n; r++) {
    const size_t row = b->row0 + r;
    float *out = dst + row / b->a->group * b->a->ldd + row % b->a->group * dim;
    const V scale = v_set1 (w->softmax.sum[r] == 0 ? 0 : 1 / w->softmax.sum[r]);
    size_t d = 0;

    for (; d + VL <= dim; d += VL)
      v_store (out + d, v_mul (v_load (w->o[r] + d), scale));
    if (d < dim)
      v_store_n (out + d, v_mul (v_load (w->o[r] + d), scale), dim - d);
  }
}

static void
SUFFIX (attend) (
    float *dst, const float *q, const NevaAttentionBlock *b, Work *w)
{
  begin (w, b, q);
  for (size_t t0 = b->lo / KEYS * KEYS; t0 < b->hi; t0 += KEYS) {
    const size_t lo = b->lo > t0 ? b->lo / PAGE * PAGE : t0;
    const size_t hi = b->hi < t0 + KEYS ? b->hi : t0 + KEYS;
    const size_t hi_tile = (hi + 2 * VL - 1) / (2 * VL) * (2 * VL);

    scores (w, b, t0, lo, hi_tile);
    softmax_rows (&w->softmax, b, w->s[0], KEYS, w->p[0], sizeof w->p[0], t0,
        lo, hi_tile);
    scale_output (w, b->n, b->a->head_dim);
    values (w, b, t0, lo, hi);
  }
  finish (w, b, dst);
}

static void
SUFFIX (attention) (
    float *dst, const float *q, const NevaAttention *a, void *work)
{
  const size_t rows = a->rows * a->group;

  for (size_t row = 0; row < rows; row += ROWS_MAX) {
    const size_t n = rows - row < ROWS_MAX ? rows - row : ROWS_MAX;
    const NevaAttentionBlock b = neva_attention_block (a, row, n);

    SUFFIX (attend) (dst, q, &b, work);
  }
}
