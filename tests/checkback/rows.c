/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Launchers that have no slot in the CPU's table. Class: exact, but for
 * add_rows (a product and a sum, which the device may fuse). */
#include "config.h"
#include <float.h>
#include <math.h>
#include "device.h"

enum { ROWS = 5, TABLE = 9, PAD = 3 };

static const size_t dims[] = {1, 2, 31, 64, 65, 255, 256, 257, 1031};

#define COUNT(array) (sizeof array / sizeof array[0])
#define FLOATS(n) ((n) * sizeof (float))

void
check_copy_rows (const CheckCtx *c)
{
  if (!check_func (c, (void *) cuda->copy_rows, NULL, "copy_rows"))
    return;
  for (size_t i = 0; i < COUNT (dims); i++) {
    const size_t dim = dims[i], ldd = dim + PAD, lds = dim + 1;
    float *src = check_buf (ROWS * lds), *got = check_buf (ROWS * ldd);
    float *want = check_buf (ROWS * ldd), *out;

    check_fill (src, ROWS * lds, 1);
    for (size_t r = 0; r < ROWS; r++)
      memcpy (want + r * ldd, src + r * lds, FLOATS (dim));
    out = to_device (NULL, FLOATS (ROWS * ldd));
    device_status ("launch",
        cuda->copy_rows (out, ldd, to_device (src, FLOATS (ROWS * lds)), lds,
            ROWS, dim, stream));
    from_device (got, out, FLOATS (ROWS * ldd));
    device_end ();
    check_same ("dst", got, want, FLOATS (ROWS * ldd));
    check_free (src), check_free (got), check_free (want);
  }
}

void
check_add_rows (const CheckCtx *c)
{
  static const size_t rows[ROWS] = {7, 0, 3, 8, 1};

  if (!check_func (c, (void *) cuda->add_rows, NULL, "add_rows"))
    return;
  for (size_t i = 0; i < COUNT (dims); i++) {
    const size_t dim = dims[i], ldd = dim + PAD, n = TABLE * ldd;
    float *x = check_buf (ROWS * dim), *old = check_buf (n);
    float *got = check_buf (n), scale[ROWS], *out;

    check_fill (x, ROWS * dim, 1);
    check_fill (old, n, 1);
    check_fill (scale, ROWS, 1);
    out = to_device (old, FLOATS (n));
    device_status (
        "launch", cuda->add_rows (out, ldd, to_device (rows, sizeof rows),
                      to_device (x, FLOATS (ROWS * dim)), dim,
                      to_device (scale, sizeof scale), ROWS, dim, stream));
    from_device (got, out, FLOATS (n));
    device_end ();
    for (size_t r = 0; r < ROWS; r++)
      for (size_t d = 0; d < dim; d++) {
        const size_t at = rows[r] * ldd + d;
        const double y = (double) scale[r] * x[r * dim + d];

        check_close ("dst", at, got[at], old[at] + y,
            FLT_EPSILON * (fabs (y) + fabs (old[at] + y)) + FLT_MIN);
        old[at] = got[at]; /* the rest must be as it was */
      }
    check_same ("others", got, old, FLOATS (n));
    check_free (x), check_free (old), check_free (got);
  }
}

static void
gather_type (const CheckCtx *c, NevaDType type, size_t dim)
{
  static const int32_t ids[ROWS] = {8, 0, 3, 3, 7};
  const size_t ldd = dim + PAD, n = TABLE * dim;
  const size_t bytes = n * (type == NEVA_DTYPE_F32 ? 4 : 2);
  float *numbers = check_buf (n), *got = check_buf (ROWS * ldd);
  float *want = check_buf (ROWS * ldd), *out;
  char *table = check_alloc (bytes);

  check_fill (numbers, n, 1);
  c->ref->from_f32 (table, numbers, type, n);
  for (size_t r = 0; r < ROWS; r++)
    c->ref->to_f32 (
        want + r * ldd, table + (size_t) ids[r] * dim * (bytes / n), type, dim);
  out = to_device (NULL, FLOATS (ROWS * ldd));
  device_status (
      "launch", cuda->gather (out, ldd, to_device (table, bytes), type, dim,
                    to_device (ids, sizeof ids), ROWS, stream));
  from_device (got, out, FLOATS (ROWS * ldd));
  device_end ();
  check_same ("dst", got, want, FLOATS (ROWS * ldd));
  check_free (numbers), check_free (got), check_free (want);
  check_free (table);
}

void
check_gather (const CheckCtx *c)
{
  if (!check_func (c, (void *) cuda->gather, NULL, "gather"))
    return;
  for (size_t i = 0; i < COUNT (dims); i++) {
    gather_type (c, NEVA_DTYPE_F32, dims[i]);
    gather_type (c, NEVA_DTYPE_BF16, dims[i]);
    gather_type (c, NEVA_DTYPE_F16, dims[i]);
  }
}

void
check_to_bf16 (const CheckCtx *c)
{
  if (!check_func (c, (void *) cuda->to_bf16, NULL, "to_bf16"))
    return;
  for (size_t i = 0; i < COUNT (dims); i++) {
    const size_t dim = dims[i], ldx = dim + PAD, n = ROWS * dim;
    float *x = check_buf (ROWS * ldx);
    uint16_t *got = check_alloc (n * 2), *want = check_alloc (n * 2), *out;

    check_fill (x, ROWS * ldx, 1);
    for (size_t r = 0; r < ROWS; r++)
      c->ref->from_f32 (want + r * dim, x + r * ldx, NEVA_DTYPE_BF16, dim);
    out = to_device (NULL, n * 2);
    device_status (
        "launch", cuda->to_bf16 (out, to_device (x, FLOATS (ROWS * ldx)), ldx,
                      ROWS, dim, stream));
    from_device (got, out, n * 2);
    device_end ();
    check_same ("dst", got, want, n * 2);
    check_free (x), check_free (got), check_free (want);
  }
}
