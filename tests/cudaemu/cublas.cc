/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cuBLAS in host memory: column-major products, summed in double. */
#include "include/cublas_v2.h"
#include "runtime.h"

using namespace neva_emu;

struct cublasContext {
  cudaStream_t stream;
};

#define EXPORT __attribute__ ((visibility ("default")))

EXPORT cublasStatus_t
cublasCreate_v2 (cublasHandle_t *handle)
{
  *handle = new cublasContext ();
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t
cublasDestroy_v2 (cublasHandle_t handle)
{
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t
cublasSetStream_v2 (cublasHandle_t handle, cudaStream_t stream)
{
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t
cublasSetWorkspace_v2 (cublasHandle_t, void *workspace, size_t bytes)
{
  return !bytes || is_device (workspace, bytes) ? CUBLAS_STATUS_SUCCESS
                                                : CUBLAS_STATUS_INVALID_VALUE;
}

static double
number (const void *p, cudaDataType type, size_t i)
{
  if (type == CUDA_R_32F)
    return ((const float *) p)[i];
  return __uint_as_float ((unsigned) ((const uint16_t *) p)[i] << 16);
}

/* Bytes that a matrix of `rows` (in memory) x `columns` spans. */
static size_t
span (int rows, int columns, int ld, cudaDataType type)
{
  return ((size_t) (columns - 1) * (size_t) ld + (size_t) rows) *
         (type == CUDA_R_32F ? 4 : 2);
}

struct Gemm {
  bool ta, tb;
  int m, n, k;
  float alpha, beta;
  const void *a, *b;
  cudaDataType at, bt;
  int lda, ldb, ldc;
  float *c;
};

static void
run_gemm (const Gemm &g)
{
  for (int j = 0; j < g.n; j++)
    for (int i = 0; i < g.m; i++) {
      float *c = g.c + (size_t) j * g.ldc + i;
      double sum = 0;

      for (int l = 0; l < g.k; l++) {
        const size_t ai =
            g.ta ? (size_t) i * g.lda + l : (size_t) l * g.lda + i;
        const size_t bi =
            g.tb ? (size_t) l * g.ldb + j : (size_t) j * g.ldb + l;

        sum += number (g.a, g.at, ai) * number (g.b, g.bt, bi);
      }
      *c = (float) (g.alpha * sum + (g.beta != 0 ? g.beta * *c : 0));
    }
}

EXPORT cublasStatus_t
cublasGemmEx (cublasHandle_t handle, cublasOperation_t transa,
    cublasOperation_t transb, int m, int n, int k, const void *alpha,
    const void *A, cudaDataType Atype, int lda, const void *B,
    cudaDataType Btype, int ldb, const void *beta, void *C, cudaDataType Ctype,
    int ldc, cublasComputeType_t computeType, cublasGemmAlgo_t)
{
  const bool ta = transa == CUBLAS_OP_T, tb = transb == CUBLAS_OP_T;
  const Gemm g = {ta, tb, m, n, k, *(const float *) alpha,
      *(const float *) beta, A, B, Atype, Btype, lda, ldb, ldc, (float *) C};

  if (m <= 0 || n <= 0 || k <= 0 || lda < (ta ? k : m) || ldb < (tb ? n : k) ||
      ldc < m)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (Ctype != CUDA_R_32F || Atype != Btype ||
      computeType != CUBLAS_COMPUTE_32F)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!is_device (A, ta ? span (k, m, lda, Atype) : span (m, k, lda, Atype)) ||
      !is_device (B, tb ? span (n, k, ldb, Btype) : span (k, n, ldb, Btype)) ||
      !is_device (C, span (m, n, ldc, CUDA_R_32F)))
    return CUBLAS_STATUS_INVALID_VALUE;
  return enqueue (handle->stream, [=] { run_gemm (g); })
             ? CUBLAS_STATUS_NOT_INITIALIZED
             : CUBLAS_STATUS_SUCCESS;
}
