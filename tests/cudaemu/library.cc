/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cuBLAS and NCCL are in this library itself. NEVA_CUDAEMU_WITHOUT names one
 * that cannot be loaded. */
#include "runtime.cuh"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

void *
neva_cuda_library (const char *file)
{
  const char *without = getenv ("NEVA_CUDAEMU_WITHOUT");
  Dl_info info;

  if (without && *without && strstr (file, without))
    return nullptr;
  if (!dladdr ((void *) neva_cuda_library, &info))
    return nullptr;
  return dlopen (info.dli_fname, RTLD_NOW | RTLD_LOCAL);
}
