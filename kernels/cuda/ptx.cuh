/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that C++ has no word for: tensor-core products, ldmatrix and
 * cp.async. On the device each is the instruction; on the emulation a function
 * written from the fragment layouts of the PTX manual (tests/cudaemu/ptx.cc).
 *
 * Fragments, with g = lane / 4 and t = lane % 4; a register holds neighbours
 * along k, the lowest first:
 *
 *   mma_bf16   A [16][16]  a[0] (g, 2t..)   a[1] (g+8, 2t..)
 *                          a[2] (g, 2t+8..) a[3] (g+8, 2t+8..)
 *              B [16][8]   b[0] k 2t.., n g  b[1] k 2t+8.., n g
 *   mma_s8     A [16][32]  a[0] (g, 4t..)   a[1] (g+8, 4t..)
 *                          a[2] (g, 4t+16..) a[3] (g+8, 4t+16..)
 *              B [32][8]   b[0] k 4t.., n g  b[1] k 4t+16.., n g
 *   mma_e4m3   as mma_s8, D as below
 *   all        D [16][8]   d[0] (g, 2t) d[1] (g, 2t+1)
 *                          d[2] (g+8, 2t) d[3] (g+8, 2t+1)
 */
#ifndef NEVA_CUDA_PTX_CUH
#define NEVA_CUDA_PTX_CUH

#include "launch.cuh"

#ifdef __CUDACC__

/* d += a b; whole warps only. bf16 products, f32 sums. */
static __device__ __forceinline__ void
mma_bf16 (float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* d += a b; signed bytes, int32 sums. */
static __device__ __forceinline__ void
mma_s8 (int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* d += a b; E4M3 (fp8.h), sums of some 14 bits. GPUs from 8.9 on. */
static __device__ __forceinline__ void
mma_e4m3 (float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#if __CUDA_ARCH__ >= 890
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  (void) d, (void) a, (void) b;
  __trap ();
#endif
}

template <typename T>
static __device__ __forceinline__ unsigned
shared_address (const T *p)
{
  return (unsigned) __cvta_generic_to_shared (p);
}

/* Four matrices of 8 rows of 16 bytes: lane i gives row i % 8 of matrix i / 8
 * (aligned to 16), and gets of each matrix the word t of row g. */
template <typename T>
static __device__ __forceinline__ void
ldmatrix4 (uint32_t (&r)[4], const T *row)
{
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 "
               "{%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address (row))
               : "memory");
}

/* As above, each matrix of [8][8] 16-bit numbers transposed. */
template <typename T>
static __device__ __forceinline__ void
ldmatrix4_trans (uint32_t (&r)[4], const T *row)
{
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
               "{%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address (row))
               : "memory");
}

/* Two matrices: lanes 0..15 give their rows. */
template <typename T>
static __device__ __forceinline__ void
ldmatrix2 (uint32_t (&r)[2], const T *row)
{
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address (row))
               : "memory");
}

template <typename T>
static __device__ __forceinline__ void
ldmatrix2_trans (uint32_t (&r)[2], const T *row)
{
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address (row))
               : "memory");
}

/* 16 bytes of global to shared memory, both aligned to 16; of them `bytes` are
 * read, the rest becomes zero. They are there after cp_async_wait, for other
 * threads after a barrier behind it. */
template <typename T>
static __device__ __forceinline__ void
cp_async16 (T *dst, const void *src, unsigned bytes = 16)
{
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address (dst)), "l"(src), "r"(bytes)
               : "memory");
}

static __device__ __forceinline__ void
cp_async_commit ()
{
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/* All groups of this thread but the last N have arrived. */
template <int N>
static __device__ __forceinline__ void
cp_async_wait ()
{
  asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
}

#else /* the emulation */

#include "emu_ptx.h"

static inline void
mma_bf16 (float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
  ::neva_emu::mma_bf16 (d, a, b);
}

static inline void
mma_s8 (int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
  ::neva_emu::mma_s8 (d, a, b);
}

static inline void
mma_e4m3 (float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
  ::neva_emu::mma_e4m3 (d, a, b);
}

template <typename T>
static inline void
ldmatrix4 (uint32_t (&r)[4], const T *row)
{
  ::neva_emu::ldmatrix (r, 4, row, false);
}

template <typename T>
static inline void
ldmatrix4_trans (uint32_t (&r)[4], const T *row)
{
  ::neva_emu::ldmatrix (r, 4, row, true);
}

template <typename T>
static inline void
ldmatrix2 (uint32_t (&r)[2], const T *row)
{
  ::neva_emu::ldmatrix (r, 2, row, false);
}

template <typename T>
static inline void
ldmatrix2_trans (uint32_t (&r)[2], const T *row)
{
  ::neva_emu::ldmatrix (r, 2, row, true);
}

template <typename T>
static inline void
cp_async16 (T *dst, const void *src, unsigned bytes = 16)
{
  ::neva_emu::copy_async (dst, src, 16, bytes);
}

static inline void
cp_async_commit ()
{
  ::neva_emu::copy_commit ();
}

template <int N>
static inline void
cp_async_wait ()
{
  ::neva_emu::copy_wait (N);
}

#endif

#endif /* NEVA_CUDA_PTX_CUH */
