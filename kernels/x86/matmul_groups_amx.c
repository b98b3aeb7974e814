/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I8 and I4 weights by tiles (blocking: tiles.h).
 *
 *   x tile   16 rows of 64 k, as xq lies in memory
 *   w tile   [16 quads of k][16 columns][4], copied here in the order of use;
 *            I8 codes lose their 128, so that no correction is needed
 *   strip    [groups][2 of k][2 of columns][tile], then scales and lows in f32
 *            [groups][32] each
 *
 * A group is two steps of tiles. Its int32 sums go through memory to the vector
 * unit, which scales them, in the same operations as every other tier, while
 * the tiles already multiply the next groups. Two groups are scaled at a time:
 * the f32 sums are then loaded and stored half as often. */
#include "config.h"
#include "amx.h"
#include "matmul_amx.h"
#include "panel.h"
#include "tiles.h"

#define INLINE static inline __attribute__ ((always_inline))

enum {
  PANEL = NEVA_MATMUL_PANEL,
  GROUP = NEVA_QUANT_GROUP,
  ROWS = NEVA_TILE_ROWS,
  COLUMNS = NEVA_TILE_COLUMNS,
  SUMS = NEVA_TILE_SUMS,
  K_TILE = 64,
  STEP = PANEL * 4, /* bytes of 4 k of a packed panel */
  MAX_GROUPS = 6,   /* of a strip: 24 KiB of L1 */
  FAR_GROUPS = 24,  /* of x, for all rows of a block: in L2 */
  MAX_ROWS = 512,
  FAR_COLUMNS = 256, /* at a time, where k is longer than that */
  GROUP_TILES = 4 * NEVA_TILE_BYTES
};

/* int32 sums of a group */
static const NevaTileShape row_major = {COLUMNS, NEVA_TILE, NEVA_TILE *COLUMNS};

typedef struct {
  char tiles[MAX_GROUPS][GROUP_TILES];
  float scale[MAX_GROUPS][COLUMNS], low[MAX_GROUPS][COLUMNS];
  int sums[4][SUMS];        /* of the groups that are under way */
  float c[SUMS];            /* of a piece */
  float last[ROWS * PANEL]; /* what `finish` reads */
} Near;

typedef struct {
  float *dst;
  size_t ldd;
  const char *xq;
  size_t x_stride, x_scale, x_sum; /* offsets of the tables in a row */
  const NevaWeight *w;
  const NevaEpilogue *epilogue;
  size_t m, n1, groups, far, step; /* groups: all, of a far block, of a strip */
  Near *near;
  float *sums; /* [strips][m / 32][SUMS] */
} Product;

/* What a piece is made of. */
typedef struct {
  float *to;
  const float *from; /* NULL: sums start here */
  size_t ld;         /* of `to` */
  const char *x;     /* row 0 of xq */
  size_t g0, groups, rows;
  const char *ahead; /* next weights, `lines` of them in each group */
  size_t lines;
  const char *dst; /* of this piece: fetched for writing, some rows a group */
  size_t dst_rows;
} Piece;

/* ---- Strips ------------------------------------------------------------- */

static void
copy_i8 (Near *s, size_t g, const char *in, size_t half)
{
  const __m512i bias = _mm512_set1_epi8 ((char) 0x80);
  char *out = s->tiles[g];

  memcpy (s->scale[g], in + half * COLUMNS * 4, COLUMNS * 4);
  in += NEVA_I8_Q + half * COLUMNS * 4;
  for (size_t i = 0; i < GROUP / 4; i++, in += STEP) {
    char *to = out + i / 16 * 2 * NEVA_TILE_BYTES + i % 16 * 64;

    _mm512_store_si512 (to, _mm512_xor_si512 (_mm512_load_si512 (in), bias));
    _mm512_store_si512 (to + NEVA_TILE_BYTES,
        _mm512_xor_si512 (_mm512_load_si512 (in + 64), bias));
  }
}

