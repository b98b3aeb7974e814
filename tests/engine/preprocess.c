/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames to tower input: equal to Pillow and the Hugging Face processors on
 * their recorded results; every pixel format against arithmetic in double. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "checkpoint/safetensors.h"
#include "vision/preprocess.h"

static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

static NevaPreprocess
identity (guint width, guint height)
{
  return (NevaPreprocess){.mode = NEVA_RESIZE_EXACT,
      .width = width,
      .height = height,
      .rescale = 1.0 / 255,
      .std = {1, 1, 1}};
}

/* ---- Recorded results --------------------------------------------------- */

static void
check_floats (const NevaPreprocess *pre, const guint8 *rgb,
    const NevaTensorView *want, const char *name)
{
  const gsize n = 3 * (gsize) pre->width * pre->height;
  g_autofree float *got = g_new (float, n);

  neva_preprocess_normalize (pre, rgb, got);
  CHECK (want->n_elements == n && !memcmp (got, want->data, n * sizeof *got),
      "%s.float", name);
}

static void
check_recorded (const NevaSafetensors *st, const NevaTensorView *input,
    const char *picture, const char *kind, guint size)
{
  g_autofree char *name = g_strdup_printf ("%s.%s%u", picture, kind, size);
  g_autofree char *float_name = g_strdup_printf ("%s.float", name);
  const NevaTensorView *want = neva_safetensors_find (st, name);
  const NevaTensorView *want_float = neva_safetensors_find (st, float_name);
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = (guint) input->shape[1],
      .height = (guint) input->shape[0],
      .plane = {input->data},
      .stride = {(gint) input->shape[1] * 3}};
  NevaPreprocess pre = {.mode = NEVA_RESIZE_SHORTEST,
      .pad = !strcmp (kind, "pad"),
      .pad_color = {122, 116, 104},
      .width = size,
      .height = size,
      .shortest_edge = size,
      .center_crop = TRUE,
      .rescale = 1.0 / 255};
  g_autofree guint8 *got = g_malloc (size * size * 3);
  g_autoptr (GError) error = NULL;

  if (!want)
    return;
  memcpy (pre.mean, clip_mean, sizeof pre.mean);
  memcpy (pre.std, clip_std, sizeof pre.std);
  if (!strcmp (kind, "siglip"))
    pre.mode = NEVA_RESIZE_EXACT;

  CHECK (neva_preprocess_frame (&pre, &frame, got, &error), "%s: %s", name,
      error ? error->message : "");
  CHECK (
      want->bytes == size * size * 3 && !memcmp (got, want->data, want->bytes),
      "%s differs", name);
  if (want_float)
    check_floats (&pre, got, want_float, name);
}

static void
check_reference (void)
{
  static const char *const kinds[] = {"clip", "pad", "siglip"};
  g_autofree char *path = NULL;
  g_autoptr (NevaSafetensors) st = NULL;
  g_autofree const char **names = NULL;
  g_autoptr (GError) error = NULL;

  if (!check_shared ()) {
    printf ("no recorded results beside the checkout\n");
    return;
  }
  path = g_build_filename (
      check_shared (), "reference", "preprocessing.safetensors", NULL);
  st = neva_safetensors_open (path, &error);
  CHECK (st, "%s", error ? error->message : "");
  if (!st)
    return;

  names = neva_safetensors_names (st);
  for (gsize i = 0; names[i]; i++) {
    g_autofree char *picture = g_strdup (names[i]);

    if (!g_str_has_suffix (picture, ".rgb"))
      continue;
    *strrchr (picture, '.') = 0;
    for (gsize k = 0; k < G_N_ELEMENTS (kinds); k++)
      for (guint size = 1; size <= 512; size++)
        check_recorded (
            st, neva_safetensors_find (st, names[i]), picture, kinds[k], size);
  }
}

/* ---- Packed formats ----------------------------------------------------- */

