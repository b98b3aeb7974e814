/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Set-up, errors and the class of the CUDA backend. */
#include "config.h"
#include "cuda_backend.h"

#include <neva/gpu.h>

/* Looks at the stream for one at the groups. */
#define LOOKS 64u

gboolean
neva_cuda_check (NevaBackendCuda *c, int status, const char *what)
{
  neva_cuda_sign (c, &what, sizeof what);
  if (!status)
    return TRUE;
  if (!c->fault)
    c->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %d, %s: %s",
        c->device, what, c->api->run.error_text (status));
  return FALSE;
}

gboolean
neva_cuda_enter (NevaBackendCuda *c)
{
  return !c->fault &&
         neva_cuda_check (c, c->api->run.set_device (c->device), "device");
}

/* Nobody said anything, and the stream goes no further. The first group is
 * the one of all ranks. */
static void
set_late (NevaBackendCuda *c)
{
  NevaComm *all = c->comms->pdata[0];
  const gint other = neva_comm_missing (all);
  const gint64 s = neva_comm_timeout_us () / G_USEC_PER_SEC;

  if (other < 0)
    c->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_DEVICE,
        "GPU %d: a rank has not answered for %" G_GINT64_FORMAT " s", c->device,
        s);
  else
    c->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_DEVICE,
        "GPU %d: rank %d of %u has not answered for %" G_GINT64_FORMAT " s",
        c->device, other, all->size, s);
}

/* One of the groups is lost, or time is up. */
static gboolean
groups_are_lost (NevaBackendCuda *c, gint64 waited, gboolean *shown)
{
  GError **fault = c->fault ? NULL : &c->fault;
  const gint64 bound = neva_comm_timeout_us ();

  for (guint i = 0; i < c->comms->len; i++)
    if (!neva_comm_device_well (c->comms->pdata[i], fault))
      return TRUE;
  if (waited > bound / 2 && !*shown) {
    neva_comm_show (c->comms->pdata[0]);
    *shown = TRUE;
  }
  if (waited > bound && !c->fault)
    set_late (c);
  return waited > bound;
}

/* What NCCL has in the stream ends; what ours are in it do so by themselves.
 * Not for ever: then there is nothing to be had from this GPU any more. */
static int
give_up (NevaBackendCuda *c)
{
  const char *why = c->fault ? c->fault->message : "a rank is lost";
  const gint64 start = g_get_monotonic_time ();
  int status = NEVA_CUDA_NOT_READY;

  for (guint i = 0; i < c->comms->len; i++)
    neva_comm_device_give_up (c->comms->pdata[i], why);
  for (guint i = 0; i < c->comms->len; i++)
    c->lost = !neva_comm_device_given_up (c->comms->pdata[i]) || c->lost;
  while (!c->lost && status == NEVA_CUDA_NOT_READY) {
    status = c->api->run.stream_query (c->stream);
    c->lost = status == NEVA_CUDA_NOT_READY &&
              g_get_monotonic_time () - start > neva_comm_timeout_us ();
    g_thread_yield ();
  }
  return status;
}

static int
wait_with_others (NevaBackendCuda *c)
{
  const gint64 start = g_get_monotonic_time ();
  gboolean shown = FALSE;
  int status;

  for (guint i = 1;
       (status = c->api->run.stream_query (c->stream)) == NEVA_CUDA_NOT_READY;
       i++) {
    if (i % LOOKS == 0 &&
        groups_are_lost (c, g_get_monotonic_time () - start, &shown))
      return give_up (c);
    g_thread_yield ();
  }
  return status;
}

gboolean
neva_cuda_wait (NevaBackendCuda *c)
{
  const int status = c->comms->len ? wait_with_others (c)
                                   : c->api->run.stream_wait (c->stream);

  return neva_cuda_check (c, status, "kernels") && !c->fault;
}

static gboolean
cuda_synchronize (NevaBackend *b, GError **error)
{
  NevaBackendCuda *c = neva_cuda (b);

  if (neva_cuda_enter (c))
    neva_cuda_wait (c);
  if (!c->fault)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&c->fault));
  return FALSE;
}

static gboolean
cuda_supports (NevaBackend *b, NevaOp op, NevaDType type)
{
  if (op == NEVA_OP_LINEAR && type == NEVA_DTYPE_E4M3)
    return neva_cuda_supports_fp8 (neva_cuda (b));
  return neva_backend_supports (neva_cuda (b)->cpu, op, type);
}

