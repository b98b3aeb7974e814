/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights to codes, round to nearest even. */
#ifndef NEVA_CODES_H
#define NEVA_CODES_H

#include <glib.h>
#include "matmul.h"

/* NEVA_QUANT_GROUP weights of a row as AutoAWQ rounds them:
 *
 *   scale = (max - min) / 15, f16     zero = round (-min / scale)
 *   code = round (w / scale) + zero, in 0..15
 *
 * min is at most 0 and max at least: a group of one sign would be cut off else.
 * FALSE: the scale is beyond f16, or a weight is NaN. */
gboolean neva_awq_round_group (
    const float *w, guint8 *codes, guint16 *scale, guint8 *zero);

/* A row [k], symmetric: scale = max |w| / 127, the bf16 above; codes in
 * -127..127. FALSE: a weight is NaN or infinite. */
gboolean neva_int8_round_row (
    const float *w, gsize k, gint8 *codes, guint16 *scale);

/* A matrix of `count` numbers as E4M3 (fp8.h): scale = max |w| / 448, 1 where
 * all are 0. FALSE: a weight is NaN or infinite. */
gboolean neva_e4m3_round (
    const float *w, gsize count, guint8 *codes, float *scale);
/* The same scale of inputs whose largest |x| in each of k channels is known. */
float neva_e4m3_input_scale (const float *most, gsize k);

#endif /* NEVA_CODES_H */
