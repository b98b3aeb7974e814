/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mma.sync and ldmatrix, from the fragment layouts of the PTX ISA manual
 * ("Matrix Fragments for mma.m16n8k16", "... m16n8k32", "ldmatrix"). The last
 * lane to come computes for all. */
#include "include/emu_ptx.h"
#include <algorithm>
#include <cmath>

namespace neva_emu
{
static const char bf16_name[] = "mma.m16n8k16 (bf16)",
                  s8_name[] = "mma.m16n8k32 (s8)",
                  e4m3_name[] = "mma.m16n8k32 (e4m3)",
                  ldmatrix_name[] = "ldmatrix";

template <typename D> struct Mma {
  D *d;
  const uint32_t *a, *b;
};

/* Number `index` of a register of 32 / bits. */
static double
bf16_of (uint32_t word, unsigned index)
{
  return __uint_as_float (word >> 16 * index << 16);
}

static int
s8_of (uint32_t word, unsigned index)
{
  return (int8_t) (word >> 8 * index);
}

/* From the bits: this is not to agree with the kernels by their own header. */
static double
e4m3_of (uint32_t word, unsigned index)
{
  const unsigned code = word >> 8 * index & 255, rest = code & 127;
  const double sign = code & 128 ? -1 : 1;

  if (rest == 127)
    return std::nan ("");
  return sign * (rest < 8
                        ? rest / 512.0
                        : std::ldexp (1 + rest % 8 / 8.0, (int) rest / 8 - 7));
}

/* How tensor cores add, as far as it is known (Fasi et al., 2021; Khattak and
 * Mikaitis, 2025): terms are cut to `bits` below the largest one's first, what
 * is left is added exactly, and the sum is cut to f32. Nothing is rounded. */
class CutSum
{
public:
  explicit CutSum (int bits) : bits_ (bits)
  {
  }
  void add (double term)
  {
    terms_[n_++] = term;
    if (!std::isfinite (term))
      special_ = true;
    else if (term != 0)
      top_ = std::max (top_, std::ilogb (term));
  }
  float total () const
  {
    const double unit = std::ldexp (1.0, top_ - bits_);
    double sum = 0;

    for (unsigned i = 0; i < n_; i++)
      sum += special_ ? terms_[i] : std::trunc (terms_[i] / unit) * unit;
    return cut (sum);
  }

private:
  static float cut (double sum)
  {
    const float nearest = (float) sum;

    return std::fabs ((double) nearest) > std::fabs (sum)
               ? std::nextafter (nearest, 0.0f)
               : nearest;
  }
  double terms_[33];
  unsigned n_ = 0;
  int top_ = -1000, bits_;
  bool special_ = false;
};

/* Of f32 sums: bits, and products that are added at once. */
enum { BF16_BITS = 24, BF16_AT_ONCE = 8, E4M3_BITS = 13, E4M3_AT_ONCE = 32 };

/* d + the products, so many at once. */
template <typename Number>
static float
add_products (float d, const uint32_t *a, const uint32_t *b, unsigned per,
    unsigned at_once, int bits, Number number)
{
  for (unsigned k0 = 0; k0 < 8 * per; k0 += at_once) {
    CutSum sum (bits);

    sum.add (d);
    for (unsigned k = k0; k < k0 + at_once; k++)
      sum.add (number (a[k / per], k % per) * number (b[k / per], k % per));
    d = sum.total ();
  }
  return d;
}

static float
total (float d, const uint32_t *a, const uint32_t *b, unsigned per)
{
  return per == 2
             ? add_products (d, a, b, per, BF16_AT_ONCE, BF16_BITS, bf16_of)
             : add_products (d, a, b, per, E4M3_AT_ONCE, E4M3_BITS, e4m3_of);
}

static int
total (int d, const uint32_t *a, const uint32_t *b, unsigned)
{
  for (unsigned k = 0; k < 32; k++)
    d += s8_of (a[k / 4], k % 4) * s8_of (b[k / 4], k % 4);
  return d;
}

/* `per`: numbers in a register; k = 8 per. A(i, k) is with lane i % 8 * 4 +
 * k / per % 4, register i / 8 + 2 (k / (4 per)); B(k, n) with lane n * 4 + k /
 * per % 4, register k / (4 per). */
template <typename D>
static void
multiply (void *const *slots, unsigned per)
{
  const auto of = [=] (unsigned lane) { return (const Mma<D> *) slots[lane]; };

  for (unsigned i = 0; i < 16; i++)
    for (unsigned n = 0; n < 8; n++) {
      const unsigned to = i % 8 * 4 + n / 2;
      D *d = &((Mma<D> *) slots[to])->d[n % 2 + i / 8 * 2];
      uint32_t a[8], b[8]; /* the row's and the column's words along k */

      for (unsigned w = 0; w < 8; w++) {
        a[w] = of (i % 8 * 4 + w % 4)->a[i / 8 + 2 * (w / 4)];
        b[w] = of (n * 4 + w % 4)->b[w / 4];
      }
      *d = total (*d, a, b, per);
    }
  count_operations (2 * 16 * 8 * 8 * per);
}

static void
do_bf16 (void *const *slots, const void *)
{
  multiply<float> (slots, 2);
}

static void
do_s8 (void *const *slots, const void *)
{
  multiply<int> (slots, 4);
}

static void
do_e4m3 (void *const *slots, const void *)
{
  multiply<float> (slots, 4);
}

void
mma_bf16 (float *d, const uint32_t *a, const uint32_t *b)
{
  Mma<float> slot = {d, a, b};

  together (bf16_name, &slot, do_bf16, nullptr);
}

void
mma_s8 (int *d, const uint32_t *a, const uint32_t *b)
{
  Mma<int> slot = {d, a, b};

  together (s8_name, &slot, do_s8, nullptr);
}

void
mma_e4m3 (float *d, const uint32_t *a, const uint32_t *b)
{
  Mma<float> slot = {d, a, b};

  together (e4m3_name, &slot, do_e4m3, nullptr);
}

struct Rows {
  uint32_t *r;
  const void *row;
  unsigned n;
  bool transposed;
};

static void
do_ldmatrix (void *const *slots, const void *)
{
  for (unsigned lane = 0; lane < 32; lane++) {
    const Rows *to = (const Rows *) slots[lane];
    const unsigned g = lane / 4, t = lane % 4;

    for (unsigned m = 0; m < to->n; m++) {
      uint16_t pair[2];

      for (unsigned j = 0; j < 2; j++) {
        const unsigned row = to->transposed ? 2 * t + j : g;
        const unsigned column = to->transposed ? g : 2 * t + j;
        const Rows *from = (const Rows *) slots[m * 8 + row];

        memcpy (&pair[j], (const uint16_t *) from->row + column, 2);
      }
      memcpy (&to->r[m], pair, 4);
    }
  }
}

void
ldmatrix (uint32_t *r, unsigned n, const void *row, bool transposed)
{
  Rows slot = {r, row, n, transposed};

  if (lane () < n * 8) {
    check_shared (row, 16, 16);
    check_read (row, 16);
  }
  together (ldmatrix_name, &slot, do_ldmatrix, nullptr);
}
} // namespace neva_emu
