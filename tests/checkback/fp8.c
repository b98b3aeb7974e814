/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* E4M3: the conversion against the nearest of all 256 numbers, found by
 * looking, and products against sums in double of what was rounded so. */
#include "config.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "../checkkern/cases.h"
#include "device.h"
#include "fp8.h"

enum { N = 60000, PAD = 3 };

#define COUNT(array) (sizeof array / sizeof array[0])
#define FLOATS(n) ((n) * sizeof (float))

/* From the specification, not from fp8.h. */
static double
value_of (unsigned code)
{
  const unsigned rest = code & 127;
  const double sign = code & 128 ? -1 : 1;

  if (rest == 127)
    return NAN;
  return sign * (rest < 8 ? rest / 512.0
                          : ldexp (1 + rest % 8 / 8.0, (int) rest / 8 - 7));
}

/* Of two that are as near, the one with an even mantissa. */
static uint8_t
nearest (float f)
{
  const uint8_t sign = signbit (f) ? 128 : 0;
  const double a = fabs ((double) f);
  unsigned best = 0;

  if (isnan (f))
    return sign | 127;
  if (isinf (f))
    return sign | 126;
  for (unsigned code = 1; code < 127; code++) {
    const double now = fabs (value_of (code) - a);
    const double before = fabs (value_of (best) - a);

    if (now < before || (now == before && code % 2 == 0))
      best = code;
  }
  return sign | (uint8_t) best;
}

/* All codes, what lies half-way between neighbours and an ulp beside it, the
 * ends, and random numbers of all sizes. */
static void
fill_numbers (float *x)
{
  static const float ends[] = {0.0f, -0.0f, 447.99f, 448, 464, 464.01f, 480,
      -1e30f, FLT_MAX, INFINITY, -INFINITY, NAN, -NAN, FLT_MIN, 1e-45f,
      0x1p-10f, 0x1.000002p-10f, 0x1p-9f, 0x1.8p-9f, 0x1.ep-7f, 0x1.f8p-7f};
  size_t n = 0;

  for (unsigned code = 0; code < 256; code++)
    x[n++] = (float) value_of (code);
  for (unsigned code = 0; code < 126; code++) {
    const float half = (float) ((value_of (code) + value_of (code + 1)) / 2);

    x[n++] = half;
    x[n++] = -half;
    x[n++] = nextafterf (half, 0);
    x[n++] = nextafterf (half, 1000);
  }
  for (size_t i = 0; i < COUNT (ends); i++)
    x[n++] = ends[i];
  for (; n < N; n++)
    x[n] = (float) (check_randn () * exp2 (24 * check_uniform () - 14));
}

/* Older GPUs are never given these kernels. */
static bool
has_fp8 (const char *name)
{
  int tenths = 0;

  device_status ("capability", cuda->run.capability (0, &tenths));
  if (tenths >= NEVA_CUDA_E4M3_CAPABILITY)
    return true;
  printf ("%s: left out, the device is one of compute capability %d.%d\n", name,
      tenths / 10, tenths % 10);
  return false;
}

void
check_to_e4m3 (const CheckCtx *c)
{
  float *x = check_buf (N);
  uint8_t *got = check_alloc (N), *want = check_alloc (N), *out;

  if (has_fp8 ("to_e4m3") &&
      check_func (c, (void *) cuda->to_e4m3, NULL, "to_e4m3")) {
    fill_numbers (x);
    out = to_device (NULL, N);
    device_status (
        "launch", cuda->to_e4m3 (out, to_device (x, FLOATS (N)), N, stream));
    from_device (got, out, N);
    device_end ();
    for (size_t i = 0; i < N; i++) {
      want[i] = nearest (x[i]);
      if (isnan (x[i])) /* of either sign */
        got[i] |= 128, want[i] |= 128;
    }
    check_same ("codes", got, want, N);
    for (unsigned code = 0; code < 256; code++)
      check_close ("widened", code, neva_e4m3_to_f32 ((uint8_t) code),
          value_of (code), 0);
  }
  check_free (x), check_free (got), check_free (want);
}

/* ---- Products ----------------------------------------------------------- */

typedef struct {
  size_t m, n, k, ldx, ldd;
  float *x, *bias, *dst;
  uint8_t *packed;
  NevaE4m3Head head;
} Product;

