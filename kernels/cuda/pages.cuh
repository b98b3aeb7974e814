/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages of keys and values, and which keys a position sees: for the kernels of
 * attention. */
#ifndef NEVA_CUDA_PAGES_CUH
#define NEVA_CUDA_PAGES_CUH

#include "api.h"
#include "launch.cuh"

static const unsigned PAGE = NEVA_KV_PAGE;

static __device__ __forceinline__ uint8_t *
k_page (const NevaCudaHeads &h, const NevaCudaSpan &s, size_t page, size_t head)
{
  uint8_t *const *blocks =
      (uint8_t *const *) ((const uint8_t *) h.spans + s.blocks_at);

  return load (blocks + page) + h.head_offset + head * 2 * h.page_bytes;
}

/* Keys [first, end) that a position sees; first >= end: none. */
static __device__ __forceinline__ void
visible_keys (const NevaCudaHeads &h, const NevaCudaSpan &s, size_t pos,
    size_t *first, size_t *end)
{
  *first = h.window && pos >= h.window ? pos - h.window + 1 : 0;
  *end = h.causal && pos + 1 < s.kv_len ? pos + 1 : s.kv_len;
}

/* Whether attention_mma.cu has a kernel: rows of a V page are whole 16-byte
 * words, and a tile's accumulators fit the registers. */
static inline bool
neva_cuda_mma_takes (size_t head_dim)
{
  return head_dim % 4 == 0 && head_dim <= 128;
}

/* As the launcher `attention`, for bf16 pages. */
int neva_cuda_attention_mma (const NevaCudaHeads &h, float *dst, size_t ldd,
    const float *q, size_t ldq, cudaStream_t stream);

#endif /* NEVA_CUDA_PAGES_CUH */
