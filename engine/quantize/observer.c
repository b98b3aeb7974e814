/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backend in front of another one: everything is passed on, and what products
 * are given is shown to a calibration first. */
#include "config.h"
#include "quantize/calibration.h"

typedef struct {
  NevaBackend base;
  NevaBackend *inner; /* owned */
  NevaCalibration *c; /* a reference */
} Observer;

static NevaBackend *
inner (NevaBackend *b)
{
  return ((Observer *) b)->inner;
}

static void
observer_free (NevaBackend *b)
{
  Observer *o = (Observer *) b;

  neva_calibration_detach (o->c);
  neva_calibration_unref (o->c);
  neva_backend_free (o->inner);
  g_free (o);
}

static void
observe_linear (NevaBackend *b, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n)
{
  Observer *o = (Observer *) b;

  for (gsize i = 0; i < n; i++)
    neva_calibration_look (o->c, o->inner, products[i].w, x, ldx, m);
  neva_backend_linear (o->inner, x, ldx, m, products, n);
}

static void
observe_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g)
{
  Observer *o = (Observer *) b;

  neva_calibration_look (o->c, o->inner, g->gate, x, ldx, m);
  neva_backend_gated (o->inner, x, ldx, m, g);
}

/* ---- Passed on ---------------------------------------------------------- */

static gboolean
pass_supports (NevaBackend *b, NevaOp op, NevaDType type)
{
  return neva_backend_supports (inner (b), op, type);
}

static void *
pass_alloc (NevaBackend *b, gsize bytes, GError **error)
{
  return neva_backend_alloc (inner (b), bytes, error);
}

static void
pass_release (NevaBackend *b, void *memory, gsize bytes)
{
  neva_backend_release (inner (b), memory, bytes);
}

static void
pass_clear (NevaBackend *b, void *memory, gsize bytes)
{
  neva_backend_clear (inner (b), memory, bytes);
}

static void
pass_upload (NevaBackend *b, void *dst, const void *host, gsize bytes)
{
  neva_backend_upload (inner (b), dst, host, bytes);
}

static void
pass_download (NevaBackend *b, void *host, const void *src, gsize bytes)
{
  neva_backend_download (inner (b), host, src, bytes);
}

static gboolean
pass_synchronize (NevaBackend *b, GError **error)
{
  return neva_backend_synchronize (inner (b), error);
}

static gboolean
pass_matrix_init (NevaBackend *b, NevaMatrix *m, NevaDType type,
    const void *host, NevaDType host_type, gsize n, gsize k, GError **error)
{
  return neva_backend_matrix_init (
      inner (b), m, type, host, host_type, n, k, error);
}

static gboolean
pass_matrix_codes (NevaBackend *b, NevaMatrix *m, NevaDType type,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error)
{
  return neva_backend_matrix_codes (
      inner (b), m, type, codes, data, n, k, error);
}

static void
pass_matrix_clear (NevaBackend *b, NevaMatrix *m)
{
  neva_backend_matrix_clear (inner (b), m);
}

static void
pass_gather (NevaBackend *b, float *dst, gsize ldd, const NevaMatrix *table,
    const gint32 *ids, gsize n)
{
  neva_backend_gather (inner (b), dst, ldd, table, ids, n);
}

static void
pass_copy_rows (NevaBackend *b, float *dst, gsize ldd, const float *src,
    gsize lds, gsize rows, gsize cols)
{
  neva_backend_copy_rows (inner (b), dst, ldd, src, lds, rows, cols);
}

static void
pass_rms_norm (NevaBackend *b, float *dst, const float *x, const float *w,
    gsize rows, gsize dim, float eps)
{
  neva_backend_rms_norm (inner (b), dst, x, w, rows, dim, eps);
}

static void
pass_layer_norm (NevaBackend *b, float *dst, const float *x, const float *w,
    const float *bias, gsize rows, gsize dim, float eps)
{
  neva_backend_layer_norm (inner (b), dst, x, w, bias, rows, dim, eps);
}

static void
pass_rope (NevaBackend *b, float *x, gsize ldx, const float *cosine,
    const float *sine, gsize rows, gsize heads, gsize head_dim, gsize rot)
{
  neva_backend_rope (
      inner (b), x, ldx, cosine, sine, rows, heads, head_dim, rot);
}

static void
pass_add (NevaBackend *b, float *dst, const float *x, gsize n)
{
  neva_backend_add (inner (b), dst, x, n);
}

static void
pass_add_rows (NevaBackend *b, float *dst, gsize ldd, const gsize *rows,
    const float *x, gsize ldx, const float *scale, gsize n, gsize dim)
{
  neva_backend_add_rows (inner (b), dst, ldd, rows, x, ldx, scale, n, dim);
}

static void
pass_patches (NevaBackend *b, float *dst, const guint8 *const *frames, gsize n,
    gsize side, gsize patch, const float table[3][256])
{
  neva_backend_patches (inner (b), dst, frames, n, side, patch, table);
}

static void
pass_kv_store (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, const float *k, gsize ldk, const float *v, gsize ldv)
{
  neva_backend_kv_store (inner (b), h, spans, n_spans, k, ldk, v, ldv);
}

static void
pass_rope_store (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, const NevaRotation *r)
{
  neva_backend_rope_store (inner (b), h, spans, n_spans, r);
}

static void
pass_attention (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, float *dst, gsize ldd, const float *q, gsize ldq)
{
  neva_backend_attention (inner (b), h, spans, n_spans, dst, ldd, q, ldq);
}

/* Plain: products are looked at, which waits for them. */
static void
run_step (NevaBackend *b, guint64 key, NevaStepFunc func, gpointer data)
{
  func (data);
}

static void
pass_sample (NevaBackend *b, NevaSampled *dst, const float *logits, gsize ldl,
    const NevaSampleRow *rows, gsize n)
{
  neva_backend_sample (inner (b), dst, logits, ldl, rows, n);
}

static const NevaBackendClass observer_class = {
    .name = "observer",
    .free = observer_free,
    .supports = pass_supports,
    .alloc = pass_alloc,
    .release = pass_release,
    .clear = pass_clear,
    .upload = pass_upload,
    .download = pass_download,
    .synchronize = pass_synchronize,
    .matrix_init = pass_matrix_init,
    .matrix_codes = pass_matrix_codes,
    .matrix_clear = pass_matrix_clear,
    .linear = observe_linear,
    .gated = observe_gated,
    .gather = pass_gather,
    .copy_rows = pass_copy_rows,
    .rms_norm = pass_rms_norm,
    .layer_norm = pass_layer_norm,
    .rope = pass_rope,
    .add = pass_add,
    .add_rows = pass_add_rows,
    .patches = pass_patches,
    .kv_store = pass_kv_store,
    .rope_store = pass_rope_store,
    .attention = pass_attention,
    .sample = pass_sample,
    .step = run_step,
};

NevaBackend *
neva_observer_new (NevaBackend *backend, NevaCalibration *c)
{
  Observer *o = g_new0 (Observer, 1);

  o->base.klass = &observer_class;
  o->inner = backend;
  o->c = neva_calibration_ref (c);
  return &o->base;
}
