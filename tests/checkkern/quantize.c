/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* act_prepare and pack: class exact, the same bytes from every tier. */
#include "config.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include "cases.h"
#include "matmul_layout.h"

enum { ROWS = 5, PANEL = NEVA_MATMUL_PANEL };

static const char *const type_names[NEVA_DTYPE_COUNT] = {
    "f32", "bf16", "f16", "i8", "i4", "e4m3"};
static const size_t ks[] = {
    1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 1000, 2048, 2085};

/* Halfway between two bf16. */
static float
bf16_tie (void)
{
  const uint32_t u = (check_rand () & 0x81ff0000u) | 0x3e008000u;
  float f;

  memcpy (&f, &u, sizeof f);
  return f;
}

/* Groups of zeros, of denormals, with an infinity or a NaN, and ties. */
static void
fill_awkward (float *x, size_t n)
{
  check_fill (x, n, 1);
  for (size_t g = 0; g * 128 < n; g++)
    for (size_t i = g * 128; i < n && i < (g + 1) * 128; i++)
      switch (g % 9) {
        case 2:
          x[i] = 0;
          break;
        case 0:
          if (i % 3 == 0)
            x[i] = bf16_tie ();
          break;
        case 4:
          x[i] = (float) check_randn () * 1e-42f;
          break;
        case 5:
          x[i] = (float) ((int) (check_rand () % 255) - 127) / 2;
          break;
        case 7:
          x[i] = i % 128 == 37 ? (float) INFINITY : x[i] * 1e36f;
          break;
        case 8:
          if (i % 128 == 3)
            x[i] = NAN;
          break;
      }
}

static void
check_act_type (const CheckCtx *c, NevaDType type)
{
  const NevaActPrepareFn fn = c->tier->act_prepare[type];
  char name[32];

  snprintf (name, sizeof name, "act_prepare_%s", type_names[type]);
  if (!check_func (c, (void *) fn, (void *) c->ref->act_prepare[type], name))
    return;

  for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
    const size_t k = ks[i], ldx = k + 3;
    const size_t bytes = neva_act_bytes (type, ROWS, k);
    float *x = check_buf ((ROWS - 1) * ldx + k);
    char *want = check_alloc (bytes), *got = check_alloc (bytes);

    for (size_t r = 0; r < ROWS; r++)
      fill_awkward (x + r * ldx, k);
    c->ref->act_prepare[type](want, x, ldx, ROWS, k, 0, ROWS);
    fn (got, x, ldx, ROWS, k, 3, ROWS); /* as two threads would */
    fn (got, x, ldx, ROWS, k, 0, 3);
    check_same ("xq", got, want, bytes);
    check_fence (got, "xq");
    check_free (x), check_free (want), check_free (got);
  }

  float *x = check_buf (64 * 2048);
  char *xq = check_alloc (neva_act_bytes (type, 64, 2048));

  check_fill (x, 64 * 2048, 1);
  check_bench (c, "64x2048", 64 * 2048 * 4 / 1e9, "GB/s",
      fn (xq, x, 2048, 64, 2048, 0, 64));
  check_free (x), check_free (xq);
}

void
check_act_prepare (const CheckCtx *c)
{
  for (int type = 0; type < NEVA_DTYPE_COUNT; type++)
    check_act_type (c, (NevaDType) type);
}

/* What a packed weight stands for, and half its step. */
static double
decode (NevaDType type, const unsigned char *packed, size_t k, size_t row,
    size_t i, double *half_step)
{
  const unsigned char *group =
      packed + row / PANEL * neva_packed_panel_bytes (type, k) +
      i / NEVA_QUANT_GROUP * neva_packed_group_bytes (type);
  const size_t c = row % PANEL, j = i % NEVA_QUANT_GROUP;

  if (type == NEVA_DTYPE_I8) {
    const double scale = ((const float *) group)[c];

    *half_step = scale / 2;
    return scale * (group[NEVA_I8_Q + j / 4 * PANEL * 4 + c * 4 + j % 4] - 128);
  }

  const uint16_t *head = (const uint16_t *) group;
  const double scale = neva_bf16_to_f32 (head[c]);
  const unsigned byte = group[NEVA_I4_Q + j / 8 * PANEL * 4 + c * 4 + j % 4];

  *half_step = scale / 2;
  return scale * (j % 8 < 4 ? byte & 15 : byte >> 4) +
         neva_bf16_to_f32 (head[PANEL + c]);
}

/* Every finite weight is met within half a step (and the rounding of a product
 * and a difference). Groups with NaN or infinity have no step to compare to. */
static void
check_codes (
    NevaDType type, const void *packed, const float *w, size_t n, size_t k)
{
  for (size_t r = 0; r < n; r++)
    for (size_t i = 0; i < k; i++) {
      double half, got = decode (type, packed, k, r, i, &half);
      const double x = w[r * k + i];

      if (isnan (half))
        continue;
      if (!check_close ("code", r * k + i, got, x,
              half * (1 + 1e-4) + 4 * FLT_EPSILON * fabs (x) + NEVA_QUANT_TINY))
        return;
    }
}

static void
check_pack_type (const CheckCtx *c, NevaDType type)
{
  const NevaPackFn fn = c->tier->pack[type];
  static const size_t ns[] = {1, PANEL - 1, PANEL, PANEL + 1, 150};
  char name[32];

  snprintf (name, sizeof name, "pack_%s", type_names[type]);
  if (!check_func (c, (void *) fn, (void *) c->ref->pack[type], name))
    return;

  for (size_t j = 0; j < sizeof ns / sizeof ns[0]; j++)
    for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
      const size_t k = ks[i], n = ns[j];
      const size_t bytes = neva_packed_bytes (type, n, k);
      float *w = check_buf (n * k);
      char *want = check_alloc (bytes), *got = check_alloc (bytes);

      for (size_t r = 0; r < n; r++)
        fill_awkward (w + r * k, k);
      for (size_t n0 = 0; n0 < n; n0 += PANEL) {
        const size_t rows = n - n0 < PANEL ? n - n0 : PANEL;

        c->ref->pack[type](want, w + n0 * k, n, k, n0, rows);
        fn (got, w + n0 * k, n, k, n0, rows);
      }
      check_same ("packed", got, want, bytes);
      check_codes (type, got, w, n, k);
      check_fence (got, "packed");
      check_free (w), check_free (want), check_free (got);
    }

  float *w = check_buf (PANEL * 2048);
  char *packed = check_alloc (neva_packed_bytes (type, PANEL, 2048));

  check_fill (w, PANEL * 2048, 1);
  check_bench (c, "64x2048", PANEL * 2048 / 1e9, "G weights/s",
      fn (packed, w, PANEL, 2048, 0, PANEL));
  check_free (w), check_free (packed);
}

void
check_pack (const CheckCtx *c)
{
  check_pack_type (c, NEVA_DTYPE_I8);
  check_pack_type (c, NEVA_DTYPE_I4);
}
