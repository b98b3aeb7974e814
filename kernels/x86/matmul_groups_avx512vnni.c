/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I8 and I4 weights by vpdpbusd: the codes are its unsigned operand as they lie
 * in memory, the activations its signed one, four k at a time. 6 x 64 int32
 * sums stay in registers for the 32 steps of a group. */
#include "config.h"
#include "constant_rows.h"
#include "groups.h"
#include "matmul_avx512.h"
#include "panel_avx512.h"

#define INLINE static inline __attribute__ ((always_inline))

enum { PANEL = NEVA_MATMUL_PANEL, GROUP = NEVA_QUANT_GROUP, STEP = PANEL * 4 };

/* What the codes of a panel look like. */
typedef enum {
  I8_BYTES,  /* q + 128, f32 scale */
  I4_BYTES,  /* q, bf16 scale and low */
  I4_NIBBLES /* the same, two to a byte */
} Form;

/* The intrinsic makes gcc 12 move accumulators to the stack. */
INLINE __m512i
dot (__m512i acc, __m512i codes, __m512i x)
{
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(x));
  return acc;
}

INLINE __m512
widen_bf16 (const char *p)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32 (
      _mm512_cvtepu16_epi32 (_mm256_loadu_si256 ((const __m256i *) p)), 16));
}

INLINE void
step (__m512i (*acc)[4], const __m512i *codes, const char *x, size_t stride,
    size_t rows)
{
  for (size_t r = 0; r < rows; r++) {
    const __m512i v = _mm512_set1_epi32 (*(const int *) (x + r * stride));

    for (int j = 0; j < 4; j++)
      acc[r][j] = dot (acc[r][j], codes[j], v);
  }
}

/* STEP bytes of codes into acc. */
INLINE void
dot_codes (__m512i (*acc)[4], const char *q, const char *x, size_t stride,
    size_t rows, Form form)
{
  const __m512i low_nibbles = _mm512_set1_epi8 (15);
  __m512i codes[4], high[4];

  if (form != I4_NIBBLES) {
    for (int j = 0; j < 4; j++)
      codes[j] = _mm512_load_si512 (q + 64 * j);
    step (acc, codes, x, stride, rows);
    return;
  }
  for (int j = 0; j < 4; j++) {
    high[j] = _mm512_load_si512 (q + 64 * j);
    codes[j] = _mm512_and_si512 (high[j], low_nibbles);
    high[j] = _mm512_and_si512 (_mm512_srli_epi16 (high[j], 4), low_nibbles);
  }
  step (acc, codes, x, stride, rows);
  step (acc, high, x + 4, stride, rows);
}

INLINE size_t
group_bytes (Form form)
{
  return form == I4_NIBBLES ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
}

/* The codes at the same place of the group after the next: memory works while
 * vectors do. */
INLINE void
prefetch (const char *q, Form form)
{
  for (int j = 0; j < 4; j++)
    _mm_prefetch (q + 2 * group_bytes (form) + 64 * j, _MM_HINT_T1);
}

/* One group into acc. */
INLINE void
dot_group (__m512i (*acc)[4], const char *q, const char *x, size_t stride,
    size_t rows, Form form, bool ahead)
{
  for (int i = 0; i < GROUP; i += form == I4_NIBBLES ? 8 : 4, q += STEP) {
    if (ahead)
      prefetch (q, form);
    dot_codes (acc, q, x + i, stride, rows, form);
  }
}

/* c += the group's sums, scaled. */
INLINE void
add_group (float *c, __m512i (*acc)[4], const char *header,
    const NevaGroupRows *x, size_t g, size_t rows, Form form)
{
  for (int j = 0; j < 4; j++) {
    const __m512 scale = form == I8_BYTES ? _mm512_load_ps (header + 64 * j)
                                          : widen_bf16 (header + 32 * j);
    const __m512 low = form == I8_BYTES
                           ? _mm512_setzero_ps ()
                           : widen_bf16 (header + PANEL * 2 + 32 * j);

    for (size_t r = 0; r < rows; r++) {
      const char *row = x->x + r * x->stride;
      const float *out = c + r * PANEL + 16 * j;
      const __m512 x_scale =
          _mm512_set1_ps (((const float *) (row + x->scale))[g]);
      __m512 v = _mm512_load_ps (out);

      v = _mm512_fmadd_ps (
          _mm512_cvtepi32_ps (acc[r][j]), _mm512_mul_ps (scale, x_scale), v);
      if (form != I8_BYTES)
        v = _mm512_fmadd_ps (
            low, _mm512_set1_ps (((const float *) (row + x->sum))[g]), v);
      _mm512_store_ps ((float *) out, v);
    }
  }
}

/* What a group's sums of a row start with: of I8, -128 sum x, which takes the
 * 128 out of the codes. */
INLINE __m512i
start_of (const NevaGroupRows *x, size_t r, size_t g, Form form)
{
  const char *sums = x->x + r * x->stride + x->sum;

  return form == I8_BYTES ? _mm512_set1_epi32 (((const int *) sums)[g])
                          : _mm512_setzero_si512 ();
}

