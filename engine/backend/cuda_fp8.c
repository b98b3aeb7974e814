/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* E4M3 weights (fp8.h), which only GPUs have. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "cuda_backend.h"
#include "fp8.h"

static gboolean
check_capability (const NevaCudaApi *api, guint gpu, GError **error)
{
  int tenths = 0;
  const int status = api->run.capability ((int) gpu, &tenths);

  if (!status && tenths >= NEVA_CUDA_E4M3_CAPABILITY)
    return TRUE;
  if (status)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %u: %s", gpu,
        api->run.error_text (status));
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "fp8 needs a GPU of compute capability 8.9 or later; GPU %u is one of "
        "%d.%d",
        gpu, tenths / 10, tenths % 10);
  return FALSE;
}

gboolean
neva_cuda_check_fp8 (guint gpu, GError **error)
{
  const NevaCudaApi *api = neva_cuda_load (error);
  int count = 0;

  if (!api || !neva_cuda_count (api, &count, error))
    return FALSE;
  if (gpu < (guint) count)
    return check_capability (api, gpu, error);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
      "device 'cuda:%u': this machine has %d NVIDIA GPU%s", gpu, count,
      count == 1 ? "" : "s");
  return FALSE;
}

gboolean
neva_cuda_supports_fp8 (NevaBackendCuda *c)
{
  return check_capability (c->api, (guint) c->device, NULL);
}

static gboolean
is_scale (float f)
{
  return isfinite (f) && f > 0;
}

/* As fp8.h says, in host memory; FALSE: a number is none. */
static gboolean
lay_out (guint8 *host, NevaCodesFunc codes, gpointer data, gsize n, gsize k)
{
  const gsize stride = neva_e4m3_row_bytes (k);
  guint8 *row = host + NEVA_E4M3_HEAD_BYTES;
  NevaE4m3Head head;

  for (gsize r = 0; r < n; r++, row += stride) {
    codes (data, r, 1, row, &head.scale, &head.input_scale);
    for (gsize i = 0; i < k; i++) {
      if ((row[i] & 0x7f) == NEVA_E4M3_NAN)
        return FALSE;
    }
  }
  memcpy (host, &head, sizeof head);
  return is_scale (head.scale) && is_scale (head.input_scale);
}

gboolean
neva_cuda_matrix_e4m3 (NevaBackend *b, NevaMatrix *m, NevaCodesFunc codes,
    gpointer data, gsize n, gsize k, GError **error)
{
  NevaBackendCuda *c = neva_cuda (b);
  const gsize bytes = neva_e4m3_bytes (n, k);
  g_autofree guint8 *host = NULL;
  void *device;

  if (!check_capability (c->api, (guint) c->device, error))
    return FALSE;
  if (!(host = g_try_malloc0 (bytes))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "no memory for it");
    return FALSE;
  }
  if (!lay_out (host, codes, data, n, k)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "holds a NaN, or a scale that is no positive number");
    return FALSE;
  }
  if (!(device = neva_cuda_alloc (b, bytes, error)))
    return FALSE;
  neva_cuda_upload (b, device, host, bytes);
  if (neva_backend_synchronize (b, error)) {
    *m = (NevaMatrix){{NEVA_DTYPE_E4M3, n, k, device}, bytes};
    return TRUE;
  }
  neva_cuda_release (b, device, bytes);
  return FALSE;
}
