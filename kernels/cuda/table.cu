/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table that the library is. */
#include "runtime.cuh"

extern "C" const NevaCudaApi *
neva_cuda_api (size_t size)
{
#define FIELD(field, DECL) neva_cuda_##field,
  static const NevaCudaApi api = {
      neva_cuda_runtime (), NEVA_CUDA_LAUNCHERS (FIELD)};
#undef FIELD

  return size == sizeof api ? &api : nullptr;
}