static void
copy_i4 (Near *s, size_t g, const char *in, size_t half)
{
  const __m512i mask = _mm512_set1_epi8 (15);
  const char *header = in + half * COLUMNS * 2;
  char *out = s->tiles[g];

  for (size_t j = 0; j < COLUMNS; j += 16) {
    const __m256i scale =
        _mm256_load_si256 ((const __m256i *) (header + j * 2));
    const __m256i low =
        _mm256_load_si256 ((const __m256i *) (header + PANEL * 2 + j * 2));

    _mm512_store_si512 (
        s->scale[g] + j, _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (scale), 16));
    _mm512_store_si512 (
        s->low[g] + j, _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (low), 16));
  }
  in += NEVA_I4_Q + half * COLUMNS * 4;
  for (size_t i = 0; i < GROUP / 8; i++, in += STEP) {
    char *to = out + i / 8 * 2 * NEVA_TILE_BYTES + i % 8 * 128;

    for (size_t j = 0; j < 2; j++, to += NEVA_TILE_BYTES) {
      const __m512i v = _mm512_load_si512 (in + 64 * j);

      _mm512_store_si512 (to, _mm512_and_si512 (v, mask));
      _mm512_store_si512 (
          to + 64, _mm512_and_si512 (_mm512_srli_epi16 (v, 4), mask));
    }
  }
}

static const char *
packed_group (const Product *p, size_t n, size_t g)
{
  return (const char *) p->w->data +
         n / PANEL * neva_packed_panel_bytes (p->w->type, p->w->k) +
         g * neva_packed_group_bytes (p->w->type);
}

/* ---- A piece ------------------------------------------------------------ */

/* The int32 sums of a group, in tiles. */
INLINE void
dot_group (const char *x, size_t stride, const char *tiles, bool two)
{
  NEVA_TILE_ZERO (two);
  NEVA_TILE_STEP (_tile_dpbssd, x, x + 16 * stride, stride, tiles,
      tiles + NEVA_TILE_BYTES, 64, two);
  x += K_TILE;
  tiles += 2 * NEVA_TILE_BYTES;
  NEVA_TILE_STEP (_tile_dpbssd, x, x + 16 * stride, stride, tiles,
      tiles + NEVA_TILE_BYTES, 64, two);
}

/* Where scaled sums come from and go to. */
typedef struct {
  const float *from; /* NULL: zero */
  float *to;
  size_t from_ld, to_ld;
} Flow;

/* One or two groups (from g of the strip on), rows [r0, r1), both columns. */
INLINE void
add_groups (const Product *p, const Piece *piece, const Flow *f, size_t g,
    size_t n, size_t r0, size_t r1, bool with_low)
{
  const Near *s = p->near;
  const size_t tables = p->x_scale + (piece->g0 + g) * 4;
  const char *x = piece->x + r0 * p->x_stride + tables;
  __m512 scale[2][2], low[2][2];

  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < 2; j++) {
      scale[i][j] = _mm512_load_ps (s->scale[g + i] + 16 * j);
      if (with_low)
        low[i][j] = _mm512_load_ps (s->low[g + i] + 16 * j);
    }
  for (size_t r = r0; r < r1; r++, x += p->x_stride) {
    __m512 v[2] = {_mm512_setzero_ps (), _mm512_setzero_ps ()};

    if (f->from)
      for (size_t j = 0; j < 2; j++)
        v[j] = _mm512_load_ps (f->from + r * f->from_ld + 16 * j);
    for (size_t i = 0; i < n; i++) {
      const int *sums = s->sums[(g + i) % 4] + r * COLUMNS;
      const __m512 xs = _mm512_set1_ps (((const float *) x)[i]);

      for (size_t j = 0; j < 2; j++)
        v[j] = _mm512_fmadd_ps (
            _mm512_cvtepi32_ps (_mm512_load_si512 (sums + 16 * j)),
            _mm512_mul_ps (scale[i][j], xs), v[j]);
      if (with_low) {
        const __m512 total =
            _mm512_set1_ps (((const float *) (x + p->x_sum - p->x_scale))[i]);

        for (size_t j = 0; j < 2; j++)
          v[j] = _mm512_fmadd_ps (low[i][j], total, v[j]);
      }
    }
    for (size_t j = 0; j < 2; j++)
      _mm512_store_ps (f->to + r * f->to_ld + 16 * j, v[j]);
  }
}

