/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "checkpoint/awq.h"

#include <neva/error.h>
#include <string.h>

#define GROUP ((gsize) NEVA_QUANT_GROUP)

static char *
part_name (const char *name, const char *part)
{
  const gsize stem = strlen (name) - strlen ("weight");

  return g_strdup_printf ("%.*s%s", (int) stem, name, part);
}

gboolean
neva_awq_has (const NevaTensorSource *source, const char *name)
{
  g_autofree char *codes = NULL;

  if (!g_str_has_suffix (name, ".weight") ||
      neva_tensor_source_peek (source, name))
    return FALSE;
  codes = part_name (name, "qweight");
  return neva_tensor_source_peek (source, codes) != NULL;
}

/* [rows, columns] of a type; NULL with error. */
static const NevaTensorView *
find (NevaAwq *a, const char *name, const char *part, const char *dtype,
    gsize rows, gsize columns, GError **error)
{
  g_autofree char *full = part_name (name, part);
  const NevaTensorView *view = neva_tensor_source_find (a->source, full);

  if (!view) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "tensor '%s' is missing", full);
    return NULL;
  }
  if (g_str_equal (view->dtype, dtype) && view->n_dims == 2 &&
      view->shape[0] == rows && view->shape[1] == columns)
    return view;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s': %s %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT
      " expected, %s %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT
      "%s found (file %s): AWQ of a matrix %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT
      " in groups of 128",
      full, dtype, rows, columns, view->dtype,
      view->n_dims > 0 ? view->shape[0] : 1,
      view->n_dims > 1 ? view->shape[1] : 1, view->n_dims > 2 ? "×…" : "",
      neva_tensor_source_file (a->source, view), a->n, a->k);
  neva_tensor_source_release (a->source, view);
  return NULL;
}

static gboolean
find_all (NevaAwq *a, const char *name, GError **error)
{
  const gsize n = a->n, groups = a->k / GROUP, words = (groups + 7) / 8;
  const char *const f16 = "F16", *const i32 = "I32";

  switch (a->layout) {
    case NEVA_AWQ_GEMM:
      return (a->codes = find (a, name, "qweight", i32, a->k, n / 8, error)) &&
             (a->zeros = find (a, name, "qzeros", i32, groups, n / 8, error)) &&
             (a->scales = find (a, name, "scales", f16, groups, n, error));
    case NEVA_AWQ_GEMV:
      return (a->codes = find (a, name, "qweight", i32, n, a->k / 8, error)) &&
             (a->zeros = find (a, name, "qzeros", i32, n, words, error)) &&
             (a->scales = find (a, name, "scales", f16, n, 8 * words, error));
    case NEVA_AWQ_FAST:
      return (a->codes =
                     find (a, name, "qweight", "I16", n / 4, a->k, error)) &&
             (a->zeros = find (
                  a, name, "scaled_zeros", f16, 8 * words, n, error)) &&
             (a->scales = find (a, name, "scales", f16, 8 * words, n, error));
    case NEVA_AWQ_NONE:
      break;
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s' is stored as 4-bit codes, and config.json has no "
      "quantization_config that says how",
      name);
  return FALSE;
}

gboolean
neva_awq_open (NevaAwq *a, NevaTensorSource *source, NevaAwqLayout layout,
    const char *name, gsize n, gsize k, GError **error)
{
  g_autofree char *codes = part_name (name, "qweight");
  const NevaTensorView *view = neva_tensor_source_peek (source, codes);

  *a = (NevaAwq){.source = source, .layout = layout, .n = n, .k = k};
  if (layout && view && g_str_equal (view->dtype, "I16"))
    a->layout = NEVA_AWQ_FAST;
  if (n % 8 || k % GROUP) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s': a matrix %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT
        " cannot be AWQ in groups of 128",
        codes, n, k);
    return FALSE;
  }
  if (find_all (a, name, error))
    return TRUE;
  neva_awq_close (a);
  return FALSE;
}

void
neva_awq_close (NevaAwq *a)
{
  const NevaTensorView *views[] = {a->codes, a->zeros, a->scales};

  for (gsize i = 0; i < G_N_ELEMENTS (views); i++) {
    if (views[i])
      neva_tensor_source_release (a->source, views[i]);
  }
  *a = (NevaAwq){0};
}

/* Files may put tensors at odd addresses. */
static guint
word (const NevaTensorView *view, gsize at)
{
  guint32 w;

  memcpy (&w, (const guint8 *) view->data + at * sizeof w, sizeof w);
  return w;
}

static guint
half (const NevaTensorView *view, gsize at)
{
  guint16 h;

  memcpy (&h, (const guint8 *) view->data + at * sizeof h, sizeof h);
  return h;
}

