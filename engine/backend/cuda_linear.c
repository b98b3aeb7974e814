/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products: cuBLAS for many rows of F32 and BF16, own kernels for few
 * rows and for weights in groups. */
#include "config.h"
#include "cuda_backend.h"

/* Activations as the products of one weight type read them. */
typedef struct {
  const void *x;
  gsize ldx; /* elements; groups: unused */
} Prepared;

static gboolean
in_groups (NevaDType type)
{
  return type == NEVA_DTYPE_I8 || type == NEVA_DTYPE_I4;
}

static gboolean
prepare (NevaBackendCuda *c, Prepared *p, NevaDType type, const float *x,
    gsize ldx, gsize m, gsize k)
{
  const gsize bytes =
      in_groups (type) ? neva_act_bytes (type, m, k) : m * k * 2;

  *p = (Prepared){x, ldx};
  if (type == NEVA_DTYPE_F32 || type == NEVA_DTYPE_E4M3 ||
      (!in_groups (type) && m <= NEVA_CUDA_FEW_ROWS))
    return TRUE;
  *p = (Prepared){neva_cuda_scratch (c, &c->xq, bytes), k};
  if (!p->x)
    return FALSE;
  if (in_groups (type))
    return neva_cuda_check (c,
        c->api->act_prepare (c->xq.data, x, ldx, type, m, k, c->stream),
        "act_prepare");
  return neva_cuda_check (
      c, c->api->to_bf16 (c->xq.data, x, ldx, m, k, c->stream), "to_bf16");
}

/* Many rows of F32 or BF16. */
static void
large_product (
    NevaBackendCuda *c, const Prepared *in, gsize m, const NevaProduct *p)
{
  const NevaWeight *w = &p->w->w;
  const NevaEpilogue *e = &p->epilogue;
  const gboolean plain = !e->bias && e->act == NEVA_ACT_NONE;
  const gboolean apart = e->add && !plain;
  float *dst = p->dst;
  gsize ldd = p->ldd;

  if (apart) {
    ldd = w->n;
    if (!(dst = neva_cuda_scratch (c, &c->sum, m * ldd * sizeof *dst)))
      return;
  }
  if (neva_cuda_check (c,
          c->api->run.blas_gemm (c->blas, dst, ldd, in->x, in->ldx, w->data,
              w->type, m, w->n, w->k, e->add && plain),
          "product") &&
      !plain)
    neva_cuda_check (c,
        c->api->epilogue (p->dst, p->ldd, dst, ldd, m, w->n, *e, c->stream),
        "epilogue");
}

static void
one_product (
    NevaBackendCuda *c, const Prepared *in, gsize m, const NevaProduct *p)
{
  const NevaWeight *w = &p->w->w;

  if (in_groups (w->type))
    neva_cuda_check (c,
        c->api->matmul_groups (
            p->dst, p->ldd, in->x, w, p->epilogue, m, c->stream),
        "matmul_groups");
  else if (w->type == NEVA_DTYPE_E4M3)
    neva_cuda_check (c,
        c->api->matmul_e4m3 (
            p->dst, p->ldd, in->x, in->ldx, w, p->epilogue, m, c->stream),
        "matmul_e4m3");
  else if (m <= NEVA_CUDA_FEW_ROWS)
    neva_cuda_check (c,
        c->api->matvec (
            p->dst, p->ldd, in->x, in->ldx, w, p->epilogue, m, c->stream),
        "matvec");
  else
    large_product (c, in, m, p);
}

void
neva_cuda_linear (NevaBackend *b, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products)
{
  NevaBackendCuda *c = neva_cuda (b);
  Prepared in;

  if (!m || !neva_cuda_enter (c))
    return;
  for (gsize i = 0; i < n_products && !c->fault; i++) {
    const NevaWeight *w = &products[i].w->w;

    if ((i == 0 || w->type != products[i - 1].w->w.type) &&
        !prepare (c, &in, w->type, x, ldx, m, w->k))
      return;
    one_product (c, &in, m, &products[i]);
  }
}

void
neva_cuda_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g)
{
  NevaBackendCuda *c = neva_cuda (b);
  const gsize n = g->up->w.n;
  const NevaProduct gate = {g->gate, g->dst, g->ldd, {.bias = g->gate_bias}};
  NevaProduct up = {g->up, NULL, n, {.bias = g->up_bias}};

  if (!m || !neva_cuda_enter (c))
    return;
  if (neva_cuda_gated_takes (&g->gate->w, &g->up->w, m)) {
    neva_cuda_check (c,
        c->api->matvec_gated (g->dst, g->ldd, x, ldx, &g->gate->w, &g->up->w,
            g->gate_bias, g->up_bias, g->act, m, c->stream),
        "matvec_gated");
    return;
  }
  up.dst = neva_cuda_scratch (c, &c->sum, m * n * sizeof (float));
  if (!up.dst)
    return;
  neva_cuda_linear (b, x, ldx, m, (const NevaProduct[]){gate, up}, 2);
  if (!c->fault)
    neva_cuda_check (c,
        c->api->act_mul (
            g->dst, g->ldd, g->dst, g->ldd, up.dst, n, m, n, g->act, c->stream),
        "act_mul");
}
