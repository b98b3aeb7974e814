/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "ref.h"

NEVA_DECL_RMS_NORM (neva_rms_norm_c)
{
  for (size_t r = 0; r < rows; r++, x += dim, dst += dim) {
    double ss = 0;

    for (size_t i = 0; i < dim; i++)
      ss += (double) x[i] * x[i];

    const double scale = 1 / sqrt (ss / (double) dim + eps);

    for (size_t i = 0; i < dim; i++)
      dst[i] = (float) (x[i] * scale * w[i]);
  }
}

NEVA_DECL_LAYER_NORM (neva_layer_norm_c)
{
  for (size_t r = 0; r < rows; r++, x += dim, dst += dim) {
    double sum = 0, ss = 0;

    for (size_t i = 0; i < dim; i++)
      sum += x[i];

    const double mean = sum / (double) dim;

    for (size_t i = 0; i < dim; i++)
      ss += (x[i] - mean) * (x[i] - mean);

    const double scale = 1 / sqrt (ss / (double) dim + eps);

    for (size_t i = 0; i < dim; i++)
      dst[i] = (float) ((x[i] - mean) * scale * w[i] + (b ? b[i] : 0));
  }
}

NEVA_DECL_ROPE (neva_rope_c)
{
  const size_t half = rot / 2;

  for (size_t r = 0; r < rows; r++)
    for (size_t h = 0; h < heads; h++) {
      float *head = x + r * ldx + h * head_dim;

      for (size_t i = 0; i < half; i++) {
        const double c = cosine[r * half + i], s = sine[r * half + i];
        const double a = head[i], b = head[i + half];

        head[i] = (float) (a * c - b * s);
        head[i + half] = (float) (b * c + a * s);
      }
    }
}
