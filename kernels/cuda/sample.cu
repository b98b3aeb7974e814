/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice of a token (kernels/sample.h): a block for each row of logits.
 *
 *   logits -> max, sum -> keys -> top-k -> weights -> top-p -> draw
 *
 * Nothing is sorted. A key is a logit whose order is that of whole numbers;
 * what top-k, top-p and the draw behind it look for is the key at which a sum
 * over the larger ones crosses a limit. select () narrows down the range of
 * keys that holds it, eight ways a pass; once few are in it, they are put on a
 * list. Sums are whole numbers, so the order in which threads add does not
 * matter. */
#include "api.h"
#include "launch.cuh"

static const unsigned THREADS = 1024;
static const unsigned WARPS = THREADS / 32;
static const unsigned WAYS = 8;
static const unsigned LIST = 2048;
static const uint32_t KEY_INFINITY = 0xff800000u;
static const uint32_t KEY_ZERO = 0x80000000u;
static const uint64_t BAD = ~(uint64_t) 0;

/* What all threads of a block know of its row. */
struct Row {
  const NevaSampleRow &r;
  const uint64_t *allowed, *seen; /* or NULL */
  const float *logits;
  uint32_t *keys; /* [vocab]; 0: not a candidate */
  float *weights; /* [vocab] relative to the largest */
  unsigned bits;
};

/* Shared memory of a block. */
struct Space {
  Shared<uint64_t> *sums;   /* [WARPS][WAYS] */
  Shared<uint64_t> *totals; /* [WAYS] */
  Shared<uint32_t> *list;   /* [LIST] ids */
  Shared<uint32_t> *count, *id;
};

static __device__ __forceinline__ uint32_t
key_of (float x)
{
  const uint32_t u = __float_as_uint (x + 0.0f); /* one zero */

  return u >> 31 ? ~u : u | 0x80000000u;
}

static __device__ __forceinline__ float
value_of (uint32_t key)
{
  return __uint_as_float (key >> 31 ? key & 0x7fffffffu : ~key);
}

static __device__ __forceinline__ uint64_t
warp_add (uint64_t x)
{
  for (int bits = 16; bits; bits >>= 1)
    x += __shfl_xor_sync (0xffffffffu, x, bits);
  return x;
}

static __device__ __forceinline__ uint64_t
warp_largest (uint64_t x)
{
  for (int bits = 16; bits; bits >>= 1) {
    const uint64_t y = __shfl_xor_sync (0xffffffffu, x, bits);

    x = x > y ? x : y;
  }
  return x;
}

/* Every thread gets the total; `sums` may be used again at once. */
static __device__ __forceinline__ uint64_t
block_add (uint64_t x, const Space &space)
{
  x = warp_add (x);
  if (threadIdx.x % 32 == 0)
    space.sums[threadIdx.x / 32] = x;
  __syncthreads ();
  x = warp_add (space.sums[threadIdx.x % 32]);
  __syncthreads ();
  return x;
}

static __device__ __forceinline__ uint64_t
block_largest (uint64_t x, const Space &space)
{
  x = warp_largest (x);
  if (threadIdx.x % 32 == 0)
    space.sums[threadIdx.x / 32] = x;
  __syncthreads ();
  x = warp_largest (space.sums[threadIdx.x % 32]);
  __syncthreads ();
  return x;
}

static __device__ __forceinline__ bool
may_come (const Row &row, uint32_t id)
{
  return (int32_t) id != row.r.forbidden &&
         (!row.allowed || neva_sample_bit (row.allowed, id));
}

/* Key of the largest logit and, below it, the complement of its first id; 0:
 * none is finite; BAD: NaN or +inf. */
static __device__ __forceinline__ uint64_t
look (const Row &row, const Space &space)
{
  uint64_t best = 0;

  for (uint32_t i = threadIdx.x; i < row.r.vocab; i += THREADS) {
    if (row.allowed && !neva_sample_bit (row.allowed, i))
      continue;

    const float x = load (row.logits + i);

    if (!(x < INFINITY)) {
      best = BAD;
    } else if (x > -INFINITY && (int32_t) i != row.r.forbidden) {
      const uint64_t own = (uint64_t) key_of (x) << 32 | (uint32_t) ~i;

      best = own > best ? own : best;
    }
  }
  return block_largest (best, space);
}

