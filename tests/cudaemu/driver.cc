/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's own API, libcuda.so.1, as far as libgstcuda and the engine call
 * it: memory and contexts are those of the emulation, so that what GStreamer's
 * CUDA elements allocate is what the kernels read. libcuda.so.1 beside the
 * emulation is an empty library that loads this one. What is not supported here
 * says so. Signatures: NVIDIA's "CUDA Driver API"; a name's _v2 is what cuda.h
 * makes of it. */
#include "runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "cuda.h"

using namespace neva_emu;

#define DRIVER                                                                 \
  extern "C" __attribute__ ((visibility ("default"), used)) CUresult

static CUresult
result (cudaError_t error)
{
  return (CUresult) error; /* the numbers are the same */
}

/* ---- Devices and contexts ----------------------------------------------- */

DRIVER
cuInit (unsigned)
{
  return device_count () < 0    ? result (cudaErrorInsufficientDriver)
         : device_count () == 0 ? CUDA_ERROR_NO_DEVICE
                                : CUDA_SUCCESS;
}

DRIVER
cuDriverGetVersion (int *version)
{
  *version = 13000;
  return device_count () < 0 ? result (cudaErrorInsufficientDriver)
                             : CUDA_SUCCESS;
}

DRIVER
cuGetErrorName (CUresult error, const char **text)
{
  *text = cudaGetErrorName ((cudaError_t) error);
  return CUDA_SUCCESS;
}

DRIVER
cuGetErrorString (CUresult error, const char **text)
{
  return cuGetErrorName (error, text);
}

DRIVER
cuDeviceGetCount (int *count)
{
  return result (cudaGetDeviceCount (count));
}

DRIVER
cuDeviceGet (CUdevice *device, int ordinal)
{
  *device = ordinal;
  return ordinal >= 0 && ordinal < device_count () ? CUDA_SUCCESS
                                                   : CUDA_ERROR_INVALID_DEVICE;
}

DRIVER
cuDeviceGetName (char *name, int size, CUdevice device)
{
  snprintf (name, (size_t) size, "Emulated GPU %d", device);
  return CUDA_SUCCESS;
}

DRIVER
cuDeviceGetAttribute (int *value, CUdevice_attribute which, CUdevice device)
{
  switch (which) {
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
      *value = 512;
      return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
      *value = 1;
      return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return result (
          cudaDeviceGetAttribute (value, (cudaDeviceAttr) which, device));
  }
  *value = 0;
  return CUDA_SUCCESS;
}

DRIVER
cuDeviceCanAccessPeer (int *can, CUdevice, CUdevice)
{
  *can = 0;
  return CUDA_SUCCESS;
}

DRIVER
cuCtxEnablePeerAccess (CUcontext, unsigned)
{
  return CUDA_ERROR_NOT_SUPPORTED;
}

DRIVER
cuCtxDisablePeerAccess (CUcontext)
{
  return CUDA_ERROR_NOT_SUPPORTED;
}

DRIVER
cuCtxCreate_v2 (CUcontext *context, unsigned, CUdevice device)
{
  if (device < 0 || device >= device_count ())
    return CUDA_ERROR_INVALID_DEVICE;
  *context = new_context (device);
  push_context (*context);
  return CUDA_SUCCESS;
}