/* Codes are decoded in tiles of 8 rows and 64 columns: whole words of every
 * layout, and a cache line of each row. */
enum { ROWS = 8, COLUMNS = 64 };
typedef guint8 Tile[ROWS][COLUMNS];

/* The shift of column c % 8 in a word of GEMM. */
static const guint8 gemm_shift[8] = {0, 16, 4, 20, 8, 24, 12, 28};

static void
tile_gemm (const NevaAwq *a, gsize r, gsize column, Tile tile)
{
  for (gsize i = 0; i < COLUMNS; i++) {
    const guint w = word (a->codes, (column + i) * (a->n / 8) + r / 8);

    for (gsize c = 0; c < ROWS; c++)
      tile[c][i] = w >> gemm_shift[c] & 15;
  }
}

static void
tile_gemv (const NevaAwq *a, gsize r, gsize column, Tile tile)
{
  for (gsize c = 0; c < ROWS; c++) {
    const gsize at = ((r + c) * a->k + column) / 8;

    for (gsize i = 0; i < COLUMNS; i += 8) {
      const guint w = word (a->codes, at + i / 8);

      for (gsize j = 0; j < 8; j++)
        tile[c][i + j] = w >> 4 * j & 15;
    }
  }
}

/* Of 32 columns, 8 a + 2 b + c (a, b < 4, c < 2) goes to 8 b + 4 c + a; then
 * 64 columns of 4 rows, one row after another, fill 64 halves from the low
 * nibble up. */
static void
tile_fast (const NevaAwq *a, gsize r, gsize column, Tile tile)
{
  for (gsize at = 0; at < 2 * 4 * COLUMNS; at += 4) {
    const gsize four = at / (4 * COLUMNS), i = at % COLUMNS;
    const guint w = half (
        a->codes, (r / 4 + four) * a->k + column + at % (4 * COLUMNS) / 4);
    guint8 *row = tile[at / COLUMNS] + i / 32 * 32 + i % 32 / 8 * 2 + i / 4 % 2;

    for (gsize j = 0; j < 4; j++)
      row[8 * j] = w >> 4 * j & 15;
  }
}

static void
decode_tile (const NevaAwq *a, gsize r, gsize column, Tile tile)
{
  switch (a->layout) {
    case NEVA_AWQ_GEMM:
      tile_gemm (a, r, column, tile);
      break;
    case NEVA_AWQ_GEMV:
      tile_gemv (a, r, column, tile);
      break;
    case NEVA_AWQ_FAST:
      tile_fast (a, r, column, tile);
      break;
    case NEVA_AWQ_NONE:
      break;
  }
}

/* A group's scale, and what its code 0 stands for: an f16 of 11 bits times one
 * of 4 is exact. */
static void
read_group (const NevaAwq *a, gsize r, gsize g, float *scale, float *low)
{
  const gsize groups = a->k / GROUP, words = (groups + 7) / 8;
  const gsize across = g * a->n + r, along = r * 8 * words + g;
  guint zero = 0;

  *scale = neva_f16_to_f32 (
      (guint16) half (a->scales, a->layout == NEVA_AWQ_GEMV ? along : across));
  switch (a->layout) {
    case NEVA_AWQ_GEMM:
      zero = word (a->zeros, across / 8) >> gemm_shift[r % 8] & 15;
      break;
    case NEVA_AWQ_GEMV:
      zero = word (a->zeros, along / 8) >> 4 * (g % 8) & 15;
      break;
    case NEVA_AWQ_FAST:
      *low = neva_f16_to_f32 ((guint16) half (a->zeros, across));
      return;
    case NEVA_AWQ_NONE:
      break;
  }
  *low = -*scale * (float) zero;
}

void
neva_awq_read (const NevaAwq *a, gsize n0, gsize rows, gsize k0, gsize k,
    guint8 *codes, float *scale, float *low)
{
  const gsize first = k0 / GROUP, end = (k0 + k + GROUP - 1) / GROUP;
  Tile tile;

  for (gsize c = k0 / COLUMNS * COLUMNS; c < k0 + k; c += COLUMNS) {
    const gsize from = MAX (c, k0), to = MIN (c + COLUMNS, k0 + k);

    for (gsize r = n0 / ROWS * ROWS; r < n0 + rows; r += ROWS) {
      decode_tile (a, r, c, tile);
      for (gsize i = MAX (r, n0); i < MIN (r + ROWS, n0 + rows); i++)
        memcpy (codes + (i - n0) * k + (from - k0), tile[i - r] + (from - c),
            to - from);
    }
  }
  for (gsize r = n0; r < n0 + rows; r++) {
    for (gsize g = first; g < end; g++)
      read_group (a, r, g, scale++, low++);
  }
}
