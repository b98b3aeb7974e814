/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "quantize/search.h"

#include <math.h>
#include "quantize/codes.h"

#define LEAST_AWQ 1e-4f /* bounds of s, as published */
#define LEAST_SMOOTH 1e-5f
#define BLOCK_ROWS 256 /* of W, whose errors are computed together */

static void
make_scales (float *s, const float *mean, gsize k, guint step)
{
  float least = INFINITY, most = 0, root;

  for (gsize i = 0; i < k; i++) {
    if (!(mean[i] > 0))
      continue;
    s[i] = MAX (powf (mean[i], 0.1f * (float) step), LEAST_AWQ);
    least = MIN (least, s[i]);
    most = MAX (most, s[i]);
  }
  root = sqrtf (least * most);
  for (gsize i = 0; i < k; i++)
    s[i] = mean[i] > 0 ? s[i] / root : 1;
}

void
neva_awq_search_init (NevaAwqSearch *a, const NevaSite *site,
    const NevaInput *input, NevaBackend *backend)
{
  g_autofree float *mean = g_new (float, input->k);

  *a = (NevaAwqSearch){.k = input->k, .backend = backend, .input = input};
  a->scales = g_new (float, NEVA_AWQ_STEPS * a->k);
  for (gsize i = 0; i < a->k; i++)
    mean[i] = (float) (input->sum[i] / (double) input->rows);
  neva_site_share (site, mean, FALSE);
  for (guint step = 0; step < NEVA_AWQ_STEPS; step++)
    make_scales (a->scales + step * a->k, mean, a->k, step);
}

void
neva_awq_search_clear (NevaAwqSearch *a)
{
  g_clear_pointer (&a->scales, g_free);
}

/* error [rows, k] = Q (W diag (s)) / s - W. */
static gboolean
round_rows (const float *w, const float *s, gsize rows, gsize k, float *error)
{
  float scaled[NEVA_QUANT_GROUP];
  guint8 codes[NEVA_QUANT_GROUP], zero;
  guint16 half;

  for (gsize at = 0; at < rows * k; at += NEVA_QUANT_GROUP) {
    const float *sg = s + at % k;
    float step;

    for (gsize i = 0; i < NEVA_QUANT_GROUP; i++)
      scaled[i] = w[at + i] * sg[i];
    if (!neva_awq_round_group (scaled, codes, &half, &zero))
      return FALSE;
    step = neva_f16_to_f32 (half);
    for (gsize i = 0; i < NEVA_QUANT_GROUP; i++)
      error[at + i] =
          step * (float) ((int) codes[i] - zero) / sg[i] - w[at + i];
  }
  return TRUE;
}

/* Sum of squares of x error^T over the sample. */
static gboolean
add_loss (NevaAwqSearch *a, guint step, const float *error, gsize rows,
    float *out, GError **fault)
{
  const gsize count = a->input->n_sample * rows;
  const NevaMatrix m = {{NEVA_DTYPE_F32, rows, a->k, error}, 0};
  const NevaProduct product = {&m, out, rows, {0}};

  neva_backend_linear (
      a->backend, a->input->sample, a->k, a->input->n_sample, &product, 1);
  if (!neva_backend_synchronize (a->backend, fault))
    return FALSE;
  for (gsize i = 0; i < count; i++)
    a->loss[step] += (double) out[i] * out[i];
  return TRUE;
}

gboolean
neva_awq_search_add (NevaAwqSearch *a, const float *w, gsize n, GError **fault)
{
  g_autofree float *error = g_try_malloc_n (BLOCK_ROWS, a->k * sizeof *error);
  g_autofree float *out = g_new (float, a->input->n_sample *BLOCK_ROWS);

  if (!error) {
    g_set_error (fault, NEVA_ERROR, NEVA_ERROR_DEVICE, "no memory for it");
    return FALSE;
  }
  for (gsize r = 0; r < n; r += BLOCK_ROWS) {
    const gsize rows = MIN (BLOCK_ROWS, n - r);

    for (guint step = 0; step < NEVA_AWQ_STEPS; step++) {
      if (!round_rows (
              w + r * a->k, a->scales + step * a->k, rows, a->k, error)) {
        g_set_error (fault, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
            "holds a NaN, or numbers beyond what 16 bits hold");
        return FALSE;
      }
      if (!add_loss (a, step, error, rows, out, fault))
        return FALSE;
    }
  }
  return TRUE;
}

guint
neva_awq_search_best (const NevaAwqSearch *a)
{
  guint best = 0;

  for (guint step = 1; step < NEVA_AWQ_STEPS; step++) {
    if (a->loss[step] < a->loss[best])
      best = step;
  }
  return best;
}

/* ---- SmoothQuant -------------------------------------------------------- */

void
neva_column_max (float *most, const float *w, gsize n, gsize k)
{
  for (gsize r = 0; r < n; r++, w += k) {
    for (gsize i = 0; i < k; i++)
      most[i] = MAX (most[i], fabsf (w[i]));
  }
}

void
neva_smooth_scales (const NevaSite *site, float *most, const NevaInput *input)
{
  const gsize bytes = input->k * sizeof *most;
  g_autofree float *x = g_memdup2 (input->max, bytes);

  neva_site_share (site, x, TRUE);
  neva_site_share (site, most, TRUE);
  for (gsize i = 0; i < input->k; i++)
    most[i] = x[i] > 0 && most[i] > 0
                  ? MAX (powf (x[i], NEVA_SMOOTH_ALPHA) /
                             powf (most[i], 1 - NEVA_SMOOTH_ALPHA),
                        LEAST_SMOOTH)
                  : 1;
}
