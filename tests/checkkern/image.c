/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures: every kernel exactly. */
#include "config.h"
#include "cases.h"

#define COUNT(array) (sizeof array / sizeof array[0])

static const size_t widths[] = {
    1, 2, 3, 5, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 127, 130, 333};

static size_t
aligned (size_t n)
{
  return (n + NEVA_IMAGE_ALIGN - 1) / NEVA_IMAGE_ALIGN * NEVA_IMAGE_ALIGN;
}

static void
fill_bytes (void *p, size_t n)
{
  for (size_t i = 0; i < n; i++)
    ((uint8_t *) p)[i] = (uint8_t) check_rand ();
}

/* Input whose end is the end of what may be read. */
static void *
edge_bytes (size_t n)
{
  void *p = check_alloc_edge (n);

  fill_bytes (p, n);
  return p;
}

/* Three rows that may be written up to their alignment. */
typedef struct {
  uint8_t *row[3];
} Rows;

static Rows
make_rows (size_t bytes)
{
  Rows r;

  for (int c = 0; c < 3; c++)
    r.row[c] = check_alloc (bytes);
  return r;
}

static void
compare_rows (Rows *got, Rows *want, int rows, size_t bytes)
{
  for (int c = 0; c < 3; c++) {
    if (c < rows) {
      check_same ("dst", got->row[c], want->row[c], bytes);
      check_fence (got->row[c], "dst");
    }
    check_free (got->row[c]), check_free (want->row[c]);
  }
}

void
check_unpack_rgb (const CheckCtx *c)
{
  static const uint8_t orders[][4] = {/* bytes, then R, G, B */
      {3, 0, 1, 2}, {3, 2, 1, 0}, {4, 0, 1, 2}, {4, 2, 1, 0}, {4, 1, 2, 3},
      {4, 3, 2, 1}};

  if (!check_func (c, (void *) c->tier->unpack_rgb, (void *) c->ref->unpack_rgb,
          "unpack_rgb"))
    return;
  for (size_t o = 0; o < COUNT (orders); o++)
    for (size_t i = 0; i < COUNT (widths); i++) {
      const size_t n = widths[i], bytes = orders[o][0];
      uint8_t *src = edge_bytes (n * bytes);
      Rows got = make_rows (aligned (n)), want = make_rows (aligned (n));

      c->ref->unpack_rgb (want.row, src, bytes, orders[o] + 1, n);
      c->tier->unpack_rgb (got.row, src, bytes, orders[o] + 1, n);
      if (n == 333)
        check_bench (c, bytes == 3 ? "3 bytes" : "4 bytes",
            (double) (n * bytes) * 1e-9, "GB/s",
            c->tier->unpack_rgb (got.row, src, bytes, orders[o] + 1, n));
      compare_rows (&got, &want, 3, n);
      check_free_edge (src, n * bytes);
    }
}

void
check_chroma_mix (const CheckCtx *c)
{
  static const NevaSample samples[] = {{1, 0}, {2, 0}, {2, 6}};

  if (!check_func (c, (void *) c->tier->chroma_mix, (void *) c->ref->chroma_mix,
          "chroma_mix"))
    return;
  for (size_t s = 0; s < COUNT (samples); s++)
    for (size_t i = 0; i < COUNT (widths); i++)
      for (unsigned weight = 0; weight < 6; weight++) {
        const bool interleaved = weight >= 3;
        const size_t n = widths[i];
        const size_t bytes = n * samples[s].bytes * (interleaved ? 2 : 1);
        NevaChromaRows rows = {.weight = {4 - weight % 3, weight % 3},
            .sample = samples[s],
            .interleaved = interleaved};
        Rows got = make_rows (2 * aligned (n)),
             want = make_rows (2 * aligned (n));
        uint16_t *const to[2] = {
            (uint16_t *) got.row[0], (uint16_t *) got.row[1]};
        uint16_t *const truth[2] = {
            (uint16_t *) want.row[0], (uint16_t *) want.row[1]};

        for (int r = 0; r < 2; r++)
          for (int p = 0; p < (interleaved ? 1 : 2); p++)
            rows.row[r][p] = edge_bytes (bytes);
        c->ref->chroma_mix (truth, &rows, n);
        c->tier->chroma_mix (to, &rows, n);
        compare_rows (&got, &want, 2, 2 * n);
        for (int r = 0; r < 2; r++)
          for (int p = 0; p < (interleaved ? 1 : 2); p++)
            check_free_edge ((void *) rows.row[r][p], bytes);
      }
}

