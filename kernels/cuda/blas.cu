/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Large products through cuBLAS, which is loaded when the first backend is
 * made. */
#include <cublas_v2.h>
#include <dlfcn.h>
#include "runtime.cuh"

/* bytes that NVIDIA asks for on Hopper; smaller GPUs use a part */
static const size_t workspace_bytes = (size_t) 32 << 20;

struct NevaCudaBlas {
  cublasHandle_t handle;
  void *workspace;
};

static struct {
  decltype (&cublasCreate_v2) create;
  decltype (&cublasDestroy_v2) destroy;
  decltype (&cublasSetStream_v2) set_stream;
  decltype (&cublasSetWorkspace_v2) set_workspace;
  cublasStatus_t (*gemm) (cublasHandle_t, cublasOperation_t, cublasOperation_t,
      int, int, int, const void *, const void *, cudaDataType, int,
      const void *, cudaDataType, int, const void *, void *, cudaDataType, int,
      cublasComputeType_t, cublasGemmAlgo_t);
} blas;

static const int not_loaded = NEVA_CUDA_BLAS + 1000;

template <typename F>
static bool
find (F *function, void *library, const char *name)
{
  *function = reinterpret_cast<F> (dlsym (library, name));
  return *function != nullptr;
}

static bool
load_functions ()
{
  void *library = neva_cuda_library ("libcublas.so.13");

  return library && find (&blas.create, library, "cublasCreate_v2") &&
         find (&blas.destroy, library, "cublasDestroy_v2") &&
         find (&blas.set_stream, library, "cublasSetStream_v2") &&
         find (&blas.set_workspace, library, "cublasSetWorkspace_v2") &&
         find (&blas.gemm, library, "cublasGemmEx");
}

static const char *
name_of (cublasStatus_t s)
{
  switch ((int) s) {
    case 1:
      return "it is not initialised";
    case 3:
      return "no memory";
    case 7:
      return "invalid value";
    case 8:
      return "not for this GPU";
    case 13:
      return "a kernel failed";
    case 15:
      return "not supported";
    default:
      return "internal error";
  }
}

static int
status (cublasStatus_t s)
{
  if (s == CUBLAS_STATUS_SUCCESS)
    return 0;
  neva_cuda_set_text (NEVA_CUDA_BLAS + (int) s, "cuBLAS: %s", name_of (s));
  return NEVA_CUDA_BLAS + (int) s;
}

static void
blas_free (NevaCudaBlas *b)
{
  if (!b)
    return;
  if (b->handle)
    blas.destroy (b->handle);
  cudaFree (b->workspace);
  delete b;
}

static int
blas_new (NevaCudaBlas **out, cudaStream_t stream)
{
  static const bool loaded = load_functions ();
  NevaCudaBlas *b;
  int s;

  if (!loaded) {
    neva_cuda_set_text (not_loaded, "%s cannot be loaded",
        "libcublas.so.13 (cuBLAS of CUDA 13)");
    return not_loaded;
  }
  b = new NevaCudaBlas ();
  /* a workspace of its own: graphs may then hold products */
  s = cudaMalloc (&b->workspace, workspace_bytes);
  if (!s)
    s = status (blas.create (&b->handle));
  if (!s)
    s = status (blas.set_stream (b->handle, stream));
  if (!s)
    s = status (blas.set_workspace (b->handle, b->workspace, workspace_bytes));
  if (s) {
    blas_free (b);
    return s;
  }
  *out = b;
  return 0;
}

/* Row-major dst = x W^T is column-major dst^T = W x^T, W stored transposed. */
static int
blas_gemm (NevaCudaBlas *b, float *dst, size_t ldd, const void *x, size_t ldx,
    const void *w, NevaDType type, size_t m, size_t n, size_t k, bool add)
{
  const cudaDataType t = type == NEVA_DTYPE_F32 ? CUDA_R_32F : CUDA_R_16BF;
  const float one = 1, beta = add ? 1 : 0;

  cudaGetLastError (); /* reported where it came from; not this product's */
  return status (blas.gemm (b->handle, CUBLAS_OP_T, CUBLAS_OP_N, (int) n,
      (int) m, (int) k, &one, w, t, (int) k, x, t, (int) ldx, &beta, dst,
      CUDA_R_32F, (int) ldd, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
}

void
neva_cuda_blas_fill (NevaCudaRuntime *run)
{
  run->blas_new = blas_new;
  run->blas_free = blas_free;
  run->blas_gemm = blas_gemm;
}
