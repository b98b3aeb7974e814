/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds libnevacuda.so when a GPU is first asked for. */
#include "config.h"
#include "cuda_backend.h"
#include <dlfcn.h>

/* The folder of the program or plugin that this code is linked into. */
static char *
beside_this_code (void)
{
  g_autofree char *folder = NULL;
  Dl_info info;

  if (!dladdr ((const void *) neva_cuda_load, &info) || !info.dli_fname)
    return NULL;
  folder = g_path_get_dirname (info.dli_fname);
  return g_build_filename (folder, "libnevacuda.so", NULL);
}

static char *
find_library (void)
{
  const char *asked = g_getenv ("NEVA_CUDA_LIBRARY");
  g_autofree char *beside = NULL;

  if (asked && *asked)
    return g_strdup (asked);
  beside = beside_this_code ();
  if (beside && g_file_test (beside, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&beside);
  if (g_file_test (NEVA_CUDA_INSTALLED, G_FILE_TEST_EXISTS))
    return g_strdup (NEVA_CUDA_INSTALLED);
  return NULL;
}

static const NevaCudaApi *
open_library (const char *path, GError **error)
{
  void *library = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  NevaCudaApiFunc table;
  const NevaCudaApi *api;

  if (!library) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "the CUDA kernels cannot be loaded: %s", dlerror ());
    return NULL;
  }
  table = (NevaCudaApiFunc) dlsym (library, NEVA_CUDA_SYMBOL);
  api = table ? table (sizeof *api) : NULL;
  if (!api)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%s: these CUDA kernels are of another version", path);
  return api; /* stays loaded */
}

const NevaCudaApi *
neva_cuda_load (GError **error)
{
  static GMutex lock;
  static const NevaCudaApi *api;
  g_autofree char *path = NULL;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  if (api)
    return api;
  if ((path = find_library ()))
    return api = open_library (path, error);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      HAVE_CUDA ? "device 'cuda': libnevacuda.so is neither beside this "
                  "program nor installed (NEVA_CUDA_LIBRARY names it)"
                : "device 'cuda' is not in this build (cpu, auto): it was "
                  "built without CUDA");
  return NULL;
}
