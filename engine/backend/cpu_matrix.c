/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights at load: checked for NaN and infinity, used in place, converted, or
 * quantised panel by panel. */
#include "config.h"
#include "cpu_backend.h"

#include <stdatomic.h>

typedef struct {
  NevaBackendCpu *c;
  const guint8 *host;
  NevaDType host_type, type;
  gsize n, k, panel; /* panel: rows of a task */
  guint8 *dst;       /* NULL: in place */
  atomic_bool bad;
} MatrixJob;

static gsize
element_bytes (NevaDType type)
{
  return type == NEVA_DTYPE_F32 ? 4 : 2;
}

/* Any number with all exponent bits set is NaN or infinite. memcpy, because a
 * file may put tensors at odd addresses; compilers make plain loads of it. */
static gboolean
finite16 (const guint8 *p, gsize n, guint16 mask)
{
  guint16 bad = 0;

  for (gsize i = 0; i < n; i++) {
    guint16 u;

    memcpy (&u, p + i * 2, 2);
    bad |= (guint16) - ((u & mask) == mask);
  }
  return !bad;
}

static gboolean
finite32 (const guint8 *p, gsize n)
{
  const guint32 mask = 0x7f800000u;
  guint32 bad = 0;

  for (gsize i = 0; i < n; i++) {
    guint32 u;

    memcpy (&u, p + i * 4, 4);
    bad |= (guint32) - ((u & mask) == mask);
  }
  return !bad;
}

static gboolean
all_finite (const guint8 *p, NevaDType type, gsize n)
{
  if (type == NEVA_DTYPE_F32)
    return finite32 (p, n);
  return finite16 (p, n, type == NEVA_DTYPE_BF16 ? 0x7f80 : 0x7c00);
}

static void
matrix_task (void *data, gsize task, void *work)
{
  MatrixJob *j = data;
  const NevaCpuKernels *k = &j->c->kernels;
  const gsize n0 = task * j->panel;
  const gsize rows = MIN (j->panel, j->n - n0), count = rows * j->k;
  const guint8 *src = j->host + n0 * j->k * element_bytes (j->host_type);

  if (!all_finite (src, j->host_type, count)) {
    atomic_store (&j->bad, TRUE);
    return;
  }
  if (!j->dst)
    return;
  if (j->type == NEVA_DTYPE_F32) {
    k->to_f32 ((float *) j->dst + n0 * j->k, src, j->host_type, count);
    return;
  }
  k->to_f32 (work, src, j->host_type, count);
  if (k->pack[j->type])
    k->pack[j->type](j->dst, work, j->n, j->k, n0, rows);
  else
    k->from_f32 (j->dst + n0 * j->k * 2, work, j->type, count);
}

static gboolean
can_use_in_place (NevaDType type, const void *host, NevaDType host_type)
{
  return type == host_type && (gsize) host % element_bytes (type) == 0;
}

gboolean
neva_cpu_matrix_init (NevaBackend *b, NevaMatrix *m, NevaDType type,
    const void *host, NevaDType host_type, gsize n, gsize k, GError **error)
{
  NevaBackendCpu *c = neva_cpu (b);
  MatrixJob j = {.c = c,
      .host = host,
      .host_type = host_type,
      .type = type,
      .n = n,
      .k = k,
      .panel = NEVA_MATMUL_PANEL};
  NevaMatrix result = {{type, n, k, host}, 0};
  GError *fault = NULL;

  if (!can_use_in_place (type, host, host_type)) {
    result.owned = neva_packed_bytes (type, n, k);
    if (!result.owned)
      result.owned = n * k * element_bytes (type);
    j.dst = neva_cpu_alloc (b, result.owned, error);
    if (!j.dst)
      return FALSE;
    result.w.data = j.dst;
  }
  neva_cpu_run (c, matrix_task, &j, (n + j.panel - 1) / j.panel,
      j.dst && type != NEVA_DTYPE_F32 ? j.panel * k * sizeof (float) : 0,
      n * k);
  if (!b->klass->synchronize (b, &fault)) {
    g_propagate_error (error, fault);
  } else if (atomic_load (&j.bad)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "holds a NaN or an infinity");
  } else {
    *m = result;
    return TRUE;
  }
  neva_cpu_release (b, j.dst, result.owned);
  return FALSE;
}

typedef struct {
  NevaCodesFunc codes;
  gpointer data;
  NevaDType type;
  gsize n, k;
  void *dst;
  atomic_bool bad;
} CodesJob;

static gsize
groups_of (gsize k)
{
  return (k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP;
}

/* work: scale and low of a panel, then its codes. */
static void
codes_task (void *data, gsize task, void *work)
{
  CodesJob *j = data;
  const gsize n0 = task * NEVA_MATMUL_PANEL;
  const gsize rows = MIN (NEVA_MATMUL_PANEL, j->n - n0);
  const gsize count = rows * groups_of (j->k);
  const gboolean has_low = j->type == NEVA_DTYPE_I4;
  float *scale = work, *low = scale + count;
  guint8 *codes = (guint8 *) (low + count);

  j->codes (j->data, n0, rows, codes, scale, low);
  if (!finite32 (work, has_low ? 2 * count : count))
    atomic_store (&j->bad, TRUE);
  else if (has_low)
    neva_pack_i4_codes (j->dst, codes, scale, low, j->k, n0, rows);
  else
    neva_pack_i8_codes (j->dst, (const gint8 *) codes, scale, j->k, n0, rows);
}

gboolean
neva_cpu_matrix_codes (NevaBackend *b, NevaMatrix *m, NevaDType type,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error)
{
  const gsize bytes = neva_packed_bytes (type, n, k);
  CodesJob j = {.codes = codes, .data = data, .type = type, .n = n, .k = k};
  GError *fault = NULL;

  if (type == NEVA_DTYPE_E4M3) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "fp8 needs a GPU of compute capability 8.9 or later (device=cuda); the "
        "CPU computes with such a model's weights as bf16 or f32 "
        "(weights=bf16)");
    return FALSE;
  }
  if (!(j.dst = neva_cpu_alloc (b, bytes, error)))
    return FALSE;
  neva_cpu_run (neva_cpu (b), codes_task, &j,
      (n + NEVA_MATMUL_PANEL - 1) / NEVA_MATMUL_PANEL,
      NEVA_MATMUL_PANEL * (k + 2 * sizeof (float) * groups_of (k)), n * k);
  if (!b->klass->synchronize (b, &fault)) {
    g_propagate_error (error, fault);
  } else if (atomic_load (&j.bad)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "holds a NaN or an infinity");
  } else {
    *m = (NevaMatrix){{type, n, k, j.dst}, bytes};
    return TRUE;
  }
  neva_cpu_release (b, j.dst, bytes);
  return FALSE;
}

void
neva_cpu_matrix_clear (NevaBackend *b, NevaMatrix *m)
{
  if (m->owned)
    neva_cpu_release (b, (void *) m->w.data, m->owned);
  *m = (NevaMatrix){0};
}
