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

typedef struct {
  NevaBackendCpu *c;
  const NevaProduct *products;
  gsize n_products, m, chunk; /* chunk: panels of a task */
} LinearJob;

static gsize
panels (const NevaProduct *p)
{
  return (p->w->w.n + NEVA_MATMUL_PANEL - 1) / NEVA_MATMUL_PANEL;
}

static void
linear_task (void *data, gsize task, void *work)
{
  const LinearJob *j = data;
  const NevaProduct *p = j->products;
  gsize chunks, n0, n1;

  while (task >= (chunks = (panels (p) + j->chunk - 1) / j->chunk)) {
    task -= chunks;
    p++;
  }
  n0 = task * j->chunk * NEVA_MATMUL_PANEL;
  n1 = MIN (n0 + j->chunk * NEVA_MATMUL_PANEL, p->w->w.n);
  j->c->kernels.matmul[p->w->w.type](
      p->dst, p->ldd, j->c->xq, &p->w->w, &p->epilogue, j->m, n0, n1, work);
}

/* Products of one weight type: they share the prepared activations. */
static void
run_products (NevaBackendCpu *c, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products)
{
  const NevaWeight *w = &products->w->w;
  const gsize threads = neva_pool_threads (c->pool);
  LinearJob j = {c, products, n_products, m, 0};
  gsize total = 0, n_tasks = 0;

  if (!prepare (c, w->type, x, ldx, m, w->k))
    return;
  for (gsize i = 0; i < n_products; i++)
    total += panels (&products[i]);
  j.chunk = CLAMP (total / (threads * CHUNKS), 1, MAX_CHUNK);
  for (gsize i = 0; i < n_products; i++)
    n_tasks += (panels (&products[i]) + j.chunk - 1) / j.chunk;
  neva_cpu_run (c, linear_task, &j, n_tasks,
      neva_matmul_work_bytes (w->type, m, w->k),
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
  gsize m, chunk;
} GatedJob;

/* The `up` half of a chunk stays in this thread's cache: the wider of the two
 * results of an MLP never travels to memory. */
static void
gated_task (void *data, gsize task, void *work)
{
  const GatedJob *j = data;
  const NevaGated *g = j->g;
  const NevaMatmulFn matmul = j->c->kernels.matmul[g->up->w.type];
  const gsize width = j->chunk * NEVA_MATMUL_PANEL, n0 = task * width;
  const gsize n1 = MIN (n0 + width, g->up->w.n);
  const NevaEpilogue up = {.bias = g->up_bias}, gate = {.bias = g->gate_bias};
  float *tile = work; /* [m][width] */
  void *scratch = tile + j->m * width;

  /* the kernel writes column n0 at dst + n0 */
  matmul (tile - n0, width, j->c->xq, &g->up->w, &up, j->m, n0, n1, scratch);
  matmul (g->dst, g->ldd, j->c->xq, &g->gate->w, &gate, j->m, n0, n1, scratch);
  j->c->kernels.act_mul (g->dst + n0, g->ldd, g->dst + n0, g->ldd, tile, width,
      j->m, n1 - n0, g->act);
}

void
neva_cpu_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g)
{
  NevaBackendCpu *c = neva_cpu (b);
  const NevaWeight *w = &g->up->w;
  const gsize threads = neva_pool_threads (c->pool);
  const gsize total = (w->n + NEVA_MATMUL_PANEL - 1) / NEVA_MATMUL_PANEL;
  GatedJob j = {c, g, m, 1};
  gsize work;

  if (!m || !prepare (c, w->type, x, ldx, m, w->k))
    return;
  /* many rows fill the cache with one panel; few rows leave room for more */
  j.chunk =
      CLAMP (MIN (total / (threads * CHUNKS), TILE_FLOATS / m), 1, MAX_CHUNK);
  work = m * j.chunk * NEVA_MATMUL_PANEL * sizeof (float) +
         neva_matmul_work_bytes (w->type, m, w->k);
  neva_cpu_run (c, gated_task, &j, (total + j.chunk - 1) / j.chunk, work,
      2 * m * w->k * w->n);
}
