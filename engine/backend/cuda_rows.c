/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row operations: a launcher each. */
#include "config.h"
#include "cuda_backend.h"

#include <string.h>

/* Calls a launcher unless there is a fault. */
#define RUN(b, name, ...)                                                      \
  G_STMT_START                                                                 \
  {                                                                            \
    NevaBackendCuda *c_ = neva_cuda (b);                                       \
    if (neva_cuda_enter (c_))                                                  \
      neva_cuda_check (c_, c_->api->name (__VA_ARGS__, c_->stream), #name);    \
  }                                                                            \
  G_STMT_END

static void
cuda_gather (NevaBackend *b, float *dst, gsize ldd, const NevaMatrix *table,
    const gint32 *ids, gsize n)
{
  NevaBackendCuda *c = neva_cuda (b);
  const NevaWeight *w = &table->w;
  const gint32 *staged;

  if (!n || !neva_cuda_enter (c))
    return;
  if ((staged = neva_cuda_stage (c, ids, n * sizeof *ids)))
    RUN (b, gather, dst, ldd, w->data, w->type, w->k, staged, n);
}

static void
cuda_copy_rows (NevaBackend *b, float *dst, gsize ldd, const float *src,
    gsize lds, gsize rows, gsize cols)
{
  RUN (b, copy_rows, dst, ldd, src, lds, rows, cols);
}

static void
cuda_rms_norm (NevaBackend *b, float *dst, const float *x, const float *w,
    gsize rows, gsize dim, float eps)
{
  RUN (b, rms_norm, dst, x, w, rows, dim, eps);
}

static void
cuda_layer_norm (NevaBackend *b, float *dst, const float *x, const float *w,
    const float *bias, gsize rows, gsize dim, float eps)
{
  RUN (b, layer_norm, dst, x, w, bias, rows, dim, eps);
}

static void
cuda_rope (NevaBackend *b, float *x, gsize ldx, const float *cosine,
    const float *sine, gsize rows, gsize heads, gsize head_dim, gsize rot)
{
  RUN (b, rope, x, ldx, cosine, sine, rows, heads, head_dim, rot);
}

static void
cuda_add (NevaBackend *b, float *dst, const float *x, gsize n)
{
  RUN (b, add, dst, x, n);
}

static void
cuda_add_rows (NevaBackend *b, float *dst, gsize ldd, const gsize *rows,
    const float *x, gsize ldx, const float *scale, gsize n, gsize dim)
{
  NevaBackendCuda *c = neva_cuda (b);
  const gsize *at;
  const float *by;

  if (!n || !neva_cuda_enter (c))
    return;
  at = neva_cuda_stage (c, rows, n * sizeof *rows);
  by = at ? neva_cuda_stage (c, scale, n * sizeof *scale) : NULL;
  if (by)
    RUN (b, add_rows, dst, ldd, at, x, ldx, by, n, dim);
}

static void
cuda_patches (NevaBackend *b, float *dst, const guint8 *const *frames, gsize n,
    gsize side, gsize patch, const float table[3][256])
{
  NevaBackendCuda *c = neva_cuda (b);
  const gsize grid = side / patch, floats = grid * grid * 3 * patch * patch;

  float *at;

  if (!n || !neva_cuda_enter (c))
    return;
  /* not the ring: it may turn between the table and a frame */
  at = neva_cuda_scratch (c, &c->xq, 3 * sizeof *table);
  if (at)
    neva_cuda_upload (b, at, table, 3 * sizeof *table);
  for (gsize i = 0; i < n && at && !c->fault; i++) {
    const guint8 *rgb = neva_cuda_stage (c, frames[i], side * side * 3);

    if (rgb)
      RUN (b, patches, dst + i * floats, rgb, at, 1, side, patch);
  }
}

/* Rows, and behind them the bits of those that have some: all have room, so
 * that a step stays the same when one more row is masked. */
static GByteArray *
lay_out_rows (const NevaSampleRow *rows, gsize n)
{
  const gsize head = n * sizeof (NevaCudaSampleRow);
  gsize bits = 0, kinds = 0;
  gboolean allowed = FALSE, seen = FALSE;
  GByteArray *blob = g_byte_array_new ();

  for (gsize i = 0; i < n; i++) {
    bits = MAX (bits, ((gsize) rows[i].vocab + 63) / 64 * 8);
    allowed = allowed || (rows[i].vocab && rows[i].allowed);
    seen = seen || (rows[i].vocab && rows[i].seen);
  }
  kinds = (allowed != FALSE) + (seen != FALSE);
  g_byte_array_set_size (blob, (guint) (head + n * kinds * bits));
  memset (blob->data, 0, blob->len);
  for (gsize i = 0; i < n; i++) {
    NevaCudaSampleRow *to = (NevaCudaSampleRow *) (void *) blob->data + i;
    const gsize own = ((gsize) rows[i].vocab + 63) / 64 * 8;
    const gsize at = head + i * kinds * bits;

    to->row = rows[i];
    to->row.allowed = to->row.seen = NULL;
    if (rows[i].vocab && rows[i].allowed) {
      to->allowed_at = at;
      memcpy (blob->data + at, rows[i].allowed, own);
    }
    if (rows[i].vocab && rows[i].seen) {
      to->seen_at = at + (kinds - 1) * bits;
      memcpy (blob->data + to->seen_at, rows[i].seen, own);
    }
  }
  return blob;
}

static void
cuda_sample (NevaBackend *b, NevaSampled *dst, const float *logits, gsize ldl,
    const NevaSampleRow *rows, gsize n)
{
  NevaBackendCuda *c = neva_cuda (b);
  g_autoptr (GByteArray) blob = NULL;
  const NevaCudaSampleRow *staged;
  guint32 *work;

  if (!n || !neva_cuda_enter (c))
    return;
  blob = lay_out_rows (rows, n);
  work = neva_cuda_scratch (c, &c->sum, n * 2 * ldl * sizeof *work);
  staged = work ? neva_cuda_stage (c, blob->data, blob->len) : NULL;
  if (staged)
    RUN (b, sample, dst, logits, ldl, staged, n, work, ldl);
}

void
neva_cuda_rows_fill (NevaBackendClass *klass)
{
  klass->gather = cuda_gather;
  klass->copy_rows = cuda_copy_rows;
  klass->rms_norm = cuda_rms_norm;
  klass->layer_norm = cuda_layer_norm;
  klass->rope = cuda_rope;
  klass->add = cuda_add;
  klass->add_rows = cuda_add_rows;
  klass->patches = cuda_patches;
  klass->sample = cuda_sample;
}