static void
cuda_free (NevaBackend *b)
{
  NevaBackendCuda *c = neva_cuda (b);

  if (!c->lost && !c->api->run.set_device (c->device)) {
    if (c->stream)
      c->api->run.stream_wait (c->stream);
    neva_cuda_steps_free (c);
    neva_cuda_memory_free (c);
    c->api->run.blas_free (c->blas);
    if (c->stream)
      c->api->run.stream_free (c->stream);
  }
  neva_backend_free (c->cpu);
  g_clear_pointer (&c->spans, g_byte_array_unref);
  g_ptr_array_unref (c->comms);
  g_clear_error (&c->fault);
  g_free (c);
}

static NevaBackendClass cuda_class = {
    .name = "cuda",
    .free = cuda_free,
    .supports = cuda_supports,
    .alloc = neva_cuda_alloc,
    .release = neva_cuda_release,
    .clear = neva_cuda_clear,
    .upload = neva_cuda_upload,
    .download = neva_cuda_download,
    .synchronize = cuda_synchronize,
    .matrix_init = neva_cuda_matrix_init,
    .matrix_codes = neva_cuda_matrix_codes,
    .matrix_clear = neva_cuda_matrix_clear,
    .linear = neva_cuda_linear,
    .gated = neva_cuda_gated,
    .kv_store = neva_cuda_store_kv,
    .rope_store = neva_cuda_rotate,
    .attention = neva_cuda_attend,
    .step = neva_cuda_step,
};

gboolean
neva_backend_is_cuda (NevaBackend *b)
{
  return b->klass == &cuda_class;
}

static void
set_no_driver (const NevaCudaApi *api, GError **error)
{
  int version = 0;

  if (api->run.driver_version (&version) != 0 || version <= 0)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "device 'cuda': there is no NVIDIA driver here");
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "device 'cuda': the NVIDIA driver is one for CUDA %d.%d; CUDA 13 needs "
        "driver 580 or later",
        version / 1000, version % 1000 / 10);
}

gboolean
neva_cuda_count (const NevaCudaApi *api, int *count, GError **error)
{
  const int status = api->run.device_count (count);

  if (status == NEVA_CUDA_NO_DRIVER)
    set_no_driver (api, error);
  else if (status == NEVA_CUDA_NO_DEVICE || (!status && *count == 0))
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "device 'cuda': this machine has no NVIDIA GPU");
  else if (status)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "device 'cuda': %s",
        api->run.error_text (status));
  return !status && *count > 0;
}

/* No code for it is in the library: the first kernel would fail. */
static gboolean
check_capability (const NevaCudaApi *api, guint gpu, GError **error)
{
  int tenths = 0;
  const int status = api->run.capability ((int) gpu, &tenths);

  if (!status && tenths >= NEVA_CUDA_CAPABILITY)
    return TRUE;
  if (status)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %u: %s", gpu,
        api->run.error_text (status));
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "GPU %u is one of compute capability %d.%d; the kernels need 8.0 or "
        "later",
        gpu, tenths / 10, tenths % 10);
  return FALSE;
}

static gboolean
check_number (guint gpu, int count, GError **error)
{
  if (gpu < (guint) count)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
      "device 'cuda:%u': this machine has %d NVIDIA GPU%s", gpu, count,
      count == 1 ? "" : "s");
  return FALSE;
}

gpointer
neva_gpu_get_context (guint gpu, GError **error)
{
  const NevaCudaApi *api = neva_cuda_load (error);
  void *context = NULL;
  int count = 0, status;

  if (!api || !neva_cuda_count (api, &count, error) ||
      !check_number (gpu, count, error))
    return NULL;
  status = api->run.set_device ((int) gpu);
  if (!status)
    status = api->run.context (&context);
  if (status || !context)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %u, context: %s",
        gpu, api->run.error_text (status));
  return status ? NULL : context;
}

NevaBackend *
neva_backend_cuda_new (
    guint gpu, guint threads, guint part, guint parts, GError **error)
{
  static gsize filled;
  const NevaCudaApi *api = neva_cuda_load (error);
  NevaBackendCuda *c;
  int count = 0;

  if (!api || !neva_cuda_count (api, &count, error) ||
      !check_number (gpu, count, error) || !check_capability (api, gpu, error))
    return NULL;
  if (g_once_init_enter (&filled)) {
    neva_cuda_rows_fill (&cuda_class);
    g_once_init_leave (&filled, 1);
  }
  c = g_new0 (NevaBackendCuda, 1);
  c->base.klass = &cuda_class;
  c->api = api;
  c->comms = g_ptr_array_new ();
  c->device = (int) gpu;
  c->cpu = neva_backend_cpu_new (threads, part, parts);
  if (neva_cuda_enter (c) &&
      neva_cuda_check (c, api->run.stream_new (&c->stream), "stream"))
    neva_cuda_check (c, api->run.blas_new (&c->blas, c->stream), "cuBLAS");
  if (!c->fault)
    return &c->base;
  g_propagate_error (error, g_steal_pointer (&c->fault));
  cuda_free (&c->base);
  return NULL;
}
