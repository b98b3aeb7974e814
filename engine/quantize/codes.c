/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "quantize/codes.h"

#include <math.h>
#include "fp8.h"

#define LEAST_RANGE 1e-5f /* of a group, as published */

gboolean
neva_awq_round_group (
    const float *w, guint8 *codes, guint16 *scale, guint8 *zero)
{
  float low = 0, high = 0, sum = 0, s, z;

  for (gsize i = 0; i < NEVA_QUANT_GROUP; i++) {
    low = w[i] < low ? w[i] : low;
    high = w[i] > high ? w[i] : high;
    sum += w[i];
  }
  *scale = neva_f32_to_f16 (MAX (high - low, LEAST_RANGE) / 15);
  s = neva_f16_to_f32 (*scale);
  if (!isfinite (s) || isnan (sum))
    return FALSE;
  z = CLAMP (rintf (-low / s), 0, 15);
  *zero = (guint8) z;
  for (gsize i = 0; i < NEVA_QUANT_GROUP; i++)
    codes[i] = (guint8) CLAMP (rintf (w[i] / s) + z, 0, 15);
  return TRUE;
}

/* The bf16 that is not below f > 0. */
static guint16
bf16_above (float f)
{
  const guint16 b = neva_f32_to_bf16 (f);

  return neva_bf16_to_f32 (b) < f ? (guint16) (b + 1) : b;
}

gboolean
neva_int8_round_row (const float *w, gsize k, gint8 *codes, guint16 *scale)
{
  float most = 0, sum = 0, s;

  for (gsize i = 0; i < k; i++) {
    most = fabsf (w[i]) > most ? fabsf (w[i]) : most;
    sum += w[i] - w[i]; /* NaN of an infinity, too */
  }
  *scale = bf16_above (most / 127);
  s = neva_bf16_to_f32 (*scale);
  if (!isfinite (s) || isnan (sum))
    return FALSE;
  for (gsize i = 0; i < k; i++)
    codes[i] = (gint8) (s > 0 ? CLAMP (rintf (w[i] / s), -127, 127) : 0);
  return TRUE;
}

/* A scale so small that it is subnormal would not be what was divided by. */
static float
e4m3_scale (float most)
{
  return most > 0x1p-100f ? most / NEVA_E4M3_MAX : 1;
}

gboolean
neva_e4m3_round (const float *w, gsize count, guint8 *codes, float *scale)
{
  float most = 0, sum = 0;

  for (gsize i = 0; i < count; i++) {
    most = fabsf (w[i]) > most ? fabsf (w[i]) : most;
    sum += w[i] - w[i]; /* NaN of an infinity, too */
  }
  if (isnan (sum))
    return FALSE;
  *scale = e4m3_scale (most);
  for (gsize i = 0; i < count; i++)
    codes[i] = neva_f32_to_e4m3 (w[i] / *scale);
  return TRUE;
}

float
neva_e4m3_input_scale (const float *most, gsize k)
{
  float all = 0;

  for (gsize i = 0; i < k; i++)
    all = most[i] > all ? most[i] : all;
  return e4m3_scale (all);
}