static void
check_packed (GRand *rand)
{
  static const struct {
    NevaPixelFormat format;
    guint bytes, order[3];
  } formats[] = {{NEVA_PIXEL_RGB, 3, {0, 1, 2}}, {NEVA_PIXEL_BGR, 3, {2, 1, 0}},
      {NEVA_PIXEL_RGBA, 4, {0, 1, 2}}, {NEVA_PIXEL_BGRA, 4, {2, 1, 0}},
      {NEVA_PIXEL_ARGB, 4, {1, 2, 3}}, {NEVA_PIXEL_ABGR, 4, {3, 2, 1}}};

  for (gsize f = 0; f < G_N_ELEMENTS (formats); f++)
    for (int flip = 0; flip < 2; flip++) {
      const guint w = 1 + g_rand_int_range (rand, 0, 150);
      const guint h = 1 + g_rand_int_range (rand, 0, 40),
                  bytes = formats[f].bytes;
      const guint stride = w * bytes + g_rand_int_range (rand, 0, 9);
      /* Exactly the bytes of the picture: sanitizers see any overread. */
      const gsize size = (gsize) stride * (h - 1) + w * bytes;
      g_autofree guint8 *data = g_malloc (size);
      g_autofree guint8 *got = g_malloc (3 * w * h);
      const NevaPreprocess pre = identity (w, h);
      NevaFrame frame = {.format = formats[f].format,
          .width = w,
          .height = h,
          .plane = {data},
          .stride = {(gint) stride}};
      guint wrong = 0;

      for (gsize i = 0; i < size; i++)
        data[i] = (guint8) g_rand_int (rand);
      if (flip) {
        frame.plane[0] = data + (gsize) stride * (h - 1);
        frame.stride[0] = -(gint) stride;
      }
      CHECK (neva_preprocess_frame (&pre, &frame, got, NULL), "format %zu", f);
      for (guint y = 0; y < h; y++)
        for (guint x = 0; x < w; x++)
          for (guint c = 0; c < 3; c++)
            wrong +=
                got[(y * w + x) * 3 + c] !=
                frame.plane[0][frame.stride[0] * (gint) y + (gint) (x * bytes) +
                               (gint) formats[f].order[c]];
      CHECK (wrong == 0, "format %zu, %u×%u: %u samples", f, w, h, wrong);
    }
}

/* ---- YUV against double ------------------------------------------------- */

typedef struct {
  NevaFrame frame;
  guint bits, bytes, shift;
  gboolean interleaved;
  guint8 *data[3];
} Yuv;

static const double kr_kb[][2] = {[NEVA_MATRIX_BT601] = {0.299, 0.114},
    [NEVA_MATRIX_BT709] = {0.2126, 0.0722},
    [NEVA_MATRIX_BT2020] = {0.2627, 0.0593},
    [NEVA_MATRIX_SMPTE240M] = {0.212, 0.087},
    [NEVA_MATRIX_FCC] = {0.30, 0.11}};

static double
sample_at (const Yuv *yuv, guint component, gint x, gint y)
{
  const guint plane = yuv->interleaved && component == 2 ? 1 : component;
  const gint w = (gint) yuv->frame.width, h = (gint) yuv->frame.height;
  const guint8 *p;
  guint value;

  x = CLAMP (x, 0, (component ? (w + 1) / 2 : w) - 1);
  y = CLAMP (y, 0, (component ? (h + 1) / 2 : h) - 1);
  if (yuv->interleaved && component)
    x = 2 * x + (component == 2);
  p = yuv->frame.plane[plane] + yuv->frame.stride[plane] * y +
      x * (gint) yuv->bytes;
  value = yuv->bytes == 1 ? p[0] : (p[0] | (guint) p[1] << 8) >> yuv->shift;
  return value;
}

/* Linear interpolation at a luma position, from the definition of the siting:
 * chroma sample i sits at luma coordinate 2i, or 2i + 1/2. */