static void
fill_product (Product *p)
{
  const size_t stride = neva_e4m3_row_bytes (p->k);
  float most = 0;

  p->x = check_buf (p->m * p->ldx);
  p->bias = check_buf (p->n);
  p->dst = check_buf (p->m * p->ldd);
  p->packed = check_alloc (neva_e4m3_bytes (p->n, p->k));
  check_fill (p->x, p->m * p->ldx, 1);
  check_fill (p->bias, p->n, 1);
  check_fill (p->dst, p->m * p->ldd, 1);
  for (size_t i = 0; i < p->m * p->ldx; i++)
    most = fmaxf (most, fabsf (p->x[i]));
  /* the largest saturate */
  p->head = (NevaE4m3Head){(float) (0.001 + check_uniform () / 100),
      most / 448 * (float) (0.3 + check_uniform ())};
  memset (p->packed, 0, neva_e4m3_bytes (p->n, p->k));
  memcpy (p->packed, &p->head, sizeof p->head);
  for (size_t r = 0; r < p->n; r++)
    for (size_t i = 0; i < p->k; i++) {
      const unsigned code = check_rand () & 255;

      p->packed[NEVA_E4M3_HEAD_BYTES + r * stride + i] =
          (uint8_t) ((code & 127) == 127 ? code - 1 : code);
    }
}

static void
judge_product (const Product *p, const float *got, NevaEpilogue e)
{
  const size_t stride = neva_e4m3_row_bytes (p->k);

  for (size_t r = 0; r < p->m; r++)
    for (size_t i = 0; i < p->n; i++) {
      const uint8_t *w = p->packed + NEVA_E4M3_HEAD_BYTES + i * stride;
      const double scale = (double) p->head.scale * p->head.input_scale;
      const float old = p->dst[r * p->ldd + i];
      double sum = 0, size = 0, most = 0, y;

      for (size_t j = 0; j < p->k; j++) {
        const double term =
            value_of (w[j]) *
            value_of (nearest (p->x[r * p->ldx + j] / p->head.input_scale));

        /* of each run of 32, which are added at once */
        most = fmax (j % NEVA_E4M3_STEP ? most : 0, fabs (term));
        sum += term;
        if ((j + 1) % NEVA_E4M3_STEP == 0 || j + 1 == p->k)
          size += NEVA_E4M3_STEP * most;
      }
      y = sum * scale + (e.bias ? p->bias[i] : 0);
      y = e.act == NEVA_ACT_RELU2 ? (y > 0 ? y * y : 0) : y;
      /* each term is cut to 13 bits behind the largest one's first; squared:
       * that of its root, twice */
      size *= scale * 0x1p-13;
      if (e.act == NEVA_ACT_RELU2)
        size = size * (2 * sqrt (y) + size);
      check_close ("dst", r * p->n + i, got[r * p->ldd + i],
          y + (e.add ? old : 0),
          size + 4 * FLT_EPSILON * (fabs (y) + fabs (old)));
    }
}

static void
one_product (size_t m, size_t n, size_t k, NevaAct act, bool add)
{
  Product p = {.m = m, .n = n, .k = k, .ldx = k + 1, .ldd = n + PAD};
  const size_t count = m * p.ldd;
  float *got = check_buf (count), *out;
  NevaEpilogue e = {.act = act, .add = add};

  fill_product (&p);
  e.bias = to_device (p.bias, FLOATS (n));
  out = to_device (p.dst, FLOATS (count));
  device_status ("launch",
      cuda->matmul_e4m3 (out, p.ldd, to_device (p.x, FLOATS (m * p.ldx)), p.ldx,
          &(NevaWeight){NEVA_DTYPE_E4M3, n, k,
              to_device (p.packed, neva_e4m3_bytes (n, k))},
          e, m, stream));
  from_device (got, out, FLOATS (count));
  device_end ();
  judge_product (&p, got, e);
  for (size_t r = 0; r < m; r++)
    check_same (
        "beside", got + r * p.ldd + n, p.dst + r * p.ldd + n, FLOATS (PAD));
  check_free (p.x), check_free (p.bias), check_free (p.dst);
  check_free (p.packed), check_free (got);
}

void
check_matmul_e4m3 (const CheckCtx *c)
{
  static const size_t sizes[][3] = {{1, 1, 1}, {1, 130, 96}, {2, 7, 31},
      {8, 128, 128}, {15, 33, 65}, {16, 8, 200}, {17, 129, 33}, {40, 40, 257}};

  if (!has_fp8 ("matmul_e4m3") ||
      !check_func (c, (void *) cuda->matmul_e4m3, NULL, "matmul_e4m3"))
    return;
  for (size_t i = 0; i < COUNT (sizes); i++)
    one_product (sizes[i][0], sizes[i][1], sizes[i][2],
        i % 2 ? NEVA_ACT_RELU2 : NEVA_ACT_NONE, i % 3 == 1);
}
