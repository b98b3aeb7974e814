/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I8 and I4 weights times few rows, by tiles: a group of codes is a right-hand
 * tile as it lies in memory, so weights are read once and I8 is not even
 * copied.
 *
 *   x tile   [rows of x][64 k], as xq lies in memory
 *   w tile   [16 quads of k][16 columns][4]
 *
 * The int32 sums of a group go through memory to the vector unit, which scales
 * them, in the same operations as every other tier, while the tiles multiply
 * the next group. */
#include "config.h"
#include "amx.h"
#include "groups.h"
#include "matmul_amx.h"

#define INLINE static inline __attribute__ ((always_inline))

enum {
  PANEL = NEVA_MATMUL_PANEL,
  GROUP = NEVA_QUANT_GROUP,
  STEP = PANEL * 4, /* bytes of 4 k of a panel */
  ROWS = NEVA_FEW_ROWS,
  CODES = GROUP * PANEL /* bytes of a group's codes */
};

typedef struct {
  int sums[2][ROWS][PANEL];
  char codes[2][CODES]; /* of I4 */
} Work;

/* Tiles 0..3: sums of 16 columns; 4, 5: x; 6, 7: w. */
static void
configure (size_t rows)
{
  NevaTileConfig config = {.palette = 1};

  for (int i = 0; i < 8; i++) {
    config.rows[i] = i < 6 ? (uint8_t) rows : 16;
    config.row_bytes[i] = 64;
  }
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

INLINE __m512
widen_bf16 (const char *p)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32 (
      _mm512_cvtepu16_epi32 (_mm256_load_si256 ((const __m256i *) p)), 16));
}

INLINE void
prefetch (const char **p, const int lines)
{
  for (int i = 0; i < lines; i++, *p += 64)
    _mm_prefetch (*p, _MM_HINT_T1);
}

#define DOT(sum, x, w, at)                                                     \
  do {                                                                         \
    _tile_loadd (w, at, STEP);                                                 \
    _tile_dpbsud (sum, x, w);                                                  \
    prefetch (&ahead, lines);                                                  \
  } while (0)

/* The tiles of one group; `x` at its k. Between them, 8 x `lines` lines from
 * `ahead` on are prefetched: without it, memory would be idle while vectors
 * work. */
INLINE void
dot_group (const char *x, size_t stride, const char *codes, const char *ahead,
    const int lines)
{
  _tile_zero (0);
  _tile_zero (1);
  _tile_zero (2);
  _tile_zero (3);
  _tile_loadd (4, x, stride);
  DOT (0, 4, 6, codes);
  DOT (1, 4, 7, codes + 64);
  DOT (2, 4, 6, codes + 128);
  DOT (3, 4, 7, codes + 192);
  codes += 16 * STEP;
  _tile_loadd (5, x + 64, stride);
  DOT (0, 5, 6, codes);
  DOT (1, 5, 7, codes + 64);
  DOT (2, 5, 6, codes + 128);
  DOT (3, 5, 7, codes + 192);
}
#undef DOT

INLINE void
store_sums (int (*sums)[PANEL])
{
  _tile_stored (0, sums[0], STEP);
  _tile_stored (1, sums[0] + 16, STEP);
  _tile_stored (2, sums[0] + 32, STEP);
  _tile_stored (3, sums[0] + 48, STEP);
}

/* The codes of an I4 group, a byte each. */
INLINE void
unpack (char *codes, const char *group)
{
  const __m512i low_nibbles = _mm512_set1_epi8 (15);
  const char *q = group + NEVA_I4_Q;

  for (char *out = codes; out < codes + CODES; out += 2 * STEP)
    for (int j = 0; j < 4; j++, q += 64) {
      const __m512i v = _mm512_load_si512 (q);

      _mm512_store_si512 (out + 64 * j, _mm512_and_si512 (v, low_nibbles));
      _mm512_store_si512 (out + STEP + 64 * j,
          _mm512_and_si512 (_mm512_srli_epi16 (v, 4), low_nibbles));
    }
}

/* c += sums of group g, scaled. */
INLINE void
add_group (float *c, int (*sums)[PANEL], const char *header,
    const NevaGroupRows *x, size_t g, size_t rows, bool i4)
{
  __m512 scale[4], low[4];

  for (int j = 0; j < 4; j++) {
    scale[j] =
        i4 ? widen_bf16 (header + 32 * j) : _mm512_load_ps (header + 64 * j);
    low[j] =
        i4 ? widen_bf16 (header + PANEL * 2 + 32 * j) : _mm512_setzero_ps ();
  }
  for (size_t r = 0; r < rows; r++, c += PANEL) {
    const char *row = x->x + r * x->stride;
    const __m512 xs = _mm512_set1_ps (((const float *) (row + x->scale))[g]);
    const int *total = (const int *) (row + x->sum) + g;
    const __m512i start = _mm512_set1_epi32 (*total); /* I8: -128 sum x */
    const __m512 x_sum = _mm512_castsi512_ps (start); /* I4: scaled */

    for (int j = 0; j < 4; j++) {
      __m512i s = _mm512_load_si512 (sums[r] + 16 * j);
      __m512 v = _mm512_load_ps (c + 16 * j);

      if (!i4)
        s = _mm512_add_epi32 (s, start);
      v = _mm512_fmadd_ps (
          _mm512_cvtepi32_ps (s), _mm512_mul_ps (scale[j], xs), v);
      if (i4)
        v = _mm512_fmadd_ps (low[j], x_sum, v);
      _mm512_store_ps (c + 16 * j, v);
    }
  }
}

INLINE void
tile_rows (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows, bool i4)
{
  const size_t bytes = i4 ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
  Work *w = (Work *) (c + ROWS * PANEL);
  const char *k = x->x;

  for (size_t i = 0; i < rows * PANEL; i += 16)
    _mm512_store_ps (c + i, _mm512_setzero_ps ());
  if (i4) {
    unpack (w->codes[0], panel);
    if (groups > 1)
      unpack (w->codes[1], panel + bytes);
  }
  dot_group (k, x->stride, i4 ? w->codes[0] : panel + NEVA_I8_Q, panel, 0);
  store_sums (w->sums[0]);
  for (size_t g = 0; g < groups; g++, panel += bytes) {
    const bool more = g + 1 < groups;

    k += GROUP;
    if (i4 && g + 2 < groups)
      unpack (w->codes[g % 2], panel + 2 * bytes);
    if (more)
      dot_group (k, x->stride,
          i4 ? w->codes[(g + 1) % 2] : panel + bytes + NEVA_I8_Q,
          panel + 3 * bytes, i4 ? 9 : 17);
    add_group (c, w->sums[g % 2], panel, x, g, rows, i4);
    if (more)
      store_sums (w->sums[(g + 1) % 2]);
  }
}

static void
tile_i8 (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows)
{
  tile_rows (c, x, panel, groups, rows, false);
}

static void
tile_i4 (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows)
{
  tile_rows (c, x, panel, groups, rows, true);
}

NEVA_DECL_MATMUL (neva_few_i8_amx)
{
  static const NevaGroupKernel kernel = {
      .tile_rows = ROWS, .tile = tile_i8, .finish = neva_finish_avx512};

  configure (m);
  neva_matmul_groups (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
  _tile_release ();
}

NEVA_DECL_MATMUL (neva_few_i4_amx)
{
  static const NevaGroupKernel kernel = {
      .tile_rows = ROWS, .tile = tile_i4, .finish = neva_finish_avx512};

  configure (m);
  neva_matmul_groups (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
  _tile_release ();
}
