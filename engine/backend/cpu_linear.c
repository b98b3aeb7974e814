/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products: activations are prepared once per weight type, then chunks
 * of 64-column panels of all products are handed out to the threads. */
#include "config.h"
#include "cpu_backend.h"

#include <stdlib.h>

/* Chunks per thread: enough that a thread that was held up does not keep the
 * others waiting, few enough that a chunk reuses the activations it loaded. */
#define CHUNKS 4
#define MAX_CHUNK 16      /* panels */
#define MIN_BLOCK 256     /* rows: weights are read again for each block */
#define FEW_ROWS 16       /* up to here a product is a stream of weights */
#define TILE_FLOATS 1024  /* rows x panels of a gated tile: 256 KiB */
#define MIN_PREPARE 32768 /* floats, below: one thread prepares */

typedef struct {
  NevaBackendCpu *c;
  const float *x;
  gsize ldx, m, k, per_task;
  NevaDType type;
} PrepareJob;

static void
prepare_task (void *data, gsize task, void *work)
{
  const PrepareJob *j = data;
  const gsize m0 = task * j->per_task;

  j->c->kernels.act_prepare[j->type](
      j->c->xq, j->x, j->ldx, j->m, j->k, m0, MIN (m0 + j->per_task, j->m));
}

static gboolean
grow_xq (NevaBackendCpu *c, gsize bytes)
{
  GError **fault = c->fault ? NULL : &c->fault;

  if (bytes <= c->xq_bytes)
    return TRUE;
  neva_cpu_release (&c->base, c->xq, c->xq_bytes);
  c->xq = neva_cpu_alloc (&c->base, bytes, fault);
  c->xq_bytes = c->xq ? bytes : 0;
  return c->xq != NULL;
}

static gboolean
prepare (NevaBackendCpu *c, NevaDType type, const float *x, gsize ldx, gsize m,
    gsize k)
{
  PrepareJob j = {c, x, ldx, m, k, 0, type};
  const gsize threads = neva_pool_threads (c->pool);
  const gsize parts = MIN (MIN (m * k / MIN_PREPARE + 1, threads * 2), m);

  if (!grow_xq (c, neva_act_bytes (type, m, k)))
    return FALSE;
  j.per_task = (m + parts - 1) / parts;
  neva_cpu_run (
      c, prepare_task, &j, (m + j.per_task - 1) / j.per_task, 0, G_MAXSIZE);
  return c->fault == NULL;
}

/* Panels 0 .. total in tasks: one run for each thread, then chunks. Many rows
 * are split, too: blocks of rows inside, so that threads which take tasks in
 * turn read the same weights at about the same time, and each mostly the same
 * rows. */
typedef struct {
  gsize m, rows, blocks; /* rows of a task, blocks of them */
  gsize total, threads, run, chunk;
} Split;

/* With few rows, one long run of neighbouring panels for each thread: every
 * start of a stream costs. A fifth is left to be handed out in small pieces, so
 * that a thread that was held up does not keep the others waiting; kernels of
 * packed weights read two panels side by side. */
static Split
split (const NevaBackendCpu *c, NevaDType type, gsize m, gsize k, gsize total)
{
  const gsize threads = neva_pool_threads (c->pool);
  const gsize cached = c->kernels.matmul_cached[type];
  const gsize most = MAX (MIN_BLOCK, cached / neva_act_bytes (type, 1, k));
  const gboolean pairs = type == NEVA_DTYPE_I8 || type == NEVA_DTYPE_I4;
  Split s = {m, m, 1, total, threads, 0, 1};

  if (m <= FEW_ROWS) {
    s.run = total * 4 / 5 / threads / 2 * 2;
    s.chunk = s.run && pairs ? 2 : 1;
    return s;
  }
  if (cached && m > most) {
    const gsize parts = (m + most - 1) / most;

    s.rows = ((m + parts - 1) / parts + 15) / 16 * 16;
    s.blocks = (m + s.rows - 1) / s.rows;
  }
  s.chunk = CLAMP (total * s.blocks / (threads * CHUNKS), 1, MAX_CHUNK);
  return s;
}

static gsize
split_tasks (const Split *s)
{
  const gsize rest = s->total - s->threads * s->run;

  return ((s->run ? s->threads : 0) + (rest + s->chunk - 1) / s->chunk) *
         s->blocks;
}

/* Panels [*p0, *p1) and rows [*m0, *m0 + result) of a task. */
static gsize
split_range (const Split *s, gsize task, gsize *p0, gsize *p1, gsize *m0)
{
  const gsize runs = s->run ? s->threads : 0;

  *m0 = task % s->blocks * s->rows;
  task /= s->blocks;
  if (task < runs) {
    *p0 = task * s->run;
    *p1 = *p0 + s->run;
  } else {
    *p0 = runs * s->run + (task - runs) * s->chunk;
    *p1 = MIN (*p0 + s->chunk, s->total);
  }
  return MIN (s->rows, s->m - *m0);
}