static __device__ __forceinline__ uint64_t
sum_of_all (const Row &row, const Space &space, float max)
{
  uint64_t sum = 0;

  for (uint32_t i = threadIdx.x; i < row.r.vocab; i += THREADS)
    if (may_come (row, i))
      sum += neva_sample_fixed (
          neva_sample_exp (NEVA_SUB32 (load (row.logits + i), max)), row.bits);
  return block_add (sum, space);
}

/* Fills keys; returns the largest, 0: no candidate. */
static __device__ __forceinline__ uint32_t
make_keys (const Row &row, const Space &space)
{
  uint32_t top = 0;

  for (uint32_t i = threadIdx.x; i < row.r.vocab; i += THREADS) {
    uint32_t key = 0;

    if (may_come (row, i)) {
      const float x = neva_sample_scale (&row.r, load (row.logits + i),
          row.seen && neva_sample_bit (row.seen, i));

      key = x > -INFINITY ? key_of (x) : 0;
    }
    store (row.keys + i, key);
    top = key > top ? key : top;
  }
  top = (uint32_t) block_largest (top, space);
  if (top != KEY_INFINITY)
    return top;
  /* what overflowed has all the probability */
  for (uint32_t i = threadIdx.x; i < row.r.vocab; i += THREADS)
    store (row.keys + i,
        load (row.keys + i) == KEY_INFINITY ? KEY_ZERO : (uint32_t) 0);
  return KEY_ZERO;
}

/* Where a sum over descending keys crosses a limit. */
struct Crossing {
  uint32_t key;
  uint64_t before; /* sum of the larger keys */
};

/* sum[0] of lanes 4 w.. becomes the warp's total of sum[w]: lanes hand half of
 * their numbers to each other, then half of what is left. */
static __device__ __forceinline__ void
warp_add_ways (uint64_t (&sum)[WAYS])
{
  unsigned bits = 16;

#pragma unroll
  for (unsigned half = WAYS / 2; half; half /= 2, bits /= 2) {
    const bool upper = threadIdx.x & bits;

#pragma unroll
    for (unsigned w = 0; w < half; w++) {
      const uint64_t other = upper ? sum[w] : sum[w + half];

      sum[w] = (upper ? sum[w + half] : sum[w]) +
               __shfl_xor_sync (0xffffffffu, other, (int) bits);
    }
  }
  for (; bits; bits /= 2)
    sum[0] += __shfl_xor_sync (0xffffffffu, sum[0], (int) bits);
}

/* totals[w]: the sum of weight (id, key) of the keys [lo, hi] whose distance
 * from hi, shifted, is w. Ids are those of the list, or all: then these keys'
 * ids go on the list, as far as there is room. */
template <typename W>
static __device__ __forceinline__ void
add_ways (const Row &row, const Space &space, bool listed, uint32_t n,
    uint32_t lo, uint32_t hi, unsigned shift, const W &weight)
{
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint64_t sum[WAYS] = {0};

  for (uint32_t first = 0; first < n; first += THREADS) {
    const uint32_t i = first + threadIdx.x;
    const uint32_t id = i >= n ? 0 : listed ? (uint32_t) space.list[i] : i;
    const uint32_t key = i < n ? load (row.keys + id) : 0;
    const bool in = key >= lo && key <= hi;
    const uint64_t x = in ? weight (id, key) : 0;
    const uint32_t way = (hi - key) >> shift;

#pragma unroll
    for (unsigned w = 0; w < WAYS; w++)
      sum[w] += way == w ? x : 0;
    if (listed)
      continue;

    const unsigned mask = __ballot_sync (0xffffffffu, in);
    uint32_t at = 0;

    if (lane == 0 && mask)
      at = atomicAdd (space.count, (uint32_t) __popc (mask));
    at = __shfl_sync (0xffffffffu, at, 0) + __popc (mask & ((1u << lane) - 1));
    if (in && at < LIST)
      space.list[at] = id;
  }
  warp_add_ways (sum);
  if (lane % 4 == 0)
    space.sums[warp * WAYS + lane / 4] = sum[0];
  __syncthreads ();
  if (warp < WAYS) {
    const uint64_t x = warp_add (space.sums[lane * WAYS + warp]);

    if (lane == 0)
      space.totals[warp] = x;
  }
  __syncthreads ();
}

