/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Launchers that do what several others do one after the other, against these:
 * to the bit. */
#include "config.h"
#include "device.h"

#define COUNT(array) (sizeof array / sizeof array[0])
#define FLOATS(n) ((n) * sizeof (float))

static NevaWeight
random_weight (const CheckCtx *c, size_t n, size_t k)
{
  float *numbers = check_buf (n * k);
  uint16_t *codes = check_alloc (n * k * 2);
  NevaWeight w = {NEVA_DTYPE_BF16, n, k, NULL};

  check_fill (numbers, n * k, 1);
  c->ref->from_f32 (codes, numbers, NEVA_DTYPE_BF16, n * k);
  w.data = to_device (codes, n * k * 2);
  check_free (numbers), check_free (codes);
  return w;
}

static void
judge_gated (
    const CheckCtx *c, size_t m, size_t n, size_t k, NevaAct act, bool biases)
{
  enum { PAD = 3 };
  const size_t ldd = n + PAD, ldx = k + m % 2, bytes = FLOATS (m * ldd);
  float *x = check_buf (m * ldx), *bias = check_buf (2 * n), *dx;
  float *got = check_buf (m * ldd), *want = check_buf (m * ldd), *db, *up;
  float *fused, *apart;
  NevaWeight gate = random_weight (c, n, k), other = random_weight (c, n, k);
  NevaEpilogue e = {0};

  check_fill (x, m * ldx, 1);
  check_fill (bias, 2 * n, 1);
  dx = to_device (x, FLOATS (m * ldx));
  db = biases ? to_device (bias, FLOATS (2 * n)) : NULL;
  fused = to_device (NULL, bytes), apart = to_device (NULL, bytes);
  up = to_device (NULL, FLOATS (m * n));
  device_status ("taken", !neva_cuda_gated_takes (&gate, &other, m));
  device_status ("launch", cuda->matvec_gated (fused, ldd, dx, ldx, &gate,
                               &other, db, db ? db + n : NULL, act, m, stream));
  e.bias = db;
  device_status (
      "launch", cuda->matvec (apart, ldd, dx, ldx, &gate, e, m, stream));
  e.bias = db ? db + n : NULL;
  device_status ("launch", cuda->matvec (up, n, dx, ldx, &other, e, m, stream));
  device_status ("launch",
      cuda->act_mul (apart, ldd, apart, ldd, up, n, m, n, act, stream));
  from_device (got, fused, bytes);
  from_device (want, apart, bytes);
  device_end ();
  check_same ("dst", got, want, bytes);
  check_free (x), check_free (bias), check_free (got), check_free (want);
}

void
check_matvec_gated (const CheckCtx *c)
{
  static const size_t shapes[][3] = {{1, 16, 8}, {1, 33, 264}, {3, 17, 40},
      {8, 100, 512}, {9, 16, 520}, {16, 50, 1032}};
  static const NevaAct acts[] = {
      NEVA_ACT_SILU, NEVA_ACT_GELU_TANH, NEVA_ACT_GELU_ERF};

  if (!check_func (c, (void *) cuda->matvec_gated, NULL, "matvec_gated"))
    return;
  for (size_t i = 0; i < COUNT (shapes); i++)
    for (size_t a = 0; a < COUNT (acts); a++)
      judge_gated (
          c, shapes[i][0], shapes[i][1], shapes[i][2], acts[a], a % 2 != 0);
}
