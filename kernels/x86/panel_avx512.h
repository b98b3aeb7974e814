/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the AVX-512 kernels of panel.h share: packing and small helpers. */
#ifndef NEVA_PANEL_AVX512_H
#define NEVA_PANEL_AVX512_H

#include <immintrin.h>
#include "panel.h"

/* Pack rows of 32-bit words: f32, or pairs of bf16 (`k` elements of `element`
 * bytes; half a word at the end is filled with zero).
 * panel: [words][64] words. */
void neva_pack_words_avx512 (void *panel, const char *w, size_t stride,
    size_t columns, size_t k, size_t element);

/* NevaPanelKernel.tile of f32, up to 6 rows. */
void neva_tile_f32_avx512 (float *c, const char *x, size_t stride,
    const void *panel, size_t k, size_t rows, void *work);

/* The lowest `n` (0..16) lanes. */
static inline __mmask16
neva_mask16 (size_t n)
{
  return (__mmask16) ((1u << n) - 1);
}

#endif /* NEVA_PANEL_AVX512_H */
