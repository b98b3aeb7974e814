/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices [n, k] of E4M3 (kernels/fp8.h) as compressed-tensors saves them in
 * its format "float-quantized" (config.json: hf_quant.h):
 *
 *   w = weight_scale weight       inputs are divided by input_scale and rounded
 *
 *   weight                      F8_E4M3 [n, k]
 *   weight_scale, input_scale   F32, BF16 or F16, one number */
#ifndef NEVA_E4M3_H
#define NEVA_E4M3_H

#include "checkpoint/tensor_source.h"

typedef struct {
  NevaTensorSource *source; /* borrowed */
  gsize n, k;
  const NevaTensorView *codes; /* found; released by close () */
  float scale, input_scale;
} NevaE4m3;

/* Is a matrix of that name ("….weight") stored so? */
gboolean neva_e4m3_has (const NevaTensorSource *source, const char *name);
/* Its tensors, of the right types and shapes; else an error naming the one that
 * is not. */
gboolean neva_e4m3_open (NevaE4m3 *q, NevaTensorSource *source,
    const char *name, gsize n, gsize k, GError **error);
void neva_e4m3_close (NevaE4m3 *q);

/* Of a row. Any thread. */
const guint8 *neva_e4m3_codes (const NevaE4m3 *q, gsize row);

#endif /* NEVA_E4M3_H */