static void
check_yuv_row (const CheckCtx *c, NevaSample sample, size_t n, bool cosited)
{
  const NevaYuvMatrix limited = {1.16438356f, 0.112f, -0.0135f, -0.0333f,
      0.132f, sample.bytes == 1 ? 16 : 64, sample.bytes == 1 ? 2048 : 8192};
  const size_t pairs = n / 2 + 2 + NEVA_IMAGE_ALIGN;
  uint16_t *chroma[2] = {
      check_alloc (pairs * 2 + 2), check_alloc (pairs * 2 + 2)};
  void *luma = edge_bytes (n * sample.bytes);
  Rows got = make_rows (aligned (n)), want = make_rows (aligned (n));
  const NevaYuvRow row = {.luma = luma,
      .sample = sample,
      .chroma = {chroma[0] + 1, chroma[1] + 1},
      .left = {cosited ? 0 : 1, cosited ? 4 : 3},
      .right = {cosited ? 2 : 3, cosited ? 2 : 1},
      .matrix = limited};

  for (size_t i = 0; i <= pairs; i++)
    for (int p = 0; p < 2; p++)
      chroma[p][i] =
          (uint16_t) (check_rand () % (sample.bytes == 1 ? 1021 : 4093));
  c->ref->yuv_to_rgb (want.row, &row, n);
  c->tier->yuv_to_rgb (got.row, &row, n);
  if (n == 333 && !cosited)
    check_bench (c, sample.bytes == 1 ? "8 bits" : "10 bits", (double) n * 1e-9,
        "Gpixel/s", c->tier->yuv_to_rgb (got.row, &row, n));
  compare_rows (&got, &want, 3, n);
  check_free (chroma[0]), check_free (chroma[1]);
  check_free_edge (luma, n * sample.bytes);
}

void
check_yuv_to_rgb (const CheckCtx *c)
{
  static const NevaSample samples[] = {{1, 0}, {2, 0}, {2, 6}};

  if (!check_func (c, (void *) c->tier->yuv_to_rgb, (void *) c->ref->yuv_to_rgb,
          "yuv_to_rgb"))
    return;
  for (size_t s = 0; s < COUNT (samples); s++)
    for (size_t i = 0; i < COUNT (widths); i++) {
      check_yuv_row (c, samples[s], widths[i], false);
      check_yuv_row (c, samples[s], widths[i], true);
    }
}

void
check_tile (const CheckCtx *c)
{
  static const size_t columns[] = {4, 8, 28, 32, 36, 64, 68, 256, 332};

  if (!check_func (c, (void *) c->tier->tile, (void *) c->ref->tile, "tile"))
    return;
  for (size_t i = 0; i < COUNT (columns); i++) {
    const size_t n = columns[i], stride = aligned (n) + 64;
    const size_t bytes = n / 4 * NEVA_TILE_COLUMN_BYTES;
    uint8_t *rows = check_alloc (48 * stride);
    uint8_t *got = check_alloc (bytes), *want = check_alloc (bytes);

    fill_bytes (rows, 48 * stride);
    c->ref->tile (want, rows, stride, n);
    c->tier->tile (got, rows, stride, n);
    check_same ("tile", got, want, bytes);
    check_fence (got, "tile");
    if (n == 332)
      check_bench (c, "16x332", (double) bytes * 2e-9, "GB/s",
          c->tier->tile (got, rows, stride, n));
    check_free (rows), check_free (got), check_free (want);
  }
}

/* Any digits that a weight below 2^23 can have. */
static void
fill_digits (int8_t *digits, size_t groups)
{
  for (size_t g = 0; g < groups; g++)
    for (size_t i = 0; i < 12; i++)
      digits[g * 12 + i] = i < 8 ? (int8_t) (int) (check_rand () % 256 - 128)
                                 : (int8_t) ((int) (check_rand () % 127) - 63);
}

static void
check_resample_shape (const CheckCtx *c, size_t n, size_t groups, size_t lanes)
{
  const size_t inputs = groups + n, ldd = lanes + 7;
  uint32_t *first = check_alloc (n * sizeof *first);
  int8_t *digits = check_alloc (n * groups * 12);
  uint8_t *src = check_alloc (inputs * lanes * 4);
  uint8_t *got = check_alloc (n * ldd), *want = check_alloc (n * ldd);
  const NevaResample plan = {n, groups, first, digits};

  for (size_t o = 0; o < n; o++)
    first[o] = check_rand () % (uint32_t) (inputs - groups + 1);
  fill_digits (digits, n * groups);
  fill_bytes (src, inputs * lanes * 4);
  if (groups == 1) /* the extremes: 255 times the largest weight, both signs */
    memset (src, 255, inputs * lanes * 4);
  c->ref->resample (want, ldd, src, lanes, &plan);
  c->tier->resample (got, ldd, src, lanes, &plan);
  check_same ("dst", got, want, n * ldd);
  check_fence (got, "dst");
  if (n == 224)
    check_bench (c, lanes == 48 ? "columns" : "rows",
        (double) (n * groups * lanes * 4) * 1e-9, "G weights/s",
        c->tier->resample (got, ldd, src, lanes, &plan));
  check_free (first), check_free (digits), check_free (src);
  check_free (got), check_free (want);
}

void
check_resample (const CheckCtx *c)
{
  static const size_t shapes[][3] = {/* outputs, groups, lanes */
      {1, 1, 16}, {3, 1, 48}, {5, 2, 32}, {7, 3, 48}, {2, 40, 80}, {3, 5, 768},
      {224, 6, 48}, {224, 6, 672}};

  if (!check_func (
          c, (void *) c->tier->resample, (void *) c->ref->resample, "resample"))
    return;
  for (size_t i = 0; i < COUNT (shapes); i++)
    check_resample_shape (c, shapes[i][0], shapes[i][1], shapes[i][2]);
}
