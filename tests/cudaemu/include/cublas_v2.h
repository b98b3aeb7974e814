/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kernels/cuda uses of cuBLAS, in its names and signatures. The functions
 * are in cublas.cc; kernels/cuda/blas.cu finds them by name as it finds those
 * of the real library. */
#ifndef NEVA_EMU_CUBLAS_H
#define NEVA_EMU_CUBLAS_H

#include "cuda_runtime.h"

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
};
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cudaDataType { CUDA_R_32F = 0, CUDA_R_16BF = 14 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT = -1 };

typedef struct cublasContext *cublasHandle_t;

extern "C" {
cublasStatus_t cublasCreate_v2 (cublasHandle_t *handle);
cublasStatus_t cublasDestroy_v2 (cublasHandle_t handle);
cublasStatus_t cublasSetStream_v2 (cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasSetWorkspace_v2 (
    cublasHandle_t handle, void *workspace, size_t bytes);
cublasStatus_t cublasGemmEx (cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, int m, int n, int k, const void *alpha,
    const void *A, cudaDataType Atype, int lda, const void *B,
    cudaDataType Btype, int ldb, const void *beta, void *C, cudaDataType Ctype,
    int ldc, cublasComputeType_t computeType, cublasGemmAlgo_t algo);
}

#endif /* NEVA_EMU_CUBLAS_H */