/* c [rows][64] += one group; `rows` is a constant. */
INLINE void
group_rows (float *c, const NevaGroupRows *x, const char *group, size_t g,
    Form form, bool ahead, size_t rows)
{
  __m512i acc[6][4];

  for (size_t r = 0; r < rows; r++)
    for (int j = 0; j < 4; j++)
      acc[r][j] = start_of (x, r, g, form);
  dot_group (
      acc, group + NEVA_I8_Q, x->x + g * GROUP, x->stride, rows, form, ahead);
  add_group (c, acc, group, x, g, rows, form);
}

/* A group stays in the nearest cache while up to four times 6 rows use it. With
 * `ahead`, memory is asked for what comes next while vectors work. */
INLINE void
tile_rows (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows, Form form, bool ahead)
{
  for (size_t i = 0; i < rows * PANEL; i += 16)
    _mm512_store_ps (c + i, _mm512_setzero_ps ());
  for (size_t g = 0; g < groups; g++) {
    NevaGroupRows part = *x;
    float *out = c;
    size_t left = rows;

    for (; left >= 6; left -= 6, part.x += 6 * x->stride, out += 6 * PANEL)
      group_rows (out, &part, panel, g, form, ahead, 6);
    NEVA_CONSTANT_ROWS (left, group_rows, out, &part, panel, g, form, ahead);
    panel += group_bytes (form);
  }
}

/* NevaGroupKernel.two: a step of one panel, a step of the other. */
INLINE void
row_two (float *c, const NevaGroupRows *x, const char *panel,
    size_t panel_bytes, size_t groups, Form form)
{
  for (size_t i = 0; i < 2 * PANEL; i += 16)
    _mm512_store_ps (c + i, _mm512_setzero_ps ());
  for (size_t g = 0; g < groups; g++) {
    const char *q = panel + NEVA_I8_Q, *k = x->x + g * GROUP;
    __m512i acc[2][4];

    for (int j = 0; j < 4; j++)
      acc[0][j] = acc[1][j] = start_of (x, 0, g, form);
    for (int i = 0; i < GROUP; i += form == I4_NIBBLES ? 8 : 4, q += STEP) {
      prefetch (q, form);
      prefetch (q + panel_bytes, form);
      dot_codes (acc, q, k + i, 0, 1, form);
      dot_codes (acc + 1, q + panel_bytes, k + i, 0, 1, form);
    }
    add_group (c, acc, panel, x, g, 1, form);
    add_group (c + PANEL, acc + 1, panel + panel_bytes, x, g, 1, form);
    panel += group_bytes (form);
  }
}

#define TILE(name, form, ahead)                                                \
  static void name (float *c, const NevaGroupRows *x, const char *panel,       \
      size_t groups, size_t rows)                                              \
  {                                                                            \
    tile_rows (c, x, panel, groups, rows, form, ahead);                        \
  }
#define TWO(name, form)                                                        \
  static void name (float *c, const NevaGroupRows *x, const char *panel,       \
      size_t panel_bytes, size_t groups)                                       \
  {                                                                            \
    row_two (c, x, panel, panel_bytes, groups, form);                          \
  }
TWO (two_i8, I8_BYTES)
TWO (two_i4, I4_NIBBLES)
TILE (tile_i8, I8_BYTES, false)
TILE (few_i8, I8_BYTES, true)
TILE (tile_i4, I4_NIBBLES, false)
TILE (few_i4, I4_NIBBLES, true)
TILE (tile_i4_unpacked, I4_BYTES, false)

void
neva_unpack_i4_avx512 (char *dst, const char *panel, size_t groups)
{
  const __m512i low_nibbles = _mm512_set1_epi8 (15);

  for (size_t g = 0; g < groups; g++) {
    memcpy (dst, panel, NEVA_I4_Q);
    for (size_t i = 0; i < NEVA_I4_GROUP_BYTES - NEVA_I4_Q; i += 64) {
      const __m512i v = _mm512_load_si512 (panel + NEVA_I4_Q + i);
      char *out = dst + NEVA_I8_Q + i / STEP * 2 * STEP + i % STEP;

      _mm512_store_si512 (out, _mm512_and_si512 (v, low_nibbles));
      _mm512_store_si512 (
          out + STEP, _mm512_and_si512 (_mm512_srli_epi16 (v, 4), low_nibbles));
    }
    dst += NEVA_I8_GROUP_BYTES;
    panel += NEVA_I4_GROUP_BYTES;
  }
}

NEVA_DECL_MATMUL (neva_matmul_i8_avx512vnni)
{
  static const NevaGroupKernel kernel = {.tile_rows = 24,
      .tile = tile_i8,
      .two = two_i8,
      .few = few_i8,
      .finish = neva_finish_avx512};

  neva_matmul_groups (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}

NEVA_DECL_MATMUL (neva_matmul_i4_avx512vnni)
{
  static const NevaGroupKernel kernel = {.tile_rows = 24,
      .tile = tile_i4,
      .two = two_i4,
      .few = few_i4,
      .unpack = neva_unpack_i4_avx512,
      .tile_unpacked = tile_i4_unpacked,
      .finish = neva_finish_avx512};

  neva_matmul_groups (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
