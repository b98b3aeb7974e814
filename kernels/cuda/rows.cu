/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations on single numbers: a thread for each, rows side by side. */
#include "api.h"
#include "numbers.cuh"

static const unsigned THREADS = 256;

/* The number that this thread works on; `n` and beyond: none. */
static __device__ __forceinline__ size_t
own_index ()
{
  return (size_t) blockIdx.x * THREADS + threadIdx.x;
}

#define LAUNCH_EACH(kernel, n, ...)                                            \
  ((n) != 0 ? NEVA_LAUNCH (kernel, dim3 (blocks_for (n, THREADS)),             \
                  dim3 (THREADS), 0, stream, __VA_ARGS__)                      \
            : cudaSuccess)

__global__ static void
rope (float *x, size_t ldx, const float *cosine, const float *sine, size_t n,
    size_t heads, size_t head_dim, size_t half)
{
  const size_t at = own_index ();

  if (at >= n)
    return;

  const size_t i = at % half, head = at / half % heads, row = at / half / heads;
  const float c = load (cosine + row * half + i);
  const float s = load (sine + row * half + i);
  float *p = x + row * ldx + head * head_dim + i;
  float a = load (p), b = load (p + half);

  rotate (&a, &b, c, s);
  store (p, a);
  store (p + half, b);
}

extern "C" NEVA_DECL_CUDA_ROPE (neva_cuda_rope)
{
  const size_t half = rot / 2, n = rows * heads * half;

  return LAUNCH_EACH (rope, n, x, ldx, cosine, sine, n, heads, head_dim, half);
}

__global__ static void
add (float *dst, const float *x, size_t n)
{
  const size_t i = own_index ();

  if (i < n)
    store (dst + i, load (dst + i) + load (x + i));
}

extern "C" NEVA_DECL_CUDA_ADD (neva_cuda_add)
{
  return LAUNCH_EACH (add, n, dst, x, n);
}

__global__ static void
act_mul (float *dst, size_t ldd, const float *gate, size_t ldg, const float *up,
    size_t ldu, size_t n, size_t dim, NevaAct act)
{
  const size_t at = own_index (), r = at / dim, i = at % dim;

  if (at < n)
    store (dst + r * ldd + i,
        activate (load (gate + r * ldg + i), act) * load (up + r * ldu + i));
}

extern "C" NEVA_DECL_CUDA_ACT_MUL (neva_cuda_act_mul)
{
  const size_t n = rows * dim;

  return LAUNCH_EACH (act_mul, n, dst, ldd, gate, ldg, up, ldu, n, dim, act);
}

__global__ static void
copy_rows (
    float *dst, size_t ldd, const float *src, size_t lds, size_t n, size_t cols)
{
  const size_t at = own_index (), r = at / cols, i = at % cols;

  if (at < n)
    store (dst + r * ldd + i, load (src + r * lds + i));
}

extern "C" NEVA_DECL_CUDA_COPY_ROWS (neva_cuda_copy_rows)
{
  const size_t n = rows * cols;

  return LAUNCH_EACH (copy_rows, n, dst, ldd, src, lds, n, cols);
}

__global__ static void
add_rows (float *dst, size_t ldd, const size_t *rows, const float *x,
    size_t ldx, const float *scale, size_t n, size_t dim)
{
  const size_t at = own_index (), r = at / dim, i = at % dim;

  if (at >= n * dim)
    return;

  float *p = dst + load (rows + r) * ldd + i;

  store (p, load (p) + load (scale + r) * load (x + r * ldx + i));
}

extern "C" NEVA_DECL_CUDA_ADD_ROWS (neva_cuda_add_rows)
{
  return LAUNCH_EACH (add_rows, n * dim, dst, ldd, rows, x, ldx, scale, n, dim);
}

__global__ static void
gather (float *dst, size_t ldd, const void *table, NevaDType type, size_t k,
    const int32_t *ids, size_t n)
{
  const size_t at = own_index (), r = at / k, i = at % k;

  if (at >= n * k)
    return;

  const size_t from = (size_t) load (ids + r) * k + i;
  float v;

  if (type == NEVA_DTYPE_F32)
    v = load ((const float *) table + from);
  else if (type == NEVA_DTYPE_BF16)
    v = from_bf16 (load ((const uint16_t *) table + from));
  else
    v = from_f16 (load ((const uint16_t *) table + from));
  store (dst + r * ldd + i, v);
}

extern "C" NEVA_DECL_CUDA_GATHER (neva_cuda_gather)
{
  return LAUNCH_EACH (gather, n * k, dst, ldd, table, type, k, ids, n);
}

__global__ static void
convert_bf16 (uint16_t *dst, const float *x, size_t ldx, size_t n, size_t k)
{
  const size_t at = own_index (), r = at / k, i = at % k;

  if (at < n)
    store (dst + at, to_bf16 (load (x + r * ldx + i)));
}

extern "C" NEVA_DECL_CUDA_TO_BF16 (neva_cuda_to_bf16)
{
  const size_t n = m * k;

  return LAUNCH_EACH (convert_bf16, n, dst, x, ldx, n, k);
}

__global__ static void
epilogue_rows (float *dst, size_t ldd, const float *sum, size_t lds, size_t m,
    size_t n, NevaEpilogue e)
{
  const size_t at = own_index (), r = at / n, i = at % n;

  if (at < m * n)
    finish (dst + r * ldd + i, load (sum + r * lds + i), e, i);
}

extern "C" NEVA_DECL_CUDA_EPILOGUE (neva_cuda_epilogue)
{
  return LAUNCH_EACH (epilogue_rows, m * n, dst, ldd, sum, lds, m, n, epilogue);
}
