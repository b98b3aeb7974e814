/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures, against the CPU's kernels on whole rows. Class: exact. */
#include "config.h"
#include <stdlib.h>
#include "device.h"

enum { LEFT = 3, TOP = 2, EDGE = 64 };

#define COUNT(array) (sizeof array / sizeof array[0])

static void
fill_bytes (uint8_t *x, size_t n)
{
  for (size_t i = 0; i < n; i++)
    x[i] = (uint8_t) check_rand ();
}

/* ---- picture_rgb -------------------------------------------------------- */

typedef struct {
  const char *name;
  uint32_t planes, bytes, shift;
  uint8_t order[3];
  bool gray, interleaved;
} Format;

static const Format formats[] = {
    {"RGB", 1, 3, 0, {0, 1, 2}, false, false},
    {"xBGR", 1, 4, 0, {3, 2, 1}, false, false},
    {"GRAY8", 1, 1, 0, {0}, true, false},
    {"I420", 3, 1, 0, {0}, false, false},
    {"NV12", 2, 1, 0, {0}, false, true},
    {"I420_10LE", 3, 2, 0, {0}, false, false},
    {"P010_10LE", 2, 2, 6, {0}, false, true},
};

/* The planes of a picture in host memory. */
typedef struct {
  NevaCudaPicture p;
  uint8_t *memory[3];
  size_t rows[3];
} Host;

static Host
make_picture (const Format *f, uint32_t width, uint32_t height, unsigned sites)
{
  Host h = {.p = {.width = width,
                .height = height,
                .left = LEFT,
                .top = TOP,
                .planes = f->planes,
                .bytes = f->bytes,
                .shift = f->shift,
                .pad = {7, 130, 255},
                .gray = f->gray,
                .interleaved = f->interleaved,
                .h_cosited = sites & 1,
                .v_cosited = sites & 2,
                /* BT.709, limited, chroma in sixteenths */
                .matrix = {1.164384f, 0.112046f, -0.013329f, -0.033309f,
                    0.132025f, 16, 2048}}};

  if (f->bytes == 2) {
    h.p.matrix = (NevaYuvMatrix){
        0.291096f, 0.028011f, -0.003332f, -0.008327f, 0.033006f, 64, 8192};
  }
  memcpy (h.p.order, f->order, 3);
  fill_bytes (h.p.gray_table, sizeof h.p.gray_table);
  for (uint32_t i = 0; i < f->planes; i++) {
    const size_t samples = i ? (width + 1) / 2 : width;
    const size_t row = samples * f->bytes * (i && f->interleaved ? 2 : 1);

    h.rows[i] = i ? (height + 1) / 2 : height;
    h.p.stride[i] = (int64_t) row + 5 - 5 % f->bytes;
    h.memory[i] = check_alloc (h.rows[i] * (size_t) h.p.stride[i]);
    fill_bytes (h.memory[i], h.rows[i] * (size_t) h.p.stride[i]);
    if (f->bytes == 2 && !f->shift) /* ten bits */
      for (size_t j = 1; j < h.rows[i] * (size_t) h.p.stride[i]; j += 2)
        h.memory[i][j] &= 3;
    h.p.plane[i] = h.memory[i];
  }
  return h;
}

static const uint8_t *
plane_row (const NevaCudaPicture *p, uint32_t plane, uint32_t y)
{
  return p->plane[plane] + (int64_t) y * p->stride[plane];
}

/* Row y of the picture by the CPU's kernels; dst[c] has room around. */
static void
yuv_row (const CheckCtx *c, const NevaCudaPicture *p, uint32_t y,
    uint8_t *const dst[3])
{
  const uint32_t width = (p->width + 1) / 2, height = (p->height + 1) / 2;
  const uint32_t here = y / 2;
  const uint32_t other =
      y % 2 ? (here + 1 < height ? here + 1 : here) : here - (here > 0);
  const unsigned weight = !p->v_cosited ? 1 : y % 2 ? 2 : 0;
  const uint16_t left = p->h_cosited ? 0 : 1, right = p->h_cosited ? 2 : 1;
  uint16_t *mixed = check_alloc (2 * (width + 3 * EDGE) * sizeof *mixed);
  uint16_t *to[2] = {mixed + EDGE, mixed + width + 2 * EDGE + EDGE / 2};
  NevaChromaRows rows = {.weight = {4 - weight, weight},
      .sample = {p->bytes, p->shift},
      .interleaved = p->interleaved};
  NevaYuvRow row = {.luma = plane_row (p, 0, y),
      .sample = {p->bytes, p->shift},
      .left = {left, (uint16_t) (4 - left)},
      .right = {(uint16_t) (4 - right), right},
      .matrix = p->matrix};

  for (uint32_t i = 1; i < p->planes; i++) {
    rows.row[0][i - 1] = plane_row (p, i, here);
    rows.row[1][i - 1] = plane_row (p, i, other);
  }
  c->ref->chroma_mix (to, &rows, width);
  for (size_t i = 0; i < 2; i++) {
    to[i][-1] = to[i][0];
    to[i][width] = to[i][width - 1];
    row.chroma[i] = to[i];
  }
  c->ref->yuv_to_rgb (dst, &row, p->width);
  check_free (mixed);
}

