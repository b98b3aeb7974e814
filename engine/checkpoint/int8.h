/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices [n, k] of 8-bit codes as compressed-tensors saves them in its format
 * "int-quantized" (config.json: hf_quant.h):
 *
 *   w[r][i] = weight_scale[r] weight[r][i]
 *
 *   weight        I8 [n, k]
 *   weight_scale  F32, BF16 or F16: [n, 1] or [n], or [1] for all rows
 *   weight_zero_point   none, or zeros: the codes are symmetric */
#ifndef NEVA_INT8_H
#define NEVA_INT8_H

#include "checkpoint/tensor_source.h"

typedef struct {
  NevaTensorSource *source; /* borrowed */
  gsize n, k;
  const NevaTensorView *codes, *scales; /* found; release () them */
} NevaInt8;

/* Is a matrix of that name ("….weight") stored as 8-bit codes? */
gboolean neva_int8_has (const NevaTensorSource *source, const char *name);
/* Its tensors, of the right types and shapes; else an error naming the one that
 * is not. */
gboolean neva_int8_open (NevaInt8 *q, NevaTensorSource *source,
    const char *name, gsize n, gsize k, GError **error);
void neva_int8_close (NevaInt8 *q);

/* Of a row. Any thread. */
float neva_int8_scale (const NevaInt8 *q, gsize row);
const gint8 *neva_int8_codes (const NevaInt8 *q, gsize row);

#endif /* NEVA_INT8_H */