typedef struct {
  NevaBackendCpu *c;
  const NevaProduct *products;
  gsize row_bytes; /* of xq */
  Split split;
} LinearJob;

static gsize
panels (const NevaWeight *w)
{
  return (w->n + NEVA_MATMUL_PANEL - 1) / NEVA_MATMUL_PANEL;
}

static void
linear_task (void *data, gsize task, void *work)
{
  const LinearJob *j = data;
  gsize p0, p1, m0;
  const gsize m = split_range (&j->split, task, &p0, &p1, &m0);
  const guint8 *x = (const guint8 *) j->c->xq + m0 * j->row_bytes;

  for (const NevaProduct *p = j->products; p1; p++) {
    const NevaWeight *w = &p->w->w;
    const gsize n = panels (w), end = MIN (p1, n);

    if (p0 < end)
      j->c->kernels.matmul[w->type](p->dst + m0 * p->ldd, p->ldd, x, w,
          &p->epilogue, m, p0 * NEVA_MATMUL_PANEL,
          MIN (end * NEVA_MATMUL_PANEL, w->n), work);
    p0 = p0 > n ? p0 - n : 0;
    p1 -= end;
  }
}

/* Products of one weight type: they share the prepared activations. */
static void
run_products (NevaBackendCpu *c, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products)
{
  const NevaWeight *w = &products->w->w;
  LinearJob j = {.c = c,
      .products = products,
      .row_bytes = neva_act_bytes (w->type, 1, w->k)};
  gsize total = 0;

  if (!prepare (c, w->type, x, ldx, m, w->k))
    return;
  for (gsize i = 0; i < n_products; i++)
    total += panels (&products[i].w->w);
  j.split = split (c, w->type, m, w->k, total);
  neva_cpu_run (c, linear_task, &j, split_tasks (&j.split),
      neva_matmul_work_bytes (w->type, j.split.rows, w->k),
      m * w->k * total * NEVA_MATMUL_PANEL);
}

void
neva_cpu_linear (NevaBackend *b, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products)
{
  NevaBackendCpu *c = neva_cpu (b);
  gsize i = 0;

  while (m && i < n_products && !c->fault) {
    gsize end = i + 1;

    while (end < n_products && products[end].w->w.type == products[i].w->w.type)
      end++;
    run_products (c, x, ldx, m, products + i, end - i);
    i = end;
  }
}

typedef struct {
  NevaBackendCpu *c;
  const NevaGated *g;
  gsize row_bytes; /* of xq */
  Split split;
} GatedJob;

static gsize
widest (const Split *s)
{
  return MAX (s->run, s->chunk) * NEVA_MATMUL_PANEL;
}

/* The `up` half of a chunk stays in this thread's cache: the wider of the two
 * results of an MLP never travels to memory. */
static void
gated_task (void *data, gsize task, void *work)
{
  const GatedJob *j = data;
  const NevaGated *g = j->g;
  const NevaMatmulFn matmul = j->c->kernels.matmul[g->up->w.type];
  const NevaEpilogue up = {.bias = g->up_bias}, gate = {.bias = g->gate_bias};
  const gsize width = widest (&j->split);
  float *tile = work; /* [rows][width] */
  void *scratch = tile + j->split.rows * width;
  gsize n0, n1, m0;
  const gsize m = split_range (&j->split, task, &n0, &n1, &m0);
  const guint8 *x = (const guint8 *) j->c->xq + m0 * j->row_bytes;
  float *dst = g->dst + m0 * g->ldd;

  n0 *= NEVA_MATMUL_PANEL;
  n1 = MIN (n1 * NEVA_MATMUL_PANEL, g->up->w.n);
  /* the kernel writes column n0 at dst + n0 */
  matmul (tile - n0, width, x, &g->up->w, &up, m, n0, n1, scratch);
  matmul (dst, g->ldd, x, &g->gate->w, &gate, m, n0, n1, scratch);
  j->c->kernels.act_mul (
      dst + n0, g->ldd, dst + n0, g->ldd, tile, width, m, n1 - n0, g->act);
}

void
neva_cpu_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g)
{
  NevaBackendCpu *c = neva_cpu (b);
  const NevaWeight *w = &g->up->w;
  GatedJob j = {.c = c, .g = g, .row_bytes = neva_act_bytes (w->type, 1, w->k)};
  gsize work;

  if (!m || !prepare (c, w->type, x, ldx, m, w->k))
    return;
  j.split = split (c, w->type, m, w->k, panels (w));
  /* many rows fill the cache with one panel; few rows leave room for more */
  if (m > FEW_ROWS)
    j.split.chunk =
        CLAMP (j.split.chunk, 1, MAX (TILE_FLOATS / j.split.rows, 1));
  work = j.split.rows * widest (&j.split) * sizeof (float) +
         neva_matmul_work_bytes (w->type, j.split.rows, w->k);
  neva_cpu_run (
      c, gated_task, &j, split_tasks (&j.split), work, 2 * m * w->k * w->n);
}
