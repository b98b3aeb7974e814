/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention through tiles: up to 32 rows share every load of K and V, whose
 * pages already are what a B tile wants (16 words deep, 16 lanes wide).
 *
 *   S [32][KEYS]   = A [k step][32][32 bf16]  x  K, 32 keys at a time
 *   P [32][KEYS]   = exp2 (S - max), bf16
 *   O [d tile][32][16] += P V, 32 keys of depth at a time
 *
 * A head_dim that is no multiple of a tile is met by a last tile that overlaps
 * the one before it: with zeros in A for what was summed already, with a copy
 * of its own in O. Rows of a tile do not mix and keys are taken in steps that
 * are counted from key 0, so here too a row's bits are its own. */
#include "config.h"
#include "attention_bf16.h"
#define v_exp2 neva_exp2_short_avx512
#include "amx.h"
#define ROWS_MAX 32
#define SOFTMAX_ROWS ROWS_MAX
#include "attention_softmax.h"

#define KEYS NEVA_ATTENTION_KEYS
#define PAGE NEVA_KV_PAGE
#define HEAD_MAX 256
#define STEP 32 /* elements in a row of A, keys in a step of V */
#define TILE 16
#define HEAD_MIN 31 /* two tiles may overlap, but one must fit */

typedef struct {
  float s[ROWS_MAX][KEYS];
  float o[HEAD_MAX / TILE][ROWS_MAX][TILE];
  uint16_t p[ROWS_MAX][KEYS];
  uint16_t a[HEAD_MAX / STEP][ROWS_MAX][STEP];
  uint32_t v_tail[TILE][HEAD_MAX]; /* the last step of V, without stale slots */
  Softmax softmax;
} Work;

_Static_assert(sizeof (Work) <= NEVA_ATTENTION_TILE_BYTES, "work");

/* C [32][16 cols] += A [32][32] B [16][16 cols] pairs; tiles as in amx.h. */
static inline __attribute__ ((always_inline)) void
step (const bool both, const int cols, const void *a, size_t lda, const char *b,
    size_t ldb, size_t next)
{
  _tile_loadd (4, a, lda);
  _tile_loadd (6, b, ldb);
  _tile_dpbf16ps (0, 4, 6);
  if (cols == 2) {
    _tile_loadd (7, b + next, ldb);
    _tile_dpbf16ps (1, 4, 7);
  }
  if (both) {
    _tile_loadd (5, (const char *) a + TILE * lda, lda);
    _tile_dpbf16ps (2, 5, 6);
    if (cols == 2)
      _tile_dpbf16ps (3, 5, 7);
  }
}

/* ---- Scores ------------------------------------------------------------- */

static inline __attribute__ ((always_inline)) void
score_tiles (Work *w, const NevaAttentionBlock *b, size_t t0, size_t lo,
    size_t hi, const bool both)
{
  const size_t pairs = (b->a->head_dim + 1) / 2, ld = sizeof w->s[0];
  const size_t steps = (pairs + TILE - 1) / TILE;

  for (size_t key = lo; key < hi; key += 2 * TILE) {
    const char *page = (const char *) b->a->k[key / PAGE] + key % PAGE * 4;
    float *s = w->s[0] + key - t0;

    _tile_zero (0);
    _tile_zero (1);
    _tile_zero (2);
    _tile_zero (3);
    for (size_t i = 0; i < steps; i++) {
      const size_t pair = i + 1 < steps ? i * TILE : pairs - TILE;

      step (both, 2, w->a[i], STEP * 2, page + pair * PAGE * 4, PAGE * 4,
          TILE * 4);
    }
    _tile_stored (0, s, ld);
    _tile_stored (1, s + TILE, ld);
    if (both) {
      _tile_stored (2, s + TILE * KEYS, ld);
      _tile_stored (3, s + TILE * KEYS + TILE, ld);
    }
  }
}

/* ---- Weighted sum ------------------------------------------------------- */

/* O of d tiles [tile, tile + cols) += P V over keys [lo, hi), hi a multiple of
 * 32 but for the copy that replaces the last step. */
static inline __attribute__ ((always_inline)) void
value_tiles (Work *w, const NevaAttentionBlock *b, size_t tile, const int cols,
    size_t t0, size_t lo, size_t hi, const bool both)
{
  const size_t dim = b->a->head_dim, ldv = dim * 4, ld = TILE * 4;
  const size_t d0 = (tile + 1) * TILE <= dim ? tile * TILE : dim - TILE;
  const size_t d1 = (tile + 2) * TILE <= dim ? d0 + TILE : dim - TILE;
  float *o = w->o[tile][0], *next = w->o[tile + cols - 1][0];

  _tile_loadd (0, o, ld);
  if (cols == 2)
    _tile_loadd (1, next, ld);
  if (both) {
    _tile_loadd (2, o + TILE * TILE, ld);
    if (cols == 2)
      _tile_loadd (3, next + TILE * TILE, ld);
  }
  for (size_t key = lo; key < hi; key += STEP) {
    const char *page =
        key + STEP > b->a->kv_len
            ? (const char *) w->v_tail
            : (const char *) b->a->v[key / PAGE] + key % PAGE / 2 * ldv;

    step (both, cols, w->p[0] + key - t0, sizeof w->p[0], page + d0 * 4, ldv,
        (d1 - d0) * 4);
  }
  _tile_stored (0, o, ld);
  if (cols == 2)
    _tile_stored (1, next, ld);
  if (both) {
    _tile_stored (2, o + TILE * TILE, ld);
    if (cols == 2)
      _tile_stored (3, next + TILE * TILE, ld);
  }
}