/* False: the sum never stops. */
template <typename W, typename S>
static __device__ __forceinline__ bool
select (Crossing &found, const Row &row, const Space &space, uint32_t top,
    const W &weight, const S &stop)
{
  uint32_t lo = 1, hi = top, n = row.r.vocab;
  bool listed = false;

  found.before = 0;
  for (;;) {
    const int bits = 32 - __clz ((int) (hi - lo));
    const unsigned shift = bits > 3 ? (unsigned) bits - 3 : 0;
    unsigned way = 0;

    if (threadIdx.x == 0 && !listed)
      *space.count = 0;
    __syncthreads ();
    add_ways (row, space, listed, n, lo, hi, shift, weight);
    for (; way < WAYS && !stop (found.before + space.totals[way]); way++)
      found.before += space.totals[way];
    if (!listed && *space.count <= LIST) {
      listed = true;
      n = *space.count;
    }
    __syncthreads ();
    if (way == WAYS)
      return false;
    hi -= way << shift;
    if (hi - lo >= 1u << shift)
      lo = hi - ((1u << shift) - 1);
    found.key = hi;
    if (shift == 0)
      return true;
  }
}

/* The first id at which the sum of weight (id) over ids up to it is beyond
 * `target`, which is less than the sum of all. */
template <typename W>
static __device__ __forceinline__ uint32_t
find (const Row &row, const Space &space, uint64_t target, const W &weight)
{
  const uint32_t each = (row.r.vocab + THREADS - 1) / THREADS;
  const uint32_t first = threadIdx.x * each;
  const uint32_t end = first + each < row.r.vocab ? first + each : row.r.vocab;
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint64_t own = 0, before;

  __syncthreads (); /* other threads' keys and weights */
  for (uint32_t i = first; i < end; i++)
    own += weight (i);
  before = own;
  for (unsigned by = 1; by < 32; by *= 2) {
    const uint64_t x = __shfl_up_sync (0xffffffffu, before, by);

    before += lane >= by ? x : 0;
  }
  if (lane == 31)
    space.sums[warp] = before;
  __syncthreads ();
  before += warp_add (lane < warp ? (uint64_t) space.sums[lane] : 0);
  before -= own;
  if (before <= target && target < before + own)
    for (uint32_t i = first; before <= target; i++) {
      before += weight (i);
      if (before > target)
        *space.id = i;
    }
  __syncthreads ();
  return *space.id;
}

/* The number `nth` (from 0) in the order of ids of those with this key. */
static __device__ __forceinline__ uint32_t
find_equal (const Row &row, const Space &space, uint32_t key, uint64_t nth)
{
  return find (row, space, nth,
      [&] (uint32_t i) { return (uint64_t) (load (row.keys + i) == key); });
}

static __device__ __forceinline__ float
weight_of (uint32_t key, uint32_t top)
{
  return neva_sample_exp (NEVA_SUB32 (value_of (key), value_of (top)));
}

/* Weights of candidates from key `limit` on, the others are none any more;
 * returns their sum. */
static __device__ __forceinline__ uint64_t
make_weights (const Row &row, const Space &space, uint32_t top, uint32_t limit)
{
  uint64_t sum = 0;

  for (uint32_t i = threadIdx.x; i < row.r.vocab; i += THREADS) {
    const uint32_t key = load (row.keys + i);
    const bool in = key && key >= limit;
    const float weight = in ? weight_of (key, top) : 0;

    if (key && !in)
      store (row.keys + i, (uint32_t) 0);
    store (row.weights + i, weight);
    sum += neva_sample_fixed (weight, row.bits);
  }
  return block_add (sum, space);
}

/* How many equal candidates of this mass each it takes, behind `before`, to be
 * beyond top_p. */
static __device__ __forceinline__ uint64_t
count_equal (uint64_t before, uint64_t mass, float top_p)
{
  uint64_t lo = 1, hi = ((uint64_t) 2 << NEVA_SAMPLE_MASS_BITS) / mass + 1;

  while (lo < hi) {
    const uint64_t middle = (lo + hi) / 2;

    if (neva_sample_beyond (before + middle * mass, top_p))
      hi = middle;
    else
      lo = middle + 1;
  }
  return lo;
}

