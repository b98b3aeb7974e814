/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pillow's bicubic weights for one axis, for the outputs that are wanted. */
#ifndef NEVA_VISION_RESAMPLE_H
#define NEVA_VISION_RESAMPLE_H

#include <glib.h>
#include "kernels.h"

/* Outputs [out0, out0 + plan.n) of an axis resized from `in` to `out` samples
 * read inputs [in0, in0 + inputs) only; plan.first counts groups from in0. */
typedef struct {
  NevaResample plan;
  guint in0, inputs;
  guint input_groups; /* ceil (inputs / 4) */
  guint32 *first;     /* what plan points at */
  gint8 *digits;
} NevaTaps;

/* 1 <= n; out0 + n <= out; in <= 2^24. FALSE with NEVA_ERROR_DEVICE when
 * memory cannot be had; clear () is needed after TRUE only. */
gboolean neva_taps_init (NevaTaps *taps, guint in, guint64 out, guint64 out0,
    guint n, GError **error);
void neva_taps_clear (NevaTaps *taps);

#endif /* NEVA_VISION_RESAMPLE_H */
