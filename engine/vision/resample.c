/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <neva/error.h>
#include "resample.h"

#define SUPPORT 2.0 /* of the bicubic kernel, in samples */
#define PRECISION_BITS 22

/* Keys' cubic with a = -0.5, in the order of operations of the original: the
 * weights must not differ in the last bit. */
static double
bicubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

typedef struct {
  double scale, filter_scale, support;
  guint in;
} Axis;

/* Inputs [*begin, *end) that output x reads. */
static void
span (const Axis *axis, guint64 x, guint *begin, guint *end)
{
  const double center = ((double) x + 0.5) * axis->scale;
  const double lo = center - axis->support + 0.5;
  const double hi = center + axis->support + 0.5;

  *begin = lo < 0 ? 0 : (guint) lo;
  *end = hi > axis->in ? axis->in : (guint) hi;
}

static gint32
quantize (double w)
{
  return (gint32) (w * (1 << PRECISION_BITS) + (w < 0 ? -0.5 : 0.5));
}

/* Balanced base-256 digits of w at digits[0], [4], [8]. */
static void
put_weight (gint8 *digits, gint32 w)
{
  for (guint i = 0; i < 3; i++) {
    const gint32 low = (gint8) (guint8) (w & 255);

    digits[4 * i] = (gint8) low;
    w = (w - low) / 256;
  }
}

static void
put_output (
    NevaTaps *taps, const Axis *axis, guint64 out0, guint o, double *weights)
{
  const double step = 1 / axis->filter_scale;
  const double center = ((double) (out0 + o) + 0.5) * axis->scale;
  double total = 0;
  guint begin, end, group;

  span (axis, out0 + o, &begin, &end);
  for (guint i = 0; i < end - begin; i++) {
    weights[i] = bicubic (((double) i + begin - center + 0.5) * step);
    total += weights[i];
  }

  group = MIN (
      (begin - taps->in0) / 4, taps->input_groups - (guint) taps->plan.groups);
  taps->first[o] = group;
  for (guint i = 0; i < end - begin; i++) {
    const guint at = begin + i - taps->in0 - 4 * group;

    put_weight (taps->digits + (o * taps->plan.groups + at / 4) * 12 + at % 4,
        quantize (total != 0 ? weights[i] / total : weights[i]));
  }
}

gboolean
neva_taps_init (NevaTaps *taps, guint in, guint64 out, guint64 out0, guint n,
    GError **error)
{
  const double scale = (double) in / (double) out;
  const double filter_scale = MAX (scale, 1);
  const Axis axis = {scale, filter_scale, SUPPORT * filter_scale, in};
  guint begin, end, groups = 1;
  double *weights;

  memset (taps, 0, sizeof *taps);
  span (&axis, out0, &begin, &end);
  taps->in0 = begin / 4 * 4;
  for (guint o = 0; o < n; o++) {
    span (&axis, out0 + o, &begin, &end);
    groups = MAX (groups, (end + 3) / 4 - begin / 4);
  }
  taps->inputs = end - taps->in0;
  taps->input_groups = (taps->inputs + 3) / 4;

  taps->first = g_try_new (guint32, n);
  taps->digits = g_try_malloc0_n (n, groups * 12);
  weights = g_try_new (double, groups * 4);
  if (!taps->first || !taps->digits || !weights) {
    g_free (weights);
    neva_taps_clear (taps);
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for the weights of a resize from %u to %" G_GUINT64_FORMAT
        " samples",
        in, out);
    return FALSE;
  }

  taps->plan = (NevaResample){n, groups, taps->first, taps->digits};
  for (guint o = 0; o < n; o++)
    put_output (taps, &axis, out0, o, weights);
  g_free (weights);
  return TRUE;
}

void
neva_taps_clear (NevaTaps *taps)
{
  g_clear_pointer (&taps->first, g_free);
  g_clear_pointer (&taps->digits, g_free);
}
