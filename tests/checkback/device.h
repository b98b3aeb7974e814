/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkback: the library of CUDA kernels under test, and buffers on its device
 * with canaries on both sides. */
#ifndef CHECKBACK_DEVICE_H
#define CHECKBACK_DEVICE_H

#include "cuda/api.h"
#include "check.h"

extern const NevaCudaApi *cuda;
extern NevaCudaStream stream;
extern NevaCudaBlas *blas;

/* Finds the library (NEVA_CUDA_LIBRARY) and takes device 0. NULL, or why there
 * is none. */
const char *device_open (void);
void device_close (void);

/* A copy on the device of `bytes` of host memory (NULL: filled with 0xff),
 * until device_end (). */
void *to_device (const void *host, size_t bytes);
void from_device (void *host, const void *device, size_t bytes);
/* Waits, judges the canaries of all copies, frees them. */
void device_end (void);
/* A status that is not 0 is a failure of the current function. */
void device_status (const char *what, int status);

/* adapters.c: a table of the CPU's whose functions copy to the device, call a
 * launcher and copy back; slots without one are NULL. */
void device_kernels (NevaCpuKernels *k);

/* rows.c: launchers that the CPU's table has not */
void check_copy_rows (const CheckCtx *c);
void check_add_rows (const CheckCtx *c);
void check_gather (const CheckCtx *c);
void check_to_bf16 (const CheckCtx *c);

/* fused.c: the same bits as the launchers that they stand for */
void check_matvec_gated (const CheckCtx *c);
void check_rope_store (const CheckCtx *c);

/* fp8.c; GPUs from compute capability 8.9 on */
void check_to_e4m3 (const CheckCtx *c);
void check_matmul_e4m3 (const CheckCtx *c);

/* sample.c */
void check_sample (const CheckCtx *c);

/* image.c: pictures */
void check_picture_rgb (const CheckCtx *c);
void check_cuda_resample (const CheckCtx *c);
void check_patches (const CheckCtx *c);

#endif /* CHECKBACK_DEVICE_H */