/* The group's tiles, while rows [r0, r1) of groups before it are scaled. */
INLINE void
step (const Product *p, const Piece *piece, size_t g, const Flow *f,
    size_t scaled, size_t n, size_t r0, size_t r1, bool two, bool with_low)
{
  const bool more = g < piece->groups;
  const char *ahead = piece->ahead + g * piece->lines * 64;

  if (more)
    dot_group (piece->x + (piece->g0 + g) * GROUP, p->x_stride,
        p->near->tiles[g], two);
  for (size_t i = 0; more && i < piece->lines; i++)
    _mm_prefetch (ahead + i * 64, _MM_HINT_T0);
  for (size_t r = g * piece->dst_rows; more && r < (g + 1) * piece->dst_rows;
       r++) {
    __builtin_prefetch (piece->dst + r * p->ldd * 4, 1);
    __builtin_prefetch (piece->dst + r * p->ldd * 4 + 64, 1);
  }
  if (r0 < r1)
    add_groups (p, piece, f, scaled, n, r0, r1, with_low);
  if (more)
    NEVA_TILE_STORE (p->near->sums[g % 4], row_major, two);
}

INLINE void
multiply (const Product *p, const Piece *piece, bool two, bool with_low)
{
  const size_t rows = piece->rows, split = rows > 16 ? 16 : rows;
  Flow f = {piece->from, p->near->c, COLUMNS, COLUMNS};
  size_t g = 0;

  step (p, piece, 0, &f, 0, 0, 0, 0, two, with_low);
  step (p, piece, 1, &f, 0, 0, 0, 0, two, with_low);
  for (; g + 2 <= piece->groups; g += 2) {
    if (g + 2 == piece->groups)
      f.to = piece->to, f.to_ld = piece->ld;
    step (p, piece, g + 2, &f, g, 2, 0, split, two, with_low);
    step (p, piece, g + 3, &f, g, 2, split, rows, two, with_low);
    f.from = p->near->c;
  }
  if (g < piece->groups) {
    f.to = piece->to, f.to_ld = piece->ld;
    add_groups (p, piece, &f, g, 1, 0, rows, with_low);
  }
}

static void
run_piece (const Product *p, const Piece *piece)
{
  const bool two = piece->rows > 16;

  if (p->w->type == NEVA_DTYPE_I4 && two)
    multiply (p, piece, true, true);
  else if (p->w->type == NEVA_DTYPE_I4)
    multiply (p, piece, false, true);
  else if (two)
    multiply (p, piece, true, false);
  else
    multiply (p, piece, false, false);
}

/* ---- Blocks ------------------------------------------------------------- */

static void
finish (const Product *p, size_t r, size_t rows, size_t n)
{
  const NevaEpilogue *e = p->epilogue;
  const size_t left = p->n1 - n;
  const NevaFinish f = {.bias = e->bias ? e->bias + n : NULL,
      .act = e->act,
      .add = e->add,
      .rows = rows,
      .columns = left < COLUMNS ? left : COLUMNS};

  neva_finish_avx512 (p->dst + r * p->ldd + n, p->ldd, p->near->last, &f);
}

/* Groups [g0, g0 + groups) of 32 columns, all rows. `ahead`: what follows these
 * groups in memory, `lines` of it for each group of each piece. */
static void
strip_block (const Product *p, float *sums, size_t n, size_t g0, size_t groups,
    const char *ahead, size_t lines)
{
  const bool last = g0 + groups == p->groups;
  const size_t share0 = ROWS * g0 / p->groups;
  const size_t share1 = ROWS * (g0 + groups) / p->groups;
  size_t rows, configured = 0;

  for (size_t g = 0; g < groups; g++) {
    const char *in = packed_group (p, n, g0 + g);

    if (p->w->type == NEVA_DTYPE_I4)
      copy_i4 (p->near, g, in, n % PANEL / COLUMNS);
    else
      copy_i8 (p->near, g, in, n % PANEL / COLUMNS);
  }
  for (size_t r = 0; r < p->m; r += rows, sums += SUMS) {
    Piece piece = {.to = last ? p->near->last : sums,
        .from = g0 ? sums : NULL,
        .ld = last ? PANEL : COLUMNS,
        .x = p->xq + r * p->x_stride,
        .g0 = g0,
        .groups = groups,
        .ahead = ahead,
        .lines = lines,
        .dst = (const char *) (p->dst + (r + share0) * p->ldd + n)};

    piece.rows = rows = p->m - r < ROWS ? p->m - r : ROWS;
    if (rows != configured)
      neva_tiles_configure (rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 0);
    configured = rows;
    piece.dst_rows = rows == ROWS ? (share1 - share0) / groups : 0;
    run_piece (p, &piece);
    ahead += groups * lines * 64;
    if (last)
      finish (p, r, rows, n);
  }
}