/* Drops what top-p drops; returns the sum of the weights left. */
static __device__ __forceinline__ uint64_t
top_p (const Row &row, const Space &space, uint32_t top, uint64_t sum)
{
  const float total = neva_sample_float (sum, row.bits), p = row.r.top_p;
  const auto mass = [&] (float weight) {
    return neva_sample_fixed (
        NEVA_DIV32 (weight, total), NEVA_SAMPLE_MASS_BITS);
  };
  Crossing at;

  if (!select (
          at, row, space, top,
          [&] (
              uint32_t id, uint32_t) { return mass (load (row.weights + id)); },
          [&] (uint64_t x) { return neva_sample_beyond (x, p); }))
    return sum;

  const uint64_t kept =
      count_equal (at.before, mass (weight_of (at.key, top)), p);
  const uint32_t last = find_equal (row, space, at.key, kept - 1);

  sum = 0;
  for (uint32_t i = threadIdx.x; i < row.r.vocab; i += THREADS) {
    const uint32_t key = load (row.keys + i);

    if (key > at.key || (key == at.key && i <= last))
      sum += neva_sample_fixed (load (row.weights + i), row.bits);
    else
      store (row.keys + i, (uint32_t) 0);
  }
  return block_add (sum, space);
}

static __device__ __forceinline__ int32_t
draw (const Row &row, const Space &space)
{
  const uint32_t top = make_keys (row, space), k = row.r.top_k;
  Crossing at;
  uint64_t sum, target;

  if (!top)
    return -1;
  at.key = 0;
  if (k && k < row.r.vocab &&
      !select (
          at, row, space, top,
          [&] (uint32_t, uint32_t) { return (uint64_t) 1; },
          [&] (uint64_t x) { return x >= k; }))
    at.key = 0;
  sum = make_weights (row, space, top, at.key);
  if (!(row.r.top_p >= 0))
    return (int32_t) find (
        row, space, neva_sample_target (row.r.random, sum), [&] (uint32_t i) {
          return neva_sample_fixed (load (row.weights + i), row.bits);
        });
  sum = top_p (row, space, top, sum);
  target = neva_sample_target (row.r.random, sum);
  select (
      at, row, space, top,
      [&] (uint32_t id, uint32_t) {
        return neva_sample_fixed (load (row.weights + id), row.bits);
      },
      [&] (uint64_t x) { return x > target; });
  target = (target - at.before) /
           neva_sample_fixed (weight_of (at.key, top), row.bits);
  return (int32_t) find_equal (row, space, at.key, target);
}

__global__ static void
__launch_bounds__ (THREADS) sample (NevaSampled *dst, const float *logits,
    size_t ldl, const NevaCudaSampleRow *rows, uint32_t *work, size_t ldw)
{
  NEVA_SHARED (uint64_t, sums, [WARPS * WAYS]);
  NEVA_SHARED (uint64_t, totals, [WAYS]);
  NEVA_SHARED (uint32_t, list, [LIST]);
  NEVA_SHARED (uint32_t, ends, [2]);
  const Space space = {sums, totals, list, ends, ends + 1};
  const NevaCudaSampleRow &from = rows[blockIdx.x];
  const uint8_t *base = (const uint8_t *) rows;
  uint32_t *own = work + blockIdx.x * 2 * ldw;
  const Row row = {from.row,
      from.allowed_at ? (const uint64_t *) (base + from.allowed_at) : nullptr,
      from.seen_at ? (const uint64_t *) (base + from.seen_at) : nullptr,
      logits + blockIdx.x * ldl, own, (float *) (own + ldw),
      neva_sample_bits (from.row.vocab)};
  NevaSampled result = {0, 0, 0, -1, 0};

  if (!row.r.vocab)
    return;

  const uint64_t best = look (row, space);

  if (best && best != BAD) {
    result.id = (int32_t) ~(uint32_t) best;
    result.max = load (row.logits + result.id);
    result.sum = sum_of_all (row, space, result.max);
    if (!row.r.greedy)
      result.id = draw (row, space);
    if (result.id >= 0)
      result.logit = load (row.logits + result.id);
  }
  if (threadIdx.x == 0) {
    NevaSampled *to = dst + blockIdx.x;

    store (&to->sum, result.sum);
    store (&to->logit, result.logit);
    store (&to->max, result.max);
    store (&to->id, result.id);
    store (&to->pad, result.pad);
  }
}

extern "C" NEVA_DECL_CUDA_SAMPLE (neva_cuda_sample)
{
  if (!n)
    return 0;
  return NEVA_LAUNCH (sample, dim3 ((unsigned) n), dim3 (THREADS), 0, stream,
      dst, logits, ldl, rows, work, ldw);
}
