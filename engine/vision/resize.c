/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "resample.h"
#include "resize.h"

/* Columns that are resampled together when rows go first. */
#define STRIP 256
#define COLUMN_LANES (NEVA_TILE_COLUMN_BYTES / 4)

typedef struct {
  const NevaColor *color;
  const NevaCpuKernels *kernels;
  NevaAxis x, y;
  guint8 pad_color[3];
  NevaTaps columns, rows;
  guint8 *planar;   /* rows of the canvas, NEVA_IMAGE_ALIGN before; see below */
  gsize stride;     /* bytes from planar row to row */
  guint8 *tile;     /* image.h */
  guint8 *squeezed; /* [x.n][COLUMN_LANES]: 16 rows resampled */
  guint8 *stack;    /* [rows / 4][lanes][4]: what is resampled along rows */
  guint8 *result;   /* [y.n][lanes] of that */
  gsize lanes;
} Job;

static void
job_clear (Job *job)
{
  neva_taps_clear (&job->columns);
  neva_taps_clear (&job->rows);
  g_free (job->planar);
  g_free (job->tile);
  g_free (job->squeezed);
  g_free (job->stack);
  g_free (job->result);
}

static gsize
round_up (gsize n, gsize to)
{
  return (n + to - 1) / to * to;
}

/* `tiles`: of NEVA_TILE_ROWS planar rows each. */
static gboolean
job_alloc (Job *job, gsize tiles, GError **error)
{
  const gsize columns = job->columns.input_groups;
  const gsize groups = round_up (job->rows.input_groups, NEVA_TILE_ROWS / 4);

  job->stride = round_up (round_up (columns * 4, NEVA_IMAGE_ALIGN), STRIP) +
                2 * NEVA_IMAGE_ALIGN;
  job->planar = g_try_malloc0_n (tiles * 3 * NEVA_TILE_ROWS + 1, job->stride);
  job->tile = g_try_malloc_n (columns, NEVA_TILE_COLUMN_BYTES);
  job->squeezed = g_try_malloc_n (job->x.n, COLUMN_LANES);
  job->stack = g_try_malloc_n (groups * 4, job->lanes);
  job->result = g_try_malloc_n (job->y.n, job->lanes);

  if (job->planar && job->tile && job->squeezed && job->stack && job->result)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
      "no memory to resize a frame of %u×%u pixels", job->x.picture,
      job->y.picture);
  return FALSE;
}

static guint8 *
planar_row (const Job *job, gsize tile, gsize c, gsize r)
{
  return job->planar + NEVA_IMAGE_ALIGN +
         ((tile * 3 + c) * NEVA_TILE_ROWS + r) * job->stride;
}

/* Columns [begin, begin + n) of row y of the canvas to row[c][0 .. n). */
static void
canvas_row (const Job *job, guint y, guint begin, guint n, guint8 *row[3])
{
  const NevaAxis *axis = &job->x;
  const guint end = begin + n;
  const guint left = CLAMP (axis->offset, begin, end);
  const guint right = CLAMP (axis->offset + axis->picture, begin, end);
  const gboolean inside =
      y >= job->y.offset && y < job->y.offset + job->y.picture && left < right;

  if (!inside) {
    for (guint c = 0; c < 3; c++)
      memset (row[c], job->pad_color[c], n);
    return;
  }

  guint8 *const picture[3] = {
      row[0] + left - begin, row[1] + left - begin, row[2] + left - begin};

  neva_color_row (job->color, y - job->y.offset, left - axis->offset,
      right - left, picture);
  for (guint c = 0; c < 3; c++) {
    memset (row[c], job->pad_color[c], left - begin);
    memset (row[c] + right - begin, job->pad_color[c], end - right);
  }
}

/* Resample the columns of one tile's planar rows. */
static void
squeeze (Job *job, gsize tile)
{
  job->kernels->tile (job->tile, planar_row (job, tile, 0, 0), job->stride,
      (gsize) job->columns.input_groups * 4);
  job->kernels->resample (
      job->squeezed, COLUMN_LANES, job->tile, COLUMN_LANES, &job->columns.plan);
}

/* ---- Columns first ------------------------------------------------------ */

/* [x][row / 4][c][4] of one tile to its four groups of rows in the stack. */
static void
regroup (Job *job, gsize group)
{
  for (gsize x = 0; x < job->x.n; x++)
    for (gsize g = 0; g < NEVA_TILE_ROWS / 4; g++)
      memcpy (job->stack + ((group + g) * job->lanes + 3 * x) * 4,
          job->squeezed + (x * (NEVA_TILE_ROWS / 4) + g) * 12, 12);
}

static void
fill_tile (Job *job, guint y0)
{
  for (guint r = 0; r < NEVA_TILE_ROWS; r++) {
    guint8 *row[3] = {planar_row (job, 0, 0, r), planar_row (job, 0, 1, r),
        planar_row (job, 0, 2, r)};

    canvas_row (job, MIN (y0 + r, job->y.in - 1), job->columns.in0,
        job->columns.inputs, row);
  }
}

