/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a token is chosen from a row of logits: the order of operations that
 * every device follows, so that the same numbers choose the same token
 * everywhere.
 *
 * Logits are divided and weighed in f32, one rounding each. Weights and
 * probabilities are added as whole numbers: in any order the sum is the same.
 * (Spec 4.4 adds in f64 and rounds to f32; a whole number of 2^-60ths rounded
 * to f32 is that, but for one sum in some 10^8.)
 *
 * For the host's C and, as CUDA, for kernels/cuda. */
#ifndef NEVA_SAMPLE_H
#define NEVA_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum {
  NEVA_PENALIZE_NONE,
  NEVA_PENALIZE_SIGNED, /* divides what is > 0, multiplies the rest */
  NEVA_PENALIZE_DIVIDE
} NevaPenalize;

/* What is drawn from one row. */
typedef struct {
  uint32_t vocab;    /* ids from here on are never chosen; > 0 */
  int32_t forbidden; /* nor is this one; -1: none */
  bool greedy;       /* all but allowed is unread */
  NevaPenalize penalize;
  float temperature, penalty; /* > 0 */
  uint32_t top_k;             /* 0: off; ties at the boundary survive */
  float top_p;                /* < 0: off; else >= 0 */
  uint64_t random;            /* uniform in [0, 1), in 2^-64ths */
  /* [ceil (vocab / 64)] bit i % 64 of word i / 64 is id i */
  const uint64_t *allowed; /* NULL: all may come */
  const uint64_t *seen;    /* penalised; with penalize */
} NevaSampleRow;

/* log (sum 2^-neva_sample_bits (vocab)) + max is the logarithm of the sum of
 * the exponentials of the logits that may come. */
typedef struct {
  uint64_t sum;
  float logit, max; /* of id; of all */
  int32_t id; /* -1: one of the allowed logits is NaN or +inf, or none that may
                 come is finite */
  uint32_t pad;
} NevaSampled;

#ifdef __CUDACC__
#define NEVA_SAMPLE_FUNC static __device__ __forceinline__
#define NEVA_MUL64(a, b) __dmul_rn (a, b)
#define NEVA_ADD64(a, b) __dadd_rn (a, b)
#define NEVA_SUB32(a, b) __fsub_rn (a, b)
#define NEVA_MUL32(a, b) __fmul_rn (a, b)
#define NEVA_DIV32(a, b) __fdiv_rn (a, b)
#else /* files that include this are compiled with -ffp-contract=off */
#define NEVA_SAMPLE_FUNC static inline
#define NEVA_MUL64(a, b) ((a) * (b))
#define NEVA_ADD64(a, b) ((a) + (b))
#define NEVA_SUB32(a, b) ((a) - (b))
#define NEVA_MUL32(a, b) ((a) * (b))
#define NEVA_DIV32(a, b) ((a) / (b))
#endif

/* exp (x) for x <= 0, -inf included: 2^k 2^r with |r| <= 1/2, 2^r by a
 * polynomial fitted for the least relative error, 4e-11. To half a unit of f32
 * and a thousandth. */
NEVA_SAMPLE_FUNC float
neva_sample_exp (float x)
{
  const double magic = 0x1.8p52;
  double z, k, r, p, scale;
  uint64_t bits;

  if (!(x > -104.0f)) /* below half of the least f32 */
    return 0;
  z = NEVA_MUL64 ((double) x, 0x1.71547652b82fep0);
  k = NEVA_ADD64 (NEVA_ADD64 (z, magic), -magic);
  r = NEVA_ADD64 (z, -k);
  p = NEVA_ADD64 (NEVA_MUL64 (0x1.fe178321ab16dp-17, r), 0x1.446a1fddc92f3p-13);
  p = NEVA_ADD64 (NEVA_MUL64 (p, r), 0x1.5d8a70891aa70p-10);
  p = NEVA_ADD64 (NEVA_MUL64 (p, r), 0x1.3b29dc40d2d2dp-7);
  p = NEVA_ADD64 (NEVA_MUL64 (p, r), 0x1.c6b08aaf2df7ep-5);
  p = NEVA_ADD64 (NEVA_MUL64 (p, r), 0x1.ebfbe0a4be86dp-3);
  p = NEVA_ADD64 (NEVA_MUL64 (p, r), 0x1.62e42ff116293p-1);
  p = NEVA_ADD64 (NEVA_MUL64 (p, r), 0x1.ffffffffabbcap-1);
  bits = (uint64_t) (1023 + (int64_t) k) << 52;
  memcpy (&scale, &bits, sizeof scale);
  return (float) NEVA_MUL64 (p, scale);
}