static void
picture_row (const CheckCtx *c, const NevaCudaPicture *p, uint32_t y,
    uint8_t *const dst[3])
{
  if (p->planes > 1) {
    yuv_row (c, p, y, dst);
  } else if (p->gray) {
    for (uint32_t x = 0; x < p->width; x++)
      dst[0][x] = dst[1][x] = dst[2][x] = p->gray_table[plane_row (p, 0, y)[x]];
  } else {
    c->ref->unpack_rgb (dst, plane_row (p, 0, y), p->bytes, p->order, p->width);
  }
}

static void
judge_picture (const CheckCtx *c, const Format *f, uint32_t width,
    uint32_t height, unsigned sites)
{
  const uint32_t columns = width + 2 * LEFT, rows = height + 2 * TOP;
  const uint32_t x0 = 1, y0 = 1; /* of the canvas; the rest is wanted */
  const size_t area = (size_t) (columns - x0) * (rows - y0), n = 3 * area;
  Host h = make_picture (f, width, height, sites);
  NevaCudaPicture device = h.p;
  uint8_t *got = check_alloc (n), *want = check_alloc (n), *out;
  uint8_t *line = check_alloc (3 * (width + 2 * EDGE));
  uint8_t *const dst[3] = {line + EDGE / 2, line + EDGE / 2 + width + EDGE,
      line + EDGE / 2 + 2 * (width + EDGE)};

  for (size_t i = 0; i < 3; i++)
    memset (want + i * area, h.p.pad[i], area);
  for (uint32_t y = 0; y < height; y++) {
    /* a channel's row writes beyond its end: from the last to the first */
    picture_row (c, &h.p, y, dst);
    for (size_t i = 0; i < 3; i++)
      memcpy (want + i * area + (size_t) (y + TOP - y0) * (columns - x0) +
                  LEFT - x0,
          dst[i], width);
  }
  for (uint32_t i = 0; i < f->planes; i++)
    device.plane[i] =
        to_device (h.memory[i], h.rows[i] * (size_t) h.p.stride[i]);
  out = to_device (NULL, n);
  device_status ("launch", cuda->picture_rgb (out, &device, x0, y0,
                               columns - x0, rows - y0, stream));
  from_device (got, out, n);
  device_end ();
  check_same (f->name, got, want, n);
  check_free (got), check_free (want), check_free (line);
  for (uint32_t i = 0; i < f->planes; i++)
    check_free (h.memory[i]);
}

void
check_picture_rgb (const CheckCtx *c)
{
  static const uint32_t sizes[][2] = {
      {1, 1}, {2, 3}, {17, 6}, {64, 5}, {65, 4}};

  if (!check_func (c, (void *) cuda->picture_rgb, NULL, "picture_rgb"))
    return;
  for (size_t f = 0; f < COUNT (formats); f++)
    for (size_t s = 0; s < COUNT (sizes); s++)
      for (unsigned sites = 0; sites < (formats[f].planes > 1 ? 4u : 1u);
           sites++)
        judge_picture (c, &formats[f], sizes[s][0], sizes[s][1], sites);
}

/* ---- resample ----------------------------------------------------------- */

/* Inputs of the reference: [input / 4][lane][4]; here [channel][input][lane].
 */
