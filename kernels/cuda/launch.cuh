/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a kernel file needs, on the device (nvcc) and on the emulation (the host
 * compiler, tests/cudaemu): launching, shared memory, global loads and stores,
 * sums over a warp and a block. docs/cuda.md says how to use it.
 *
 *   NEVA_SHARED (float, tile, [32][33]);      an array of the block
 *   NEVA_SHARED_DYNAMIC (float, scratch);     a pointer to what the launch
 * asked Shared<float> *row = tile[3];             how such memory is pointed at
 *   x = load (p); store (p, x);               global memory, counted
 *   return NEVA_LAUNCH (kernel, grid, block, shared_bytes, stream, args...);
 */
#ifndef NEVA_CUDA_LAUNCH_CUH
#define NEVA_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__

#define NEVA_LAUNCH_ALONE(kernel, grid, block, shared, stream, ...)            \
  kernel<<<grid, block, shared, stream>>> (__VA_ARGS__)
#define NEVA_SHARED(T, name, shape) __shared__ __align__ (16) T name shape
#define NEVA_SHARED_DYNAMIC(T, name)                                           \
  extern __shared__ __align__ (128) unsigned char neva_shared_bytes[];         \
  T *name = reinterpret_cast<T *> (neva_shared_bytes)

template <typename T> using Shared = T;

template <typename T>
__device__ __forceinline__ T
load (const T *p)
{
  return *p;
}

template <typename T>
__device__ __forceinline__ void
store (T *p, T x)
{
  *p = x;
}

/* A wider word of a shared array; p is aligned to it. */
template <typename W, typename T>
__device__ __forceinline__ W
shared_load (const T *p)
{
  return *reinterpret_cast<const W *> (p);
}

template <typename W, typename T>
__device__ __forceinline__ void
shared_store (T *p, W x)
{
  *reinterpret_cast<W *> (p) = x;
}

/* Multiply-adds of a loop, for the emulation's report. */
__device__ __forceinline__ void
count_multiply_adds (size_t)
{
}

#else /* the emulation */

#include "emu_memory.h"

#define NEVA_LAUNCH_ALONE(kernel, grid, block, shared, stream, ...)            \
  ::neva_emu::launch_kernel (                                                  \
      __func__, grid, block, shared, stream, kernel, __VA_ARGS__)
#define NEVA_SHARED(T, name, shape)                                            \
  static const char name##_site = 0;                                           \
  using name##_type = ::neva_emu::Cell<T> shape;                               \
  auto &name = *static_cast<name##_type *> (                                   \
      ::neva_emu::shared_array (&name##_site, sizeof (name##_type), 16))
#define NEVA_SHARED_DYNAMIC(T, name)                                           \
  Shared<T> *name =                                                            \
      static_cast<Shared<T> *> (::neva_emu::shared_dynamic (nullptr))

template <typename T> using Shared = ::neva_emu::Cell<T>;

template <typename T>
static inline T
load (const T *p)
{
  if ((uintptr_t) p % sizeof (T))
    ::neva_emu::fault ("a load of %zu bytes that is not aligned", sizeof (T));
  ::neva_emu::check_context (p);
  ::neva_emu::count_read (sizeof (T));
  return *p;
}

template <typename T>
static inline void
store (T *p, T x)
{
  if ((uintptr_t) p % sizeof (T))
    ::neva_emu::fault ("a store of %zu bytes that is not aligned", sizeof (T));
  ::neva_emu::count_written (sizeof (T));
  *p = x;
}

template <typename W, typename T>
static inline W
shared_load (const T *p)
{
  W x;

  ::neva_emu::check_shared (p, sizeof x, sizeof x);
  ::neva_emu::check_read (p, sizeof x);
  memcpy (&x, p, sizeof x);
  return x;
}

template <typename W, typename T>
static inline void
shared_store (T *p, W x)
{
  ::neva_emu::check_shared (p, sizeof x, sizeof x);
  memcpy ((void *) p, &x, sizeof x);
}

static inline void
count_multiply_adds (size_t n)
{
  ::neva_emu::count_operations (2 * n);
}

#endif

/* Launch errors only: the caller owns the wait. What an earlier call of the
 * thread failed with has been reported there and is not this launch's. */
#define NEVA_LAUNCH(...)                                                       \
  (cudaGetLastError (), NEVA_LAUNCH_ALONE (__VA_ARGS__), cudaGetLastError ())

/* Every lane ends with the total, added by butterfly. */
static __device__ __forceinline__ float
warp_sum (float x)
{
  for (int bits = 16; bits; bits >>= 1)
    x += __shfl_xor_sync (0xffffffffu, x, bits);
  return x;
}

static __device__ __forceinline__ float
warp_max (float x)
{
  for (int bits = 16; bits; bits >>= 1)
    x = fmaxf (x, __shfl_xor_sync (0xffffffffu, x, bits));
  return x;
}

/* Over a block of whole warps, 32 at most; every thread calls it and gets the
 * total. `partial` holds 32 and may be used again at once. */
static __device__ __forceinline__ float
block_sum (float x, Shared<float> *partial)
{
  const unsigned warps = blockDim.x / 32;

  x = warp_sum (x);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = x;
  __syncthreads ();
  x = threadIdx.x % 32 < warps ? (float) partial[threadIdx.x % 32] : 0;
  x = warp_sum (x);
  __syncthreads ();
  return x;
}

static __device__ __forceinline__ float
block_max (float x, Shared<float> *partial)
{
  const unsigned warps = blockDim.x / 32;

  x = warp_max (x);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = x;
  __syncthreads ();
  x = (float) partial[threadIdx.x % 32 < warps ? threadIdx.x % 32 : 0];
  x = warp_max (x);
  __syncthreads ();
  return x;
}

/* Blocks of `per` that hold n. */
static inline unsigned
blocks_for (size_t n, size_t per)
{
  return (unsigned) ((n + per - 1) / per);
}

#endif /* NEVA_CUDA_LAUNCH_CUH */