/* Fraction bits of a sum of `vocab` weights: none overflows 62 bits. */
NEVA_SAMPLE_FUNC unsigned
neva_sample_bits (uint32_t vocab)
{
  unsigned n = 0;

  for (; vocab; vocab >>= 1)
    n++;
  return 62 - n;
}

/* x in [0, 2) as a whole number of 2^-bits, toward zero. */
NEVA_SAMPLE_FUNC uint64_t
neva_sample_fixed (float x, unsigned bits)
{
  return (uint64_t) NEVA_MUL64 ((double) x, (double) ((uint64_t) 1 << bits));
}

/* Fraction bits of a sum of probabilities. */
#define NEVA_SAMPLE_MASS_BITS 60

NEVA_SAMPLE_FUNC float
neva_sample_float (uint64_t sum, unsigned bits)
{
  return NEVA_MUL32 ((float) sum, 1.0f / (float) ((uint64_t) 1 << bits));
}

/* Whether a candidate behind those of this mass is dropped by top-p. */
NEVA_SAMPLE_FUNC bool
neva_sample_beyond (uint64_t mass, float top_p)
{
  return neva_sample_float (mass, NEVA_SAMPLE_MASS_BITS) > top_p;
}

/* Where in the sum of all weights the draw falls: below it. */
NEVA_SAMPLE_FUNC uint64_t
neva_sample_target (uint64_t random, uint64_t total)
{
#ifdef __CUDACC__
  return __umul64hi (random, total);
#else
  const uint64_t low = (random & 0xffffffff) * (total >> 32);
  const uint64_t high = (random >> 32) * (total & 0xffffffff);
  const uint64_t least = (random & 0xffffffff) * (total & 0xffffffff);

  return (random >> 32) * (total >> 32) + (low >> 32) + (high >> 32) +
         (((low & 0xffffffff) + (high & 0xffffffff) + (least >> 32)) >> 32);
#endif
}

NEVA_SAMPLE_FUNC bool
neva_sample_bit (const uint64_t *words, size_t id)
{
  return words[id / 64] >> id % 64 & 1;
}

/* A logit behind temperature and penalty. */
NEVA_SAMPLE_FUNC float
neva_sample_scale (const NevaSampleRow *row, float logit, bool seen)
{
  const float x = NEVA_DIV32 (logit, row->temperature);

  if (row->penalize == NEVA_PENALIZE_NONE || !seen)
    return x;
  return row->penalize == NEVA_PENALIZE_DIVIDE || x > 0
             ? NEVA_DIV32 (x, row->penalty)
             : NEVA_MUL32 (x, row->penalty);
}

/* Scratch of the host, [vocab] each. */
typedef struct {
  float *values, *weights;
  int32_t *ids;
} NevaSampleWork;

/* Chooses from logits [vocab], which are not changed. */
void neva_sample_c (const float *logits, const NevaSampleRow *row,
    const NevaSampleWork *work, NevaSampled *out);

/* What would be drawn from: ids, and at the same places their weights, as
 * whole numbers in *total; by probability and then by id where top_p is on,
 * else by id. values [vocab] become the scaled logits, those out of the
 * question -inf. Returns how many; 0: no choice. */
size_t neva_sample_survivors (const float *logits, const NevaSampleRow *row,
    const NevaSampleWork *work, uint64_t *total);

#endif /* NEVA_SAMPLE_H */
