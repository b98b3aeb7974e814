/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resized pictures: equal to the last bit. Normalised ones: a few roundings. */
#include "config.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include "model/config.h"
#include "stages.h"

/* (p * scale - mean) / std takes three roundings on each side (the original may
 * fold the scale into mean and std), each at most half an ulp of a number that
 * stays below (1 + |mean|) / std. */
static double
normalise_bound (const NevaPreprocess *p)
{
  double bound = 0;

  for (int c = 0; c < 3; c++)
    bound = fmax (
        bound, 6 * (FLT_EPSILON / 2) * (1 + fabs (p->mean[c])) / p->std[c]);
  return bound;
}

static gsize
count_equal (const guint8 *a, const guint8 *b, gsize n)
{
  gsize equal = 0;

  for (gsize i = 0; i < n; i++)
    equal += a[i] == b[i];
  return equal;
}

static NevaFrame
rgb_frame (const guint8 *data, gsize height, gsize width)
{
  return (NevaFrame){.format = NEVA_PIXEL_RGB,
      .width = (guint) width,
      .height = (guint) height,
      .plane = {data},
      .stride = {(gint) width * 3},
      .range = NEVA_RANGE_FULL,
      .pts_ns = -1};
}

guint8 *
resize_frames (Report *r, const NevaPreprocess *p, const NevaSafetensors *st)
{
  g_autoptr (GError) error = NULL;
  const NevaTensorView *frames = neva_safetensors_find (st, "frames");
  const gsize plane = 3 * (gsize) p->width * p->height;
  g_autofree guint8 *pictures = NULL;

  if (!frames || frames->n_dims != 4 || !g_str_equal (frames->dtype, "U8")) {
    report_failure (r, "frames", "not stored");
    return NULL;
  }
  pictures = g_malloc (plane * frames->shape[0]);
  for (gsize i = 0; i < frames->shape[0]; i++) {
    const gsize h = frames->shape[1], w = frames->shape[2];
    const NevaFrame frame =
        rgb_frame ((const guint8 *) frames->data + i * h * w * 3, h, w);

    if (neva_preprocess_frame (p, &frame, pictures + i * plane, &error))
      continue;
    report_failure (r, "resized pixels", error->message);
    return NULL;
  }
  return g_steal_pointer (&pictures);
}

void
check_pixels (Report *r, const NevaPreprocess *p, const NevaSafetensors *st)
{
  const gsize plane = 3 * (gsize) p->width * p->height;
  g_autofree guint8 *pictures = resize_frames (r, p, st);
  g_autofree float *normal = g_new (float, plane);
  gsize n_resized, n_values;
  const float *values = stored (r, st, "pixel_values", "F32", &n_values);
  double worst = 0;

  if (!pictures || !values)
    return;
  if (neva_safetensors_find (st, "resized")) {
    const guint8 *resized = stored (r, st, "resized", "U8", &n_resized);

    if (resized && n_resized == n_values)
      report_equal (r, "resized pixels",
          count_equal (pictures, resized, n_resized), n_resized);
    else
      report_failure (r, "resized pixels", "stored shape does not fit");
  }
  if (n_values % plane) {
    report_failure (r, "pixel values", "stored shape does not fit");
    return;
  }
  for (gsize i = 0; i < n_values; i += plane) {
    neva_preprocess_normalize (p, pictures + i, normal);
    worst = fmax (worst, largest_difference (normal, values + i, plane));
  }
  report_error (r, "pixel values", worst, normalise_bound (p));
}

/* NAME.clip56 and the like: what the word and the number stand for. */
static gboolean
parse_variant (const char *variant, NevaPreprocess *p)
{
  static const float clip_mean[] = {0.48145466f, 0.4578275f, 0.40821073f};
  static const float clip_std[] = {0.26862954f, 0.26130258f, 0.27577711f};
  const gboolean siglip = g_str_has_prefix (variant, "siglip");
  const gboolean pad = g_str_has_prefix (variant, "pad");
  const guint size = (guint) g_ascii_strtoull (
      variant + strcspn (variant, "0123456789"), NULL, 10);

  if (!size || !(siglip || pad || g_str_has_prefix (variant, "clip")))
    return FALSE;
  *p = (NevaPreprocess){
      .mode = siglip ? NEVA_RESIZE_EXACT : NEVA_RESIZE_SHORTEST,
      .pad = pad,
      .pad_color = {122, 116, 104},
      .width = size,
      .height = size,
      .shortest_edge = size,
      .center_crop = !siglip,
      .rescale = 1.0 / 255.0};
  for (int c = 0; c < 3; c++) {
    p->mean[c] = siglip ? 0.5f : clip_mean[c];
    p->std[c] = siglip ? 0.5f : clip_std[c];
  }
  return TRUE;
}

/* name: "photo.clip56" or "photo.clip56.float" */
static void
check_variant (Report *r, const NevaSafetensors *st, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) part = g_strsplit (name, ".", 3);
  g_autofree char *source = g_strconcat (part[0], ".rgb", NULL);
  const NevaTensorView *rgb = neva_safetensors_find (st, source);
  const NevaTensorView *want = neva_safetensors_find (st, name);
  g_autofree guint8 *picture = NULL;
  g_autofree float *normal = NULL;
  NevaPreprocess p;
  NevaFrame frame;
  gsize plane;

  if (!rgb || rgb->n_dims != 3 || !part[1] || !parse_variant (part[1], &p) ||
      want->n_elements != 3 * (gsize) p.width * p.height) {
    report_failure (r, name, "unknown variant");
    return;
  }
  plane = want->n_elements;
  picture = g_malloc (plane);
  frame = rgb_frame (rgb->data, rgb->shape[0], rgb->shape[1]);
  if (!neva_preprocess_frame (&p, &frame, picture, &error)) {
    report_failure (r, name, error->message);
    return;
  }
  if (!part[2]) {
    report_equal (r, name, count_equal (picture, want->data, plane), plane);
    return;
  }
  normal = g_new (float, plane);
  neva_preprocess_normalize (&p, picture, normal);
  report_error (r, name, largest_difference (normal, want->data, plane),
      normalise_bound (&p));
}

void
check_preprocessing_file (Report *r, const char *file)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaSafetensors) st = neva_safetensors_open (file, &error);
  g_autofree const char **names = NULL;

  if (!st) {
    report_failure (r, "open", error->message);
    return;
  }
  names = neva_safetensors_names (st);
  for (gsize i = 0; names[i]; i++) {
    if (!g_str_has_suffix (names[i], ".rgb"))
      check_variant (r, st, names[i]);
  }
}