/* The same groups of a panel's two strips; the next groups are fetched. */
static void
panel_block (const Product *p, float *sums, size_t n, size_t g0, size_t groups)
{
  const size_t pieces = (p->m + ROWS - 1) / ROWS;
  const size_t bytes = groups * neva_packed_group_bytes (p->w->type);
  const bool more = n + PANEL < p->n1;
  const size_t visits = 2 * pieces * groups;
  const size_t lines = more ? (bytes / 64 + visits - 1) / visits : 0;
  const char *ahead = packed_group (p, n, g0 + groups);

  for (size_t j = 0; j < PANEL && n + j < p->n1; j += COLUMNS) {
    strip_block (p, sums, n + j, g0, groups, ahead, lines);
    sums += pieces * SUMS;
    ahead += pieces * groups * lines * 64;
  }
}

static void
columns_block (const Product *p, size_t n0, size_t n1)
{
  const size_t panel = 2 * (p->m + ROWS - 1) / ROWS * SUMS;

  for (size_t far = 0; far < p->groups; far += p->far) {
    const size_t end = far + p->far < p->groups ? far + p->far : p->groups;

    for (size_t n = n0; n < n1; n += PANEL)
      for (size_t g = far; g < end; g += p->step)
        panel_block (p, p->sums + (n - n0) / PANEL * panel, n, g,
            end - g < p->step ? end - g : p->step);
  }
}

/* `total` in equal parts of at most `most`. */
static size_t
part (size_t total, size_t most)
{
  const size_t parts = (total + most - 1) / most;

  return (total + parts - 1) / parts;
}

static void
multiply_groups (float *dst, size_t ldd, const void *xq, const NevaWeight *w,
    const NevaEpilogue *epilogue, size_t m, size_t n0, size_t n1, void *work)
{
  const size_t groups = neva_quant_groups (w->k);
  const size_t far = part (groups, FAR_GROUPS);
  const size_t columns = far < groups ? FAR_COLUMNS : PANEL;
  Product p = {.ldd = ldd,
      .x_stride = neva_act_row_bytes (w->type, w->k),
      .x_scale = neva_act_scale_offset (w->k),
      .x_sum = neva_act_sum_offset (w->k),
      .w = w,
      .epilogue = epilogue,
      .n1 = n1,
      .groups = groups,
      .far = far,
      .step = part (far, MAX_GROUPS),
      .near = work,
      .sums = (float *) ((char *) work + sizeof (Near))};

  for (size_t r = 0; r < m; r += p.m) {
    p.m = m - r < MAX_ROWS + MAX_ROWS / 2 ? m - r : MAX_ROWS;
    p.dst = dst + r * ldd;
    p.xq = (const char *) xq + r * p.x_stride;
    for (size_t n = n0; n < n1; n += columns)
      columns_block (&p, n, n1 - n < columns ? n1 : n + columns);
  }
  _tile_release ();
}

NEVA_DECL_MATMUL (neva_matmul_i8_amx)
{
  if (m <= NEVA_FEW_VECTOR)
    neva_matmul_i8_avx512vnni (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else if (m <= NEVA_FEW_ROWS)
    neva_few_i8_amx (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else
    multiply_groups (dst, ldd, xq, w, epilogue, m, n0, n1, work);
}

NEVA_DECL_MATMUL (neva_matmul_i4_amx)
{
  if (m <= NEVA_FEW_VECTOR)
    neva_matmul_i4_avx512vnni (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else if (m <= NEVA_FEW_ROWS)
    neva_few_i4_amx (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else
    multiply_groups (dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
