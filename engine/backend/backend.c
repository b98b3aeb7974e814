/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "backend.h"
#include "log.h"

#include <neva/gpu.h>
#include <string.h>

NevaBackend *
neva_backend_new (const char *device, guint threads, GError **error)
{
  return neva_backend_new_part (device, threads, 0, 1, 0, error);
}

/* "cuda" or "cuda:N" */
static gboolean
parse_cuda (const char *device, guint *number)
{
  guint64 n = 0;

  *number = 0;
  if (g_str_equal (device, "cuda"))
    return TRUE;
  if (!g_str_has_prefix (device, "cuda:") ||
      !g_ascii_string_to_unsigned (
          device + strlen ("cuda:"), 10, 0, 4095, &n, NULL))
    return FALSE;
  *number = (guint) n;
  return TRUE;
}

gboolean
neva_gpu_of_device (const char *device, guint *gpu)
{
  *gpu = 0;
  return device && (g_str_equal (device, "auto") || parse_cuda (device, gpu));
}

gboolean
neva_backend_check_fp8 (const char *device, GError **error)
{
  guint gpu = 0;

  if (neva_gpu_of_device (device, &gpu))
    return neva_cuda_check_fp8 (gpu, error);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "fp8 needs a GPU of compute capability 8.9 or later, and device '%s' is "
      "none",
      device && *device ? device : "cpu");
  return FALSE;
}

void
neva_backend_set_notice (NevaBackend *b, const char *why)
{
  g_free (b->notice);
  b->notice = g_strdup_printf ("device 'auto' is the CPU: %s", why);
  neva_warning ("%s", b->notice);
}

/* The first GPU, or the CPU and a line that says why. */
static NevaBackend *
choose (guint threads, guint part, guint parts, guint gpu)
{
  g_autoptr (GError) error = NULL;
  NevaBackend *b = neva_backend_cuda_new (gpu, threads, part, parts, &error);

  if (b)
    return b;
  b = neva_backend_cpu_new (threads, part, parts);
  neva_backend_set_notice (b, error->message);
  return b;
}

NevaBackend *
neva_backend_new_part (const char *device, guint threads, guint part,
    guint parts, guint gpu, GError **error)
{
  guint number;

  if (!device || !*device || g_str_equal (device, "cpu"))
    return neva_backend_cpu_new (threads, part, parts);
  if (g_str_equal (device, "auto"))
    return choose (threads, part, parts, gpu);
  if (parse_cuda (device, &number))
    return neva_backend_cuda_new (number + gpu, threads, part, parts, error);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "device '%s' is unknown (cpu, cuda, cuda:N, auto)", device);
  return NULL;
}
