/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a GPU can do at best, measured in the run whose figures are to be
 * compared, through the library that NEVA_CUDA_LIBRARY names. */
#ifndef DEVICE_LIMITS_H
#define DEVICE_LIMITS_H

typedef struct {
  double copy; /* GB/s, bytes read and bytes written, of a copy on the device */
  double bf16; /* GOP/s of cuBLAS, a multiply-add counts as two */
} DeviceLimits;

/* On GPU `device`, with `megabytes` to copy and a product of side `side`.
 * Returns NULL, or what failed. */
const char *device_limits_measure (
    DeviceLimits *limits, int device, unsigned megabytes, unsigned side);

#endif /* DEVICE_LIMITS_H */