DRIVER
cuCtxDestroy_v2 (CUcontext context)
{
  return forget_context (context) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

DRIVER
cuCtxPushCurrent_v2 (CUcontext context)
{
  return push_context (context) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

DRIVER
cuCtxPopCurrent_v2 (CUcontext *context)
{
  CUcontext old = pop_context ();

  if (context)
    *context = old;
  return old ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

DRIVER
cuCtxGetCurrent (CUcontext *context)
{
  *context = current_context ();
  return CUDA_SUCCESS;
}

/* ---- Memory ------------------------------------------------------------- */

DRIVER
cuMemAlloc_v2 (CUdeviceptr *memory, size_t bytes)
{
  void *p;
  const cudaError_t error = take (&p, bytes, current_context ());

  *memory = (CUdeviceptr) p;
  return result (error);
}

/* Rows as far apart as a GPU puts them. */
DRIVER
cuMemAllocPitch_v2 (
    CUdeviceptr *memory, size_t *pitch, size_t width, size_t rows, unsigned)
{
  *pitch = (width + 511) / 512 * 512;
  return cuMemAlloc_v2 (memory, *pitch * rows);
}

DRIVER
cuMemFree_v2 (CUdeviceptr memory)
{
  flush_device ();
  return give ((void *) memory, true) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

DRIVER
cuMemAllocHost_v2 (void **memory, size_t bytes)
{
  return result (take (memory, bytes, nullptr));
}

DRIVER
cuMemFreeHost (void *memory)
{
  flush_device ();
  return give (memory, false) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Where the rows of one side begin; NULL: not memory that this context may
 * touch. */
static char *
side (CUmemorytype type, const void *host, CUdeviceptr device, size_t x,
    size_t y, size_t pitch, const CUDA_MEMCPY2D *c)
{
  char *p = type == CU_MEMORYTYPE_HOST ? (char *) host : (char *) device;
  const size_t bytes = pitch * (c->Height - 1) + c->WidthInBytes;

  if (type != CU_MEMORYTYPE_HOST && type != CU_MEMORYTYPE_DEVICE)
    return nullptr;
  p += y * pitch + x;
  if (type == CU_MEMORYTYPE_DEVICE &&
      !belongs_to (p, bytes, current_context ()))
    return nullptr;
  return p;
}

DRIVER
cuMemcpy2DAsync_v2 (const CUDA_MEMCPY2D *c, CUstream stream)
{
  char *dst, *src;
  const size_t width = c->WidthInBytes, rows = c->Height;
  const size_t dst_pitch = c->dstPitch, src_pitch = c->srcPitch;

  if (!width || !rows)
    return CUDA_SUCCESS;
  dst = side (c->dstMemoryType, c->dstHost, c->dstDevice, c->dstXInBytes,
      c->dstY, dst_pitch, c);
  src = side (c->srcMemoryType, c->srcHost, c->srcDevice, c->srcXInBytes,
      c->srcY, src_pitch, c);
  if (!dst || !src || dst_pitch < width || src_pitch < width)
    return CUDA_ERROR_INVALID_VALUE;
  return result (enqueue (stream, [=] {
    for (size_t r = 0; r < rows; r++)
      memcpy (dst + r * dst_pitch, src + r * src_pitch, width);
  }));
}

DRIVER
cuMemcpy2D_v2 (const CUDA_MEMCPY2D *copy)
{
  return cuMemcpy2DAsync_v2 (copy, nullptr);
}

DRIVER
cuMemcpyPeerAsync (CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
    CUcontext src_context, size_t bytes, CUstream stream)
{
  void *to = (void *) dst;
  const void *from = (const void *) src;

  if (!belongs_to (to, bytes, dst_context) ||
      !belongs_to (from, bytes, src_context))
    return CUDA_ERROR_INVALID_VALUE;
  return result (enqueue (stream, [=] { memcpy (to, from, bytes); }));
}

/* ---- Streams ------------------------------------------------------------ */

DRIVER
cuStreamCreate (CUstream *stream, unsigned flags)
{
  return result (cudaStreamCreateWithFlags (stream, flags));
}

DRIVER
cuStreamDestroy_v2 (CUstream stream)
{
  return result (cudaStreamDestroy (stream));
}

DRIVER
cuStreamDestroy (CUstream stream)
{
  return cuStreamDestroy_v2 (stream);
}

DRIVER
cuStreamSynchronize (CUstream stream)
{
  return result (cudaStreamSynchronize (stream));
}

/* ---- What is only asked for --------------------------------------------- */

#define NOT_HERE(name)                                                         \
  DRIVER                                                                       \
  name ()                                                                      \
  {                                                                            \
    return CUDA_ERROR_NOT_SUPPORTED;                                           \
  }
NOT_HERE (cuGraphicsMapResources)
NOT_HERE (cuGraphicsUnmapResources)
NOT_HERE (cuGraphicsSubResourceGetMappedArray)
NOT_HERE (cuGraphicsResourceGetMappedPointer_v2)
NOT_HERE (cuGraphicsResourceSetMapFlags_v2)
NOT_HERE (cuGraphicsUnregisterResource)
NOT_HERE (cuGraphicsGLRegisterImage)
NOT_HERE (cuGraphicsGLRegisterBuffer)
NOT_HERE (cuGLGetDevices_v2)
NOT_HERE (cuModuleLoadData)
NOT_HERE (cuModuleUnload)
NOT_HERE (cuModuleGetFunction)
NOT_HERE (cuTexObjectCreate)
NOT_HERE (cuTexObjectDestroy)
NOT_HERE (cuLaunchKernel)

cudaError_t
cudaGetDriverEntryPointByVersion (const char *symbol, void **function, unsigned,
    unsigned long long, cudaDriverEntryPointQueryResult *found)
{
  *function = !strcmp (symbol, "cuCtxGetCurrent") ? (void *) cuCtxGetCurrent
              : !strcmp (symbol, "cuMemcpyPeerAsync")
                  ? (void *) cuMemcpyPeerAsync
                  : nullptr;
  *found = *function ? cudaDriverEntryPointSuccess
                     : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
