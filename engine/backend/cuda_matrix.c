/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights at load: the CPU backend checks, converts and packs them, the result
 * is copied to the device. Both have the same layouts. */
#include "config.h"
#include "cuda_backend.h"

static gsize
matrix_bytes (const NevaWeight *w)
{
  const gsize packed = neva_packed_bytes (w->type, w->n, w->k);

  return packed ? packed : w->n * w->k * (w->type == NEVA_DTYPE_F32 ? 4 : 2);
}

/* Takes `host`, a matrix of the CPU's, away. */
static gboolean
move_to_device (
    NevaBackendCuda *c, NevaMatrix *m, NevaMatrix *host, GError **error)
{
  const gsize bytes = matrix_bytes (&host->w);
  void *data = neva_cuda_alloc (&c->base, bytes, error);
  gboolean ok = data != NULL;

  if (ok) {
    neva_cuda_upload (&c->base, data, host->w.data, bytes);
    ok = neva_backend_synchronize (&c->base, error);
  }
  if (ok)
    *m = (NevaMatrix){{host->w.type, host->w.n, host->w.k, data}, bytes};
  else
    neva_cuda_release (&c->base, data, bytes);
  neva_backend_matrix_clear (c->cpu, host);
  return ok;
}

gboolean
neva_cuda_matrix_init (NevaBackend *b, NevaMatrix *m, NevaDType type,
    const void *host, NevaDType host_type, gsize n, gsize k, GError **error)
{
  NevaBackendCuda *c = neva_cuda (b);
  NevaMatrix packed;

  return neva_backend_matrix_init (
             c->cpu, &packed, type, host, host_type, n, k, error) &&
         move_to_device (c, m, &packed, error);
}

gboolean
neva_cuda_matrix_codes (NevaBackend *b, NevaMatrix *m, NevaDType type,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error)
{
  NevaBackendCuda *c = neva_cuda (b);
  NevaMatrix packed;

  if (type == NEVA_DTYPE_E4M3)
    return neva_cuda_matrix_e4m3 (b, m, codes, data, n, k, error);
  return neva_backend_matrix_codes (
             c->cpu, &packed, type, codes, data, n, k, error) &&
         move_to_device (c, m, &packed, error);
}

void
neva_cuda_matrix_clear (NevaBackend *b, NevaMatrix *m)
{
  neva_cuda_release (b, (void *) m->w.data, m->owned);
  *m = (NevaMatrix){0};
}
