/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention over paged keys and values. Tasks: spans x KV heads x tiles of
 * query rows; a task builds its head's page lists in its scratch. */
#include "config.h"
#include "cpu_backend.h"

/* Query rows x heads of a task: keys and values are read once per tile. */
#define TILE_ROWS 512

typedef struct {
  const NevaCpuKernels *kernels;
  const NevaHeads *h;
  const NevaSpan *spans;
  const gsize *first_task; /* [n_spans + 1] */
  gsize n_spans, tile, page_bytes;
  float *dst;
  const float *q, *k, *v;
  gsize ldd, ldq, ldk, ldv;
} AttentionJob;

static const NevaSpan *
find_span (const AttentionJob *j, gsize *task)
{
  gsize lo = 0, hi = j->n_spans;

  while (hi - lo > 1) {
    const gsize mid = (lo + hi) / 2;

    if (j->first_task[mid] <= *task)
      lo = mid;
    else
      hi = mid;
  }
  *task -= j->first_task[lo];
  return &j->spans[lo];
}

/* The K page of a head in one block; the V page follows it. */
static guint8 *
page (const AttentionJob *j, void *block, gsize head)
{
  const gsize index = j->h->layer * j->h->kv_heads + head;

  return (guint8 *) block + index * 2 * j->page_bytes;
}

static void
store_task (void *data, gsize task, void *work)
{
  const AttentionJob *j = data;
  const NevaSpan *s = find_span (j, &task);
  const gsize dim = j->h->head_dim, head = task;

  for (gsize r = 0; r < s->rows;) {
    const gsize pos = s->pos0 + r, slot = pos % NEVA_KV_PAGE;
    const gsize n = MIN (NEVA_KV_PAGE - slot, s->rows - r);
    guint8 *k = page (j, s->blocks[pos / NEVA_KV_PAGE], head);

    j->kernels->kv_store (k, k + j->page_bytes, j->h->type, dim, slot,
        j->k + (s->row + r) * j->ldk + head * dim, j->ldk,
        j->v + (s->row + r) * j->ldv + head * dim, j->ldv, n);
    r += n;
  }
}

static NevaAttention
describe (const AttentionJob *j, const NevaSpan *s)
{
  return (NevaAttention){.type = j->h->type,
      .head_dim = j->h->head_dim,
      .group = j->h->heads / j->h->kv_heads,
      .rows = s->rows,
      .ldq = j->ldq,
      .ldd = j->ldd,
      .kv_len = s->kv_len,
      .pos0 = s->pos0,
      .window = j->h->window,
      .causal = j->h->causal != FALSE,
      .scale = j->h->scale};
}

static gsize
span_pages (const NevaSpan *s)
{
  return (s->kv_len + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;
}

/* Pointers of the page lists, padded so that the kernel's scratch behind them
 * stays aligned. */
static gsize
lists_bytes (const NevaSpan *s)
{
  return (span_pages (s) * 2 * sizeof (void *) + 63) / 64 * 64;
}

static void
attention_task (void *data, gsize task, void *work)
{
  const AttentionJob *j = data;
  const NevaSpan *s = find_span (j, &task);
  const gsize pages = span_pages (s);
  const gsize head = task % j->h->kv_heads;
  /* Causal tiles at the end cost most: they go first. */
  const gsize tiles = (s->rows + j->tile - 1) / j->tile;
  const gsize r0 = (tiles - 1 - task / j->h->kv_heads) * j->tile;
  NevaAttention a = describe (j, s);
  const gsize column = head * a.group * a.head_dim;
  const void **k = work, **v = k + pages;

  for (gsize i = 0; i < pages; i++) {
    guint8 *p = page (j, s->blocks[i], head);

    k[i] = p;
    v[i] = p + j->page_bytes;
  }
  a.k = k;
  a.v = v;
  a.rows = MIN (j->tile, s->rows - r0);
  a.pos0 += r0;
  j->kernels->attention (j->dst + (s->row + r0) * j->ldd + column,
      j->q + (s->row + r0) * j->ldq + column, &a,
      (guint8 *) work + lists_bytes (s));
}

static void
init_job (AttentionJob *j, NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans)
{
  j->kernels = &neva_cpu (b)->kernels;
  j->h = h;
  j->spans = spans;
  j->n_spans = n_spans;
  j->page_bytes = neva_kv_page_bytes (h->type, h->head_dim);
  j->tile = MAX (1, TILE_ROWS / (h->heads / h->kv_heads));
}

void
neva_cpu_kv_store (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, const float *k, gsize ldk, const float *v, gsize ldv)
{
  g_autofree gsize *first = g_new (gsize, n_spans + 1);
  AttentionJob j = {
      .first_task = first, .k = k, .v = v, .ldk = ldk, .ldv = ldv};
  gsize rows = 0;

  init_job (&j, b, h, spans, n_spans);
  for (gsize i = 0; i <= n_spans; i++)
    first[i] = i * h->kv_heads;
  for (gsize i = 0; i < n_spans; i++)
    rows += spans[i].rows;
  /* a store costs more than a multiply-add: it is scattered */
  neva_cpu_run (neva_cpu (b), store_task, &j, first[n_spans], 0,
      rows * h->kv_heads * h->head_dim * 16);
}

void
neva_cpu_rope_store (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, const NevaRotation *r)
{
  if (r->q)
    neva_cpu_rope (b, r->q, r->ldq, r->cosine, r->sine, r->rows, h->heads,
        h->head_dim, r->rot);
  neva_cpu_rope (b, r->k, r->ldk, r->cosine, r->sine, r->rows, h->kv_heads,
      h->head_dim, r->rot);
  neva_cpu_kv_store (b, h, spans, n_spans, r->k, r->ldk, r->v, r->ldv);
}

void
neva_cpu_attention (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, float *dst, gsize ldd, const float *q, gsize ldq)
{
  g_autofree gsize *first = g_new (gsize, n_spans + 1);
  AttentionJob j = {
      .first_task = first, .dst = dst, .q = q, .ldd = ldd, .ldq = ldq};
  gsize work = 0, pairs = 0; /* of a query and a key */

  init_job (&j, b, h, spans, n_spans);
  first[0] = 0;
  for (gsize i = 0; i < n_spans; i++) {
    const gsize tiles = (spans[i].rows + j.tile - 1) / j.tile;
    NevaAttention a = describe (&j, &spans[i]);

    a.rows = MIN (a.rows, j.tile);
    first[i + 1] = first[i] + tiles * h->kv_heads;
    pairs += spans[i].rows * spans[i].kv_len;
    work = MAX (work, lists_bytes (&spans[i]) + neva_attention_work_bytes (&a));
  }
  neva_cpu_run (neva_cpu (b), attention_task, &j, first[n_spans], work,
      pairs * h->heads * h->head_dim * 2);
}
