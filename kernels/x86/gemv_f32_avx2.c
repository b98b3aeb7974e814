/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "panel.h"
#include "vector_avx2.h"

#define W V
#define STEP VL
#define GEMV_ROWS 2
#define v_mac(acc, a, b) v_fmadd (a, b, acc)
#define ELEMENT 4
#define w_load(p) v_load ((const float *) (p))
#define w_load_n(p, n) v_load_n ((const float *) (p), n)
#define x_load(p) w_load (p)
#include "gemv_tile.h"

NEVA_DECL_GEMV (neva_gemv_f32_avx2)
{
  gemv (c, x, x_stride, w, w_stride, columns, k, m);
}