static double
chroma_at (const Yuv *yuv, guint component, guint x, guint y)
{
  const guint site = yuv->frame.chroma_site;
  const double cx = (x - (site & NEVA_CHROMA_H_COSITED ? 0 : 0.5)) / 2;
  const double cy = (y - (site & NEVA_CHROMA_V_COSITED ? 0 : 0.5)) / 2;
  const gint ix = (gint) floor (cx), iy = (gint) floor (cy);
  const double fx = cx - ix, fy = cy - iy;

  return (1 - fy) * ((1 - fx) * sample_at (yuv, component, ix, iy) +
                        fx * sample_at (yuv, component, ix + 1, iy)) +
         fy * ((1 - fx) * sample_at (yuv, component, ix, iy + 1) +
                  fx * sample_at (yuv, component, ix + 1, iy + 1));
}

static void
model (const Yuv *yuv, guint x, guint y, double rgb[3])
{
  const double kr = kr_kb[yuv->frame.matrix][0],
               kb = kr_kb[yuv->frame.matrix][1];
  const double one = 1 << (yuv->bits - 8), full = (1 << yuv->bits) - 1;
  const gboolean limited = yuv->frame.range == NEVA_RANGE_LIMITED;
  const double l =
      (sample_at (yuv, 0, (gint) x, (gint) y) - (limited ? 16 * one : 0)) /
      (limited ? 219 * one : full);
  const double cs = limited ? 224 * one : full;
  const double u = (chroma_at (yuv, 1, x, y) - 128 * one) / cs;
  const double v = (chroma_at (yuv, 2, x, y) - 128 * one) / cs;

  rgb[0] = 255 * (l + 2 * (1 - kr) * v);
  rgb[2] = 255 * (l + 2 * (1 - kb) * u);
  rgb[1] = (255 * l - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
}

static Yuv
make_yuv (NevaPixelFormat format, guint w, guint h, GRand *rand)
{
  Yuv yuv = {.frame = {.format = format, .width = w, .height = h},
      .bits = 8,
      .bytes = 1};

  yuv.interleaved = format == NEVA_PIXEL_NV12 || format == NEVA_PIXEL_P010_10LE;
  if (format == NEVA_PIXEL_I420_10LE || format == NEVA_PIXEL_P010_10LE) {
    yuv.bits = 10;
    yuv.bytes = 2;
    yuv.shift = format == NEVA_PIXEL_P010_10LE ? 6 : 0;
  }
  yuv.frame.matrix = (NevaColorMatrix) g_rand_int_range (rand, 0, 5);
  yuv.frame.range = (NevaColorRange) g_rand_int_range (rand, 0, 2);
  yuv.frame.chroma_site = (NevaChromaSite) g_rand_int_range (rand, 0, 4);

  for (guint p = 0; p < (yuv.interleaved ? 2 : 3); p++) {
    const guint samples = p ? (w + 1) / 2 * (yuv.interleaved ? 2 : 1) : w;
    const guint rows = p ? (h + 1) / 2 : h;
    const guint stride =
        (samples + (guint) g_rand_int_range (rand, 0, 5)) * yuv.bytes;
    const gsize size = (gsize) stride * (rows - 1) + samples * yuv.bytes;

    yuv.data[p] = g_malloc (size);
    for (gsize i = 0; i < size / yuv.bytes; i++) {
      const guint value = (guint) g_rand_int (rand) >> (32 - yuv.bits);

      if (yuv.bytes == 1) {
        yuv.data[p][i] = (guint8) value;
      } else {
        yuv.data[p][2 * i] = (guint8) (value << yuv.shift);
        yuv.data[p][2 * i + 1] = (guint8) (value << yuv.shift >> 8);
      }
    }
    yuv.frame.plane[p] = yuv.data[p];
    yuv.frame.stride[p] = (gint) stride;
  }
  return yuv;
}

static void
check_yuv (NevaPixelFormat format, guint w, guint h, GRand *rand)
{
  Yuv yuv = make_yuv (format, w, h, rand);
  const NevaPreprocess pre = identity (w, h);
  g_autofree guint8 *got = g_malloc (3 * w * h);
  double worst = 0;

  CHECK (neva_preprocess_frame (&pre, &yuv.frame, got, NULL), "format %d",
      (int) format);
  for (guint y = 0; y < h; y++)
    for (guint x = 0; x < w; x++) {
      double rgb[3];

      model (&yuv, x, y, rgb);
      for (guint c = 0; c < 3; c++) {
        const double want = CLAMP (rgb[c], 0, 255);
        const double err = fabs (got[(y * w + x) * 3 + c] - want);

        worst = err <= worst ? worst : err;
      }
    }
  /* Rounding to nearest is off by a half at most; the f32 matrix by 1e-4. */
  CHECK (worst <= 0.5 + 1e-4,
      "format %d, %u×%u, matrix %d, range %d, site %d: off by %g", (int) format,
      w, h, (int) yuv.frame.matrix, (int) yuv.frame.range,
      (int) yuv.frame.chroma_site, worst);
  for (guint p = 0; p < 3; p++)
    g_free (yuv.data[p]);
}

static void
check_all_yuv (GRand *rand)
{
  static const guint sizes[] = {1, 2, 3, 4, 5, 63, 64, 65, 66, 129};
  static const NevaPixelFormat formats[] = {NEVA_PIXEL_I420, NEVA_PIXEL_NV12,
      NEVA_PIXEL_I420_10LE, NEVA_PIXEL_P010_10LE};

  for (gsize f = 0; f < G_N_ELEMENTS (formats); f++)
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
      for (gsize j = 0; j < 5; j++)
        check_yuv (formats[f], sizes[i], sizes[(i + 3 * j) % 10], rand);
}

/* A crop converts only part of each row: the same pixels must come out. */
static void
check_crop (GRand *rand)
{
  for (guint i = 0; i < 20; i++) {
    const guint w = 100 + g_rand_int_range (rand, 0, 100), h = 20 + 2 * i;
    Yuv yuv =
        make_yuv (i % 2 ? NEVA_PIXEL_NV12 : NEVA_PIXEL_I420_10LE, w, h, rand);
    NevaPreprocess pre = identity (w, h);
    g_autofree guint8 *whole = g_malloc (3 * w * h);
    g_autofree guint8 *part = g_malloc (3 * h * h);
    guint wrong = 0;

    CHECK (neva_preprocess_frame (&pre, &yuv.frame, whole, NULL), "whole");
    pre = (NevaPreprocess){.mode = NEVA_RESIZE_SHORTEST,
        .width = h,
        .height = h,
        .shortest_edge = h,
        .center_crop = TRUE};
    CHECK (neva_preprocess_frame (&pre, &yuv.frame, part, NULL), "part");
    for (guint y = 0; y < h; y++)
      wrong += memcmp (part + y * h * 3, whole + (y * w + (w - h) / 2) * 3,
                   h * 3) != 0;
    CHECK (wrong == 0, "%u×%u: %u rows differ", w, h, wrong);
    for (guint p = 0; p < 3; p++)
      g_free (yuv.data[p]);
  }
}

static void
check_gray (void)
{
  guint8 ramp[256], got[768];
  const NevaPreprocess pre = identity (256, 1);
  NevaFrame frame = {.format = NEVA_PIXEL_GRAY8,
      .width = 256,
      .height = 1,
      .plane = {ramp},
      .stride = {256}};

  for (guint i = 0; i < 256; i++)
    ramp[i] = (guint8) i;
  for (int range = 0; range < 2; range++) {
    guint wrong = 0;

    frame.range = (NevaColorRange) range;
    CHECK (neva_preprocess_frame (&pre, &frame, got, NULL), "gray");
    for (int i = 0; i < 768; i++) {
      const double want = range == NEVA_RANGE_FULL
                              ? i / 3
                              : CLAMP ((i / 3 - 16) * 255.0 / 219, 0, 255);

      wrong += !(fabs (got[i] - want) <= 0.5);
    }
    CHECK (wrong == 0, "range %d: %u levels", range, wrong);
  }
}

/* ---- Geometry and bad frames -------------------------------------------- */

static void
check_extremes (void)
{
  static const guint sizes[][2] = {
      {1, 1}, {1, 32768}, {32768, 1}, {2, 9999}, {32768, 3}};

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int mode = 0; mode < 3; mode++) {
      const guint w = sizes[i][0], h = sizes[i][1];
      g_autofree guint8 *data = g_malloc0 (3 * w * h);
      const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
          .width = w,
          .height = h,
          .plane = {data},
          .stride = {(gint) (3 * w)}};
      const NevaPreprocess pre = {
          .mode = mode == 1 ? NEVA_RESIZE_EXACT : NEVA_RESIZE_SHORTEST,
          .pad = mode == 2,
          .width = 28,
          .height = 28,
          .shortest_edge = 28,
          .center_crop = TRUE};
      guint8 got[28 * 28 * 3];
      guint wrong = 0;

      memset (data, 77, 3 * w * h);
      memset (got, 0, sizeof got);
      CHECK (neva_preprocess_frame (&pre, &frame, got, NULL), "%u×%u", w, h);
      for (gsize j = 0; j < sizeof got && mode < 2; j++)
        wrong += got[j] != 77;
      CHECK (wrong == 0, "%u×%u, mode %d: a flat picture changed", w, h, mode);
    }
}

