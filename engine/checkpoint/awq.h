/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices [n, k] of 4-bit codes as AutoAWQ and llm-awq save them, in groups of
 * 128 along k:
 *
 *   w[r][i] = scale[r][i / 128] (code[r][i] - zero[r][i / 128])
 *
 *         qweight               zeros                       scales (f16)
 *   GEMM  I32 [k, n/8]          qzeros I32 [k/128, n/8]     [k/128, n]
 *         column c of 8 in nibble 0 4 1 5 2 6 3 7 [c]; zeros alike
 *   GEMV  I32 [n, k/8]          qzeros I32 [n, Z]           [n, 8 Z]
 *         nibbles in order; Z = groups / 8, rounded up
 *   FAST  I16 [n/4, k]          scaled_zeros f16 [8 Z, n]   [8 Z, n]
 *         -scale zero stands there instead of zero; nibbles: see awq.c
 *
 * (AutoAWQ: awq/modules/linear/gemm.py, gemv.py, gemv_fast.py; llm-awq:
 * awq/quantize/qmodule.py, whose first format is GEMM and whose present one is
 * FAST.) */
#ifndef NEVA_AWQ_H
#define NEVA_AWQ_H

#include "checkpoint/tensor_source.h"
#include "model/config.h"

typedef struct {
  NevaTensorSource *source; /* borrowed */
  NevaAwqLayout layout;
  gsize n, k;
  const NevaTensorView *codes, *zeros, *scales; /* found; release () them */
} NevaAwq;

/* Is a matrix of that name ("….weight") stored as codes, and not as such? */
gboolean neva_awq_has (const NevaTensorSource *source, const char *name);
/* Its tensors, of the right types and shapes; else an error naming the one that
 * is not. `layout` is what config.json says; I16 codes are FAST anyway. */
gboolean neva_awq_open (NevaAwq *awq, NevaTensorSource *source,
    NevaAwqLayout layout, const char *name, gsize n, gsize k, GError **error);
void neva_awq_close (NevaAwq *awq);

/* Of rows [n0, n0 + rows), columns [k0, k0 + k): codes [rows][k]; scale and low
 * (of code 0) [rows][groups that these columns touch]. Exact. Any thread. */
void neva_awq_read (const NevaAwq *awq, gsize n0, gsize rows, gsize k0, gsize k,
    guint8 *codes, float *scale, float *low);

#endif /* NEVA_AWQ_H */
