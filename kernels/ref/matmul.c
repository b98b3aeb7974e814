/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "act.h"
#include "matmul_layout.h"
#include "ref.h"

static void
finish (float *dst, double sum, const NevaEpilogue *e, size_t column)
{
  const double y =
      neva_act_f64 (sum + (e->bias ? (double) e->bias[column] : 0), e->act);

  *dst = (float) (e->add ? *dst + y : y);
}

NEVA_DECL_MATMUL (neva_matmul_f32_c)
{
  const size_t stride = neva_act_row_bytes (w->type, w->k);

  (void) work;
  for (size_t r = 0; r < m; r++) {
    const float *x = (const float *) ((const char *) xq + r * stride);

    for (size_t c = n0; c < n1; c++) {
      const char *row = (const char *) w->data + c * w->k * 4;
      double sum = 0;

      for (size_t i = 0; i < w->k; i++) {
        float v;

        memcpy (&v, row + i * 4, 4); /* in place: maybe unaligned */
        sum += (double) x[i] * v;
      }
      finish (dst + r * ldd + c, sum, epilogue, c);
    }
  }
}

NEVA_DECL_MATMUL (neva_matmul_bf16_c)
{
  const size_t stride = neva_act_row_bytes (w->type, w->k);

  (void) work;
  for (size_t r = 0; r < m; r++) {
    const uint16_t *x = (const uint16_t *) ((const char *) xq + r * stride);

    for (size_t c = n0; c < n1; c++) {
      const uint16_t *row = (const uint16_t *) w->data + c * w->k;
      double sum = 0;

      for (size_t i = 0; i < w->k; i++)
        sum += (double) neva_bf16_to_f32 (x[i]) * neva_bf16_to_f32 (row[i]);
      finish (dst + r * ldd + c, sum, epilogue, c);
    }
  }
}

/* sum of x q over one group, q as stored */
static int32_t
dot_i8 (const int8_t *x, const uint8_t *q)
{
  int32_t sum = 0;

  for (size_t i = 0; i < NEVA_QUANT_GROUP; i++)
    sum += x[i] * q[i / 4 * NEVA_MATMUL_PANEL * 4 + i % 4];
  return sum;
}

static int32_t
dot_i4 (const int8_t *x, const uint8_t *q)
{
  int32_t sum = 0;

  for (size_t i = 0; i < NEVA_QUANT_GROUP; i++)
    sum +=
        x[i] *
        (q[i / 8 * NEVA_MATMUL_PANEL * 4 + i % 4] >> (i % 8 < 4 ? 0 : 4) & 15);
  return sum;
}

/* One group of column c of a panel times one group of a row. */
static double
group_i8 (const uint8_t *group, size_t c, const int8_t *x, float scale,
    const void *sum)
{
  const float *wscale = (const float *) group;

  return (double) scale * wscale[c] *
         (dot_i8 (x, group + NEVA_I8_Q + c * 4) + *(const int32_t *) sum);
}

static double
group_i4 (const uint8_t *group, size_t c, const int8_t *x, float scale,
    const void *sum)
{
  const uint16_t *wscale = (const uint16_t *) group;
  const uint16_t *low = wscale + NEVA_MATMUL_PANEL;

  return (double) scale * neva_bf16_to_f32 (wscale[c]) *
             dot_i4 (x, group + NEVA_I4_Q + c * 4) +
         (double) neva_bf16_to_f32 (low[c]) * *(const float *) sum;
}

static void
matmul_groups (float *dst, size_t ldd, const void *xq, const NevaWeight *w,
    const NevaEpilogue *epilogue, size_t m, size_t n0, size_t n1)
{
  const size_t stride = neva_act_row_bytes (w->type, w->k);
  const size_t groups = neva_quant_groups (w->k);
  const size_t group_bytes = neva_packed_group_bytes (w->type);

  for (size_t r = 0; r < m; r++) {
    const int8_t *x = (const int8_t *) xq + r * stride;
    const float *scale = (const float *) (x + neva_act_scale_offset (w->k));
    const float *sums = (const float *) (x + neva_act_sum_offset (w->k));

    for (size_t n = n0; n < n1; n++) {
      const uint8_t *group =
          (const uint8_t *) w->data +
          n / NEVA_MATMUL_PANEL * neva_packed_panel_bytes (w->type, w->k);
      const size_t c = n % NEVA_MATMUL_PANEL;
      double sum = 0;

      for (size_t g = 0; g < groups; g++, group += group_bytes)
        sum += (w->type == NEVA_DTYPE_I8 ? group_i8 : group_i4) (
            group, c, x + g * NEVA_QUANT_GROUP, scale[g], &sums[g]);
      finish (dst + r * ldd + n, sum, epilogue, n);
    }
  }
}

NEVA_DECL_MATMUL (neva_matmul_i8_c)
{
  (void) work;
  matmul_groups (dst, ldd, xq, w, epilogue, m, n0, n1);
}

NEVA_DECL_MATMUL (neva_matmul_i4_c)
{
  (void) work;
  matmul_groups (dst, ldd, xq, w, epilogue, m, n0, n1);
}

void
neva_kernels_init_matmul_c (NevaCpuKernels *k)
{
  k->act_prepare[NEVA_DTYPE_F32] = neva_act_prepare_f32_c;
  k->act_prepare[NEVA_DTYPE_BF16] = neva_act_prepare_bf16_c;
  k->act_prepare[NEVA_DTYPE_I8] = neva_act_prepare_i8_c;
  k->act_prepare[NEVA_DTYPE_I4] = neva_act_prepare_i4_c;
  k->pack[NEVA_DTYPE_I8] = neva_pack_i8_c;
  k->pack[NEVA_DTYPE_I4] = neva_pack_i4_c;
  k->matmul[NEVA_DTYPE_F32] = neva_matmul_f32_c;
  k->matmul[NEVA_DTYPE_BF16] = neva_matmul_bf16_c;
  k->matmul[NEVA_DTYPE_I8] = neva_matmul_i8_c;
  k->matmul[NEVA_DTYPE_I4] = neva_matmul_i4_c;
}