/* A crop larger than the resized picture: zeros around, more on the leading
 * side. */
static void
check_border (void)
{
  guint8 data[5 * 5 * 3], got[8 * 8 * 3];
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = 5,
      .height = 5,
      .plane = {data},
      .stride = {15}};
  const NevaPreprocess pre = {.mode = NEVA_RESIZE_SHORTEST,
      .width = 8,
      .height = 8,
      .shortest_edge = 5,
      .center_crop = TRUE};
  guint wrong = 0;

  for (guint i = 0; i < sizeof data; i++)
    data[i] = (guint8) (i + 100);
  CHECK (neva_preprocess_frame (&pre, &frame, got, NULL), "border");
  for (guint y = 0; y < 8; y++)
    for (guint x = 0; x < 8; x++) {
      const gboolean inside = x >= 2 && x < 7 && y >= 2 && y < 7;

      wrong += got[(y * 8 + x) * 3] !=
               (inside ? data[((y - 2) * 5 + x - 2) * 3] : 0);
    }
  CHECK (wrong == 0, "%u pixels", wrong);
}

static void
check_bad_frames (void)
{
  guint8 data[64] = {0}, got[48];
  const NevaFrame good = {.format = NEVA_PIXEL_I420,
      .width = 4,
      .height = 4,
      .plane = {data, data + 16, data + 20},
      .stride = {4, 2, 2}};
  NevaPreprocess pre = identity (4, 4);
  NevaFrame frame = good;
  GError *error = NULL;

  CHECK (neva_preprocess_frame (&pre, &frame, got, NULL), "good");
  frame.width = 0;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "no width");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "0×4");
  frame = good, frame.height = 40000;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "height");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "40000");
  frame = good, frame.plane[2] = NULL;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "plane");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "plane 2 is missing");
  frame = good, frame.stride[1] = -1;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "stride");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "plane 1");
  frame = good, frame.format = (NevaPixelFormat) 99;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "format");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "pixel format");
  frame = good, frame.matrix = (NevaColorMatrix) 99;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "matrix");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "matrix");

  frame = good, pre.width = 0;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "no output");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "0×4");
  pre = identity (4, 4), pre.mode = NEVA_RESIZE_SHORTEST, pre.shortest_edge = 3;
  CHECK (!neva_preprocess_frame (&pre, &frame, got, &error), "no crop");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "3×3");
}

int
main (int argc, char **argv)
{
  g_autoptr (GRand) rand =
      g_rand_new_with_seed ((guint32) check_seed (argc, argv));

  check_reference ();
  check_packed (rand);
  check_all_yuv (rand);
  check_crop (rand);
  check_gray ();
  check_extremes ();
  check_border ();
  check_bad_frames ();
  return check_finish ();
}
