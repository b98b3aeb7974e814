/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The runtime part of the table, between its files. */
#ifndef NEVA_CUDA_RUNTIME_CUH
#define NEVA_CUDA_RUNTIME_CUH

#include <cuda_runtime.h>
#include "api.h"

NevaCudaRuntime neva_cuda_runtime ();

/* Fills the blas_ fields. */
void neva_cuda_blas_fill (NevaCudaRuntime *run);
/* Fills the nccl_ fields. */
void neva_cuda_nccl_fill (NevaCudaRuntime *run);

/* A library of CUDA by its file name, loaded once; NULL with a text for
 * error_text (). The emulation gives itself. */
void *neva_cuda_library (const char *file);
/* What error_text () says of `status`; the thread's own. */
void neva_cuda_set_text (int status, const char *format, const char *what);

#endif /* NEVA_CUDA_RUNTIME_CUH */
