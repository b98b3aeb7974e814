/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row operations, split over the pool when there is enough to do. */
#include "config.h"
#include "cpu_backend.h"

#include <string.h>

/* Floats below which waking a thread costs more than it saves (~10 us). */
#define MIN_SPLIT 32768

/* One struct for all: each task takes `per_task` rows. */
typedef struct {
  const NevaCpuKernels *k;
  enum { ROW_RMS, ROW_LAYER, ROW_ROPE, ROW_ADD } what;
  float *dst;
  const float *x, *y, *z; /* y: weight, cosine; z: bias, sine */
  gsize ldd, ldx;
  gsize rows, dim, per_task, heads, rot;
  float eps;
} RowJob;

static void
row_task (void *data, gsize task, void *work)
{
  const RowJob *j = data;
  const gsize r0 = task * j->per_task;
  const gsize n = MIN (j->per_task, j->rows - r0);
  float *dst = j->dst + r0 * j->ldd;
  const float *x = j->x ? j->x + r0 * j->ldx : NULL;

  switch (j->what) {
    case ROW_RMS:
      j->k->rms_norm (dst, x, j->y, n, j->dim, j->eps);
      break;
    case ROW_LAYER:
      j->k->layer_norm (dst, x, j->y, j->z, n, j->dim, j->eps);
      break;
    case ROW_ROPE:
      j->k->rope (dst, j->ldd, j->y + r0 * (j->rot / 2),
          j->z + r0 * (j->rot / 2), n, j->heads, j->dim, j->rot);
      break;
    case ROW_ADD:
      j->k->add (dst, x, n);
      break;
  }
}

/* `width`: floats touched per row. */
static void
run_rows (NevaBackend *b, RowJob *j, gsize width)
{
  NevaBackendCpu *c = neva_cpu (b);
  const gsize floats = j->rows * width;
  gsize parts =
      MIN (floats / MIN_SPLIT + 1, (gsize) neva_pool_threads (c->pool) * 2);

  if (!j->rows)
    return;
  parts = MIN (parts, j->rows);
  j->k = &c->kernels;
  j->per_task = (j->rows + parts - 1) / parts;
  neva_cpu_run (
      c, row_task, j, (j->rows + j->per_task - 1) / j->per_task, 0, G_MAXSIZE);
}

void
neva_cpu_rms_norm (NevaBackend *b, float *dst, const float *x, const float *w,
    gsize rows, gsize dim, float eps)
{
  RowJob j = {.what = ROW_RMS,
      .dst = dst,
      .x = x,
      .y = w,
      .ldd = dim,
      .ldx = dim,
      .rows = rows,
      .dim = dim,
      .eps = eps};

  run_rows (b, &j, dim);
}

void
neva_cpu_layer_norm (NevaBackend *b, float *dst, const float *x, const float *w,
    const float *bias, gsize rows, gsize dim, float eps)
{
  RowJob j = {.what = ROW_LAYER,
      .dst = dst,
      .x = x,
      .y = w,
      .z = bias,
      .ldd = dim,
      .ldx = dim,
      .rows = rows,
      .dim = dim,
      .eps = eps};

  run_rows (b, &j, dim);
}

void
neva_cpu_rope (NevaBackend *b, float *x, gsize ldx, const float *cosine,
    const float *sine, gsize rows, gsize heads, gsize head_dim, gsize rot)
{
  RowJob j = {.what = ROW_ROPE,
      .dst = x,
      .y = cosine,
      .z = sine,
      .ldd = ldx,
      .rows = rows,
      .dim = head_dim,
      .heads = heads,
      .rot = rot};

  run_rows (b, &j, heads * head_dim);
}

void
neva_cpu_add (NevaBackend *b, float *dst, const float *x, gsize n)
{
  RowJob j = {
      .what = ROW_ADD, .dst = dst, .x = x, .ldd = 1, .ldx = 1, .rows = n};

  run_rows (b, &j, 1);
}

void
neva_cpu_copy_rows (NevaBackend *b, float *dst, gsize ldd, const float *src,
    gsize lds, gsize rows, gsize cols)
{
  for (gsize r = 0; r < rows; r++)
    memcpy (dst + r * ldd, src + r * lds, cols * sizeof *dst);
}

void
neva_cpu_gather (NevaBackend *b, float *dst, gsize ldd, const NevaMatrix *table,
    const gint32 *ids, gsize n)
{
  const NevaWeight *w = &table->w;
  const gsize row = w->k * (w->type == NEVA_DTYPE_F32 ? 4 : 2);

  for (gsize i = 0; i < n; i++)
    neva_cpu (b)->kernels.to_f32 (dst + i * ldd,
        (const guint8 *) w->data + (gsize) ids[i] * row, w->type, w->k);
}

/* Of experts: a small part of what their products cost. */
void
neva_cpu_add_rows (NevaBackend *b, float *dst, gsize ldd, const gsize *rows,
    const float *x, gsize ldx, const float *scale, gsize n, gsize dim)
{
  for (gsize i = 0; i < n; i++) {
    float *to = dst + rows[i] * ldd;

    for (gsize j = 0; j < dim; j++)
      to[j] += scale[i] * x[i * ldx + j];
  }
}

/* A small part of what the patches' product costs. */
void
neva_cpu_patches (NevaBackend *b, float *dst, const guint8 *const *frames,
    gsize n, gsize side, gsize patch, const float table[3][256])
{
  const gsize grid = side / patch, rows = grid * grid * 3 * patch;

  for (gsize i = 0; i < n * rows; i++) {
    const gsize y = i % patch, c = i / patch % 3, p = i / patch / 3;
    const gsize gx = p % grid, gy = p / grid % grid;
    const guint8 *src =
        frames[i / rows] + ((gy * patch + y) * side + gx * patch) * 3 + c;

    for (gsize x = 0; x < patch; x++)
      *dst++ = table[c][src[3 * x]];
  }
}

typedef struct {
  NevaSampled *dst;
  const float *logits;
  gsize ldl;
  const NevaSampleRow *rows;
} SampleJob;

static void
sample_task (void *data, gsize task, void *work)
{
  const SampleJob *j = data;
  const NevaSampleRow *row = &j->rows[task];
  float *values = work;
  const NevaSampleWork scratch = {
      values, values + j->ldl, (gint32 *) (values + 2 * j->ldl)};

  if (row->vocab)
    neva_sample_c (j->logits + task * j->ldl, row, &scratch, &j->dst[task]);
}

void
neva_cpu_sample (NevaBackend *b, NevaSampled *dst, const float *logits,
    gsize ldl, const NevaSampleRow *rows, gsize n)
{
  SampleJob j = {dst, logits, ldl, rows};

  if (n)
    neva_cpu_run (neva_cpu (b), sample_task, &j, n, 3 * ldl * sizeof (float),
        n * ldl * 16);
}