static gboolean
columns_first (Job *job, guint8 *rgb, gsize ldrgb, GError **error)
{
  gboolean was_border = FALSE;

  job->lanes = round_up (3 * (gsize) job->x.n, 16);
  if (!job_alloc (job, 1, error))
    return FALSE;

  for (guint r0 = 0; r0 < job->rows.inputs; r0 += NEVA_TILE_ROWS) {
    const guint y0 = job->rows.in0 + r0;
    const guint n = MIN (NEVA_TILE_ROWS, job->rows.inputs - r0);
    const gboolean border =
        y0 + n <= job->y.offset || y0 >= job->y.offset + job->y.picture;

    if (!(border && was_border)) { /* all rows of a border are the same */
      fill_tile (job, y0);
      squeeze (job, 0);
    }
    was_border = border;
    regroup (job, r0 / 4);
  }

  job->kernels->resample (
      job->result, job->lanes, job->stack, job->lanes, &job->rows.plan);
  for (gsize y = 0; y < job->y.n; y++)
    memcpy (rgb + y * ldrgb, job->result + y * job->lanes, 3 * job->x.n);
  return TRUE;
}

/* ---- Rows first --------------------------------------------------------- */

/* Columns [x, x + n) of the rows that are read: stack [row / 4][c][STRIP][4].
 */
static void
stack_strip (Job *job, guint x, guint n)
{
  for (guint r = 0; r < job->rows.inputs; r++) {
    guint8 *row[3] = {planar_row (job, 0, 0, 0), planar_row (job, 0, 1, 0),
        planar_row (job, 0, 2, 0)};

    canvas_row (job, job->rows.in0 + r, x, n, row);
    for (gsize c = 0; c < 3; c++) {
      guint8 *dst = job->stack + (r / 4 * job->lanes + c * STRIP) * 4 + r % 4;

      for (gsize i = 0; i < n; i++)
        dst[4 * i] = row[c][i];
    }
  }
}

static gboolean
rows_first (Job *job, guint8 *rgb, gsize ldrgb, GError **error)
{
  const gsize tiles = (job->y.n + NEVA_TILE_ROWS - 1) / NEVA_TILE_ROWS;

  /* Tile 0 is scratch for rows of the canvas; the resampled rows follow. */
  job->lanes = 3 * STRIP;
  if (!job_alloc (job, 1 + tiles, error))
    return FALSE;

  /* the last group may be short of rows: their weights are zero */
  memset (job->stack + (job->rows.input_groups - 1) * job->lanes * 4, 0,
      job->lanes * 4);

  for (guint x = 0; x < job->columns.inputs; x += STRIP) {
    const guint n = MIN (STRIP, job->columns.inputs - x);

    stack_strip (job, job->columns.in0 + x, n);
    job->kernels->resample (
        job->result, job->lanes, job->stack, job->lanes, &job->rows.plan);
    for (gsize y = 0; y < job->y.n; y++)
      for (gsize c = 0; c < 3; c++)
        memcpy (
            planar_row (job, 1 + y / NEVA_TILE_ROWS, c, y % NEVA_TILE_ROWS) + x,
            job->result + y * job->lanes + c * STRIP, n);
  }

  for (gsize tile = 0; tile < tiles; tile++) {
    const gsize y0 = tile * NEVA_TILE_ROWS;
    const gsize n = MIN (NEVA_TILE_ROWS, job->y.n - y0);

    squeeze (job, 1 + tile);
    for (gsize r = 0; r < n; r++)
      for (gsize i = 0; i < 3 * (gsize) job->x.n; i++)
        rgb[(y0 + r) * ldrgb + i] =
            job->squeezed[i / 3 * COLUMN_LANES + r / 4 * 12 + i % 3 * 4 +
                          r % 4];
  }
  return TRUE;
}

gboolean
neva_resize_rows_first (const NevaAxis *x, const NevaAxis *y)
{
  const gint64 narrower = (gint64) x->in - (gint64) x->out;
  const gint64 lower = (gint64) y->in - (gint64) y->out;

  return lower > 0 && lower > 2 * narrower;
}

gboolean
neva_resize (const NevaColor *color, const NevaAxis *x, const NevaAxis *y,
    const guint8 pad_color[3], guint8 *rgb, gsize ldrgb, GError **error)
{
  Job job = {.color = color, .kernels = color->kernels, .x = *x, .y = *y};
  gboolean ok = FALSE;

  memcpy (job.pad_color, pad_color, 3);
  if (neva_taps_init (&job.columns, x->in, x->out, x->from, x->n, error) &&
      neva_taps_init (&job.rows, y->in, y->out, y->from, y->n, error))
    ok = neva_resize_rows_first (x, y)
             ? rows_first (&job, rgb, ldrgb, error)
             : columns_first (&job, rgb, ldrgb, error);
  job_clear (&job);
  return ok;
}