static void
judge_resample (const CheckCtx *c, size_t n, size_t groups, size_t inputs)
{
  enum { LANES = 16 };
  const size_t input_groups = (inputs + 3) / 4;
  uint8_t *src = check_alloc (3 * inputs * LANES);
  uint8_t *packed = check_alloc (input_groups * LANES * 4);
  uint8_t *got = check_alloc (3 * n * LANES), *out;
  uint8_t *want = check_alloc (3 * n * LANES);
  uint32_t *first = check_alloc (n * sizeof *first);
  uint8_t *digits = check_alloc (n * groups * 12);
  NevaResample plan = {n, groups, first, (int8_t *) digits};

  fill_bytes (src, 3 * inputs * LANES);
  fill_bytes (digits, n * groups * 12);
  for (size_t o = 0; o < n; o++) {
    first[o] = (uint32_t) (check_rand () % (input_groups - groups + 1));
    for (size_t g = 0; g < groups; g++)
      for (size_t j = 0; j < 4; j++) {
        int8_t *d = (int8_t *) digits + (o * groups + g) * 12 + j;

        d[8] = (int8_t) (d[8] % 48); /* |w| < 2^22, as of a resize */
        if ((first[o] + g) * 4 + j >= inputs)
          d[0] = d[4] = d[8] = 0;
      }
  }
  for (size_t ch = 0; ch < 3; ch++) {
    memset (packed, 0, input_groups * LANES * 4);
    for (size_t i = 0; i < inputs; i++)
      for (size_t l = 0; l < LANES; l++)
        packed[(i / 4 * LANES + l) * 4 + i % 4] =
            src[(ch * inputs + i) * LANES + l];
    c->ref->resample (want + ch * n * LANES, LANES, packed, LANES, &plan);
  }

  const NevaCudaResample device = {
      .first = to_device (first, n * sizeof *first),
      .digits = to_device (digits, n * groups * 12),
      .n = n,
      .groups = groups,
      .inputs = inputs,
      .lanes = LANES,
      .dst_channel = n * LANES,
      .dst_step = LANES,
      .dst_lane = 1,
      .src_channel = inputs * LANES,
      .src_step = LANES,
      .src_lane = 1};

  out = to_device (NULL, 3 * n * LANES);
  device_status (
      "launch", cuda->resample (
                    out, to_device (src, 3 * inputs * LANES), &device, stream));
  from_device (got, out, 3 * n * LANES);
  device_end ();
  check_same ("dst", got, want, 3 * n * LANES);
  check_free (src), check_free (packed), check_free (got), check_free (want);
  check_free (first), check_free (digits);
}

void
check_cuda_resample (const CheckCtx *c)
{
  static const size_t sizes[][3] = {
      {1, 1, 1}, {3, 1, 4}, {7, 2, 29}, {17, 5, 63}, {64, 3, 130}};

  if (!check_func (c, (void *) cuda->resample, NULL, "resample"))
    return;
  for (size_t i = 0; i < COUNT (sizes); i++)
    judge_resample (c, sizes[i][0], sizes[i][1], sizes[i][2]);
}

/* ---- patches ------------------------------------------------------------ */

static void
judge_patches (size_t frames, size_t side, size_t patch)
{
  const size_t grid = side / patch,
               n = frames * grid * grid * 3 * patch * patch;
  const size_t bytes = frames * side * side * 3;
  uint8_t *rgb = check_alloc (bytes);
  float table[3 * 256], *got = check_buf (n), *want = check_buf (n), *out;
  float *at = want;

  fill_bytes (rgb, bytes);
  check_fill (table, COUNT (table), 1);
  for (size_t f = 0; f < frames; f++)
    for (size_t p = 0; p < grid * grid; p++)
      for (size_t i = 0; i < 3 * patch * patch; i++) {
        const size_t ch = i / (patch * patch);
        const size_t y = p / grid * patch + i / patch % patch;
        const size_t x = p % grid * patch + i % patch;

        *at++ = table[ch * 256 + rgb[((f * side + y) * side + x) * 3 + ch]];
      }
  out = to_device (NULL, n * sizeof *got);
  device_status ("launch",
      cuda->patches (out, to_device (rgb, bytes),
          to_device (table, sizeof table), frames, side, patch, stream));
  from_device (got, out, n * sizeof *got);
  device_end ();
  check_same ("dst", got, want, n * sizeof *got);
  check_free (rgb), check_free (got), check_free (want);
}

void
check_patches (const CheckCtx *c)
{
  if (!check_func (c, (void *) cuda->patches, NULL, "patches"))
    return;
  judge_patches (1, 1, 1);
  judge_patches (2, 14, 14);
  judge_patches (1, 31, 4); /* pixels beyond whole patches */
  judge_patches (3, 28, 14);
}