/* The step of V that kv_len ends in, with zeros for slots that may hold
 * anything. */
static void
copy_tail (Work *w, const NevaAttention *a)
{
  const size_t dim = a->head_dim, begin = a->kv_len / STEP * STEP;
  const size_t n = a->kv_len - begin;
  const char *page =
      (const char *) a->v[begin / PAGE] + begin % PAGE / 2 * dim * 4;
  char *dst = (char *) w->v_tail;

  memset (dst, 0, TILE * dim * 4);
  memcpy (dst, page, (n + 1) / 2 * dim * 4);
  if (n % 2)
    for (size_t d = 0; d < dim; d++)
      memset (dst + (n / 2 * dim + d) * 4 + 2, 0, 2);
}

/* ---- A block of rows ---------------------------------------------------- */

static void
begin (Work *w, const NevaAttentionBlock *b, const float *q)
{
  const size_t dim = b->a->head_dim, padded = (dim + 1) / 2 * 2;
  const size_t steps = (padded + STEP - 1) / STEP;
  uint16_t row[HEAD_MAX];

  for (size_t r = 0; r < b->n; r++) {
    const size_t at = b->row0 + r;
    const size_t done = (steps - 1) * STEP, overlap = steps * STEP - padded;

    put_row ((char *) row,
        q + at / b->a->group * b->a->ldq + at % b->a->group * dim, dim);
    for (size_t i = 0; i + 1 < steps; i++)
      memcpy (w->a[i][r], row + i * STEP, STEP * 2);
    memset (w->a[steps - 1][r], 0, overlap * 2);
    memcpy (w->a[steps - 1][r] + overlap, row + done, (STEP - overlap) * 2);
  }
  softmax_start (&w->softmax, b);
  memset (w->o, 0, (dim + TILE - 1) / TILE * sizeof w->o[0]);
}

static void
scale_output (Work *w, size_t rows, size_t tiles)
{
  for (size_t r = 0; r < rows; r++) {
    const V decay = v_set1 (w->softmax.decay[r]);

    if (w->softmax.decay[r] != 1)
      for (size_t i = 0; i < tiles; i++)
        v_store (w->o[i][r], v_mul (v_load (w->o[i][r]), decay));
  }
}

static void
finish (const Work *w, const NevaAttentionBlock *b, float *dst)
{
  const size_t dim = b->a->head_dim;

  for (size_t r = 0; r < b->n; r++) {
    const size_t row = b->row0 + r;
    float *out = dst + row / b->a->group * b->a->ldd + row % b->a->group * dim;
    const float sum = w->softmax.sum[r];
    const V scale = v_set1 (sum == 0 ? 0 : 1 / sum);

    for (size_t d = 0; d < dim; d += TILE)
      v_store (out + (d + TILE <= dim ? d : dim - TILE),
          v_mul (v_load (w->o[d / TILE][r]), scale));
  }
}

static inline __attribute__ ((always_inline)) void
attend (Work *w, const NevaAttentionBlock *b, const bool both)
{
  const size_t tiles = (b->a->head_dim + TILE - 1) / TILE;

  for (size_t t0 = b->lo / KEYS * KEYS; t0 < b->hi; t0 += KEYS) {
    const size_t lo = b->lo > t0 ? b->lo / PAGE * PAGE : t0;
    const size_t end = (b->hi + STEP - 1) / STEP * STEP;
    const size_t hi = end < t0 + KEYS ? end : t0 + KEYS;

    score_tiles (w, b, t0, lo, hi, both);
    softmax_rows (&w->softmax, b, w->s[0], KEYS, (char *) w->p, sizeof w->p[0],
        t0, lo, hi);
    scale_output (w, b->n, tiles);
    for (size_t i = 0; i + 2 <= tiles; i += 2)
      value_tiles (w, b, i, 2, t0, lo, hi, both);
    if (tiles % 2)
      value_tiles (w, b, tiles - 1, 1, t0, lo, hi, both);
  }
}

NEVA_DECL_ATTENTION (neva_attention_bf16_amx)
{
  const size_t rows = a->rows * a->group;
  Work *w = work;

  if (a->head_dim < HEAD_MIN) {
    neva_attention_bf16_avx512bf16 (dst, q, a, work);
    return;
  }

  if (a->kv_len % STEP)
    copy_tail (w, a);
  for (size_t row = 0; row < rows; row += ROWS_MAX) {
    const size_t n = rows - row < ROWS_MAX ? rows - row : ROWS_MAX;
    const NevaAttentionBlock b = neva_attention_block (a, row, n);

    if (row == 0 || n < ROWS_MAX)
      neva_tiles_configure (n < TILE ? n : TILE, n < TILE ? 0 : n - TILE);
    begin (w, &b, q);
    if (n > TILE)
      attend (w, &b, true);
    else
      attend (w, &b, false);
    finish (w, &b, dst);
  }
  _tile_release ();
}
