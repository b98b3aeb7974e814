/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Libraries of CUDA that are loaded when first used. The emulation has its own
 * version of this file, and nothing else. */
#include <dlfcn.h>
#include "runtime.cuh"

void *
neva_cuda_library (const char *file)
{
  return dlopen (file, RTLD_NOW | RTLD_LOCAL);
}
