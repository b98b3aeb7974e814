/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice of a token, one row at a time. */
#include "config.h"
#include "sample.h"

#include <math.h>

/* A logit that may come, or -inf. */
static float
masked (const float *logits, const NevaSampleRow *row, size_t id)
{
  return (int32_t) id == row->forbidden ||
                 (row->allowed && !neva_sample_bit (row->allowed, id))
             ? -INFINITY
             : logits[id];
}

/* False: NaN or +inf, or nothing finite that may come. *best: the first of the
 * largest. */
static bool
look (const float *logits, const NevaSampleRow *row, size_t *best)
{
  float max = -INFINITY;

  for (size_t i = 0; i < row->vocab; i++) {
    if (row->allowed && !neva_sample_bit (row->allowed, i))
      continue;
    if (isnan (logits[i]) || logits[i] == INFINITY)
      return false;
    if ((int32_t) i == row->forbidden || !(logits[i] > max))
      continue;
    max = logits[i];
    *best = i;
  }
  return max > -INFINITY;
}

/* Partially orders v [n] by Hoare's selection and returns the value that would
 * be at `k` (0-based) in descending order. */
static float
select_kth (float *v, size_t n, size_t k)
{
  size_t lo = 0, hi = n - 1;

  while (lo < hi) {
    const float pivot = v[lo + (hi - lo) / 2];
    size_t i = lo, j = hi;

    for (;;) {
      while (v[i] > pivot)
        i++;
      while (v[j] < pivot)
        j--;
      if (i >= j)
        break;
      const float t = v[i];
      v[i++] = v[j];
      v[j--] = t;
    }
    if (k <= j)
      hi = j;
    else
      lo = j + 1;
  }
  return v[k];
}

/* A tiny temperature or penalty overflows f32; what overflowed then has all the
 * probability, instead of making it NaN. */
static void
tame (float *values, size_t n)
{
  bool over = false;

  for (size_t i = 0; i < n; i++)
    over = over || values[i] == INFINITY;
  for (size_t i = 0; i < n && over; i++)
    values[i] = values[i] == INFINITY ? 0.0f : -INFINITY;
}

static void
top_k (float *values, size_t n, size_t k, float *scratch)
{
  float limit;

  if (!k || k >= n)
    return;
  memcpy (scratch, values, n * sizeof *values);
  limit = select_kth (scratch, n, k - 1);
  for (size_t i = 0; i < n; i++)
    if (values[i] < limit)
      values[i] = -INFINITY;
}

/* True when a comes before b: larger value, then lower id. */
static bool
before (const float *values, int32_t a, int32_t b)
{
  return values[a] > values[b] || (values[a] == values[b] && a < b);
}

static void
sift_down (int32_t *heap, size_t n, size_t at, const float *values)
{
  for (;;) {
    size_t child = 2 * at + 1;
    int32_t t;

    if (child >= n)
      return;
    if (child + 1 < n && before (values, heap[child + 1], heap[child]))
      child++;
    if (!before (values, heap[child], heap[at]))
      return;
    t = heap[at];
    heap[at] = heap[child];
    heap[child] = t;
    at = child;
  }
}

static void
reverse (int32_t *ids, size_t n)
{
  for (size_t i = 0; i < n / 2; i++) {
    const int32_t t = ids[i];

    ids[i] = ids[n - 1 - i];
    ids[n - 1 - i] = t;
  }
}

/* Moves ids out of a heap, most probable first, until the mass of those before
 * is beyond `limit`. A step needs few of a large vocabulary, so nothing is
 * sorted that is not kept. Returns how many survive, in order. */
static size_t
top_p (int32_t *heap, size_t n, const float *values, float max, float total,
    float limit)
{
  uint64_t mass = 0;
  size_t left = n;

  for (size_t i = n / 2; i-- > 0;)
    sift_down (heap, n, i, values);
  /* popped ids gather behind the shrinking heap, the last one first */
  while (left > 0 && !(left < n && neva_sample_beyond (mass, limit))) {
    const int32_t id = heap[0];

    heap[0] = heap[--left];
    heap[left] = id;
    sift_down (heap, left, 0, values);
    mass += neva_sample_fixed (
        neva_sample_exp (values[id] - max) / total, NEVA_SAMPLE_MASS_BITS);
  }
  reverse (heap + left, n - left);
  memmove (heap, heap + left, (n - left) * sizeof *heap);
  return n - left;
}

size_t
neva_sample_survivors (const float *logits, const NevaSampleRow *row,
    const NevaSampleWork *work, uint64_t *total)
{
  const unsigned bits = neva_sample_bits (row->vocab);
  const size_t vocab = row->vocab;
  float *values = work->values, max = -INFINITY;
  uint64_t sum = 0;
  size_t n = 0;

  for (size_t i = 0; i < vocab; i++)
    values[i] = neva_sample_scale (row, masked (logits, row, i),
        row->penalize != NEVA_PENALIZE_NONE && neva_sample_bit (row->seen, i));
  tame (values, vocab);
  top_k (values, vocab, row->top_k, work->weights);
  for (size_t i = 0; i < vocab; i++) {
    if (values[i] == -INFINITY)
      continue;
    work->ids[n++] = (int32_t) i;
    max = values[i] > max ? values[i] : max;
  }
  for (size_t i = 0; i < n; i++)
    sum +=
        neva_sample_fixed (neva_sample_exp (values[work->ids[i]] - max), bits);
  if (n > 0 && row->top_p >= 0)
    n = top_p (
        work->ids, n, values, max, neva_sample_float (sum, bits), row->top_p);
  *total = 0;
  for (size_t i = 0; i < n; i++) {
    work->weights[i] = neva_sample_exp (values[work->ids[i]] - max);
    *total += neva_sample_fixed (work->weights[i], bits);
  }
  return n;
}

static int32_t
draw (const float *logits, const NevaSampleRow *row, const NevaSampleWork *work)
{
  const unsigned bits = neva_sample_bits (row->vocab);
  uint64_t total, target, sum = 0;
  const size_t n = neva_sample_survivors (logits, row, work, &total);

  target = neva_sample_target (row->random, total);
  for (size_t i = 0; i < n; i++) {
    sum += neva_sample_fixed (work->weights[i], bits);
    if (sum > target)
      return work->ids[i];
  }
  return -1;
}

void
neva_sample_c (const float *logits, const NevaSampleRow *row,
    const NevaSampleWork *work, NevaSampled *out)
{
  const unsigned bits = neva_sample_bits (row->vocab);
  size_t best = 0;

  *out = (NevaSampled){.id = -1};
  if (!look (logits, row, &best))
    return;
  out->max = logits[best];
  for (size_t i = 0; i < row->vocab; i++)
    out->sum += neva_sample_fixed (
        neva_sample_exp (masked (logits, row, i) - out->max), bits);
  out->id = row->greedy ? (int32_t) best : draw (logits, row, work);
  if (out->id >= 0)
    out->logit = logits[out->id];
}
