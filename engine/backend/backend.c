/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "backend.h"

NevaBackend *
neva_backend_new (const char *device, guint threads, GError **error)
{
  return neva_backend_new_part (device, threads, 0, 1, error);
}

NevaBackend *
neva_backend_new_part (
    const char *device, guint threads, guint part, guint parts, GError **error)
{
  if (!device || !*device || g_str_equal (device, "cpu") ||
      g_str_equal (device, "auto"))
    return neva_backend_cpu_new (threads, part, parts);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "device '%s' is not in this build (cpu, auto)", device);
  return NULL;
}
