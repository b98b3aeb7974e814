/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cudart, as the engine uses it. */
#include <string.h>
#include "runtime.cuh"

static thread_local char text[256];
static thread_local int text_status;

/* No stdio here: "%s" of `format` is replaced. */
void
neva_cuda_set_text (int status, const char *format, const char *what)
{
  size_t n = 0;

  for (const char *p = format; *p && n + 1 < sizeof text; p++) {
    if (p[0] != '%' || p[1] != 's') {
      text[n++] = *p;
      continue;
    }
    for (const char *q = what; *q && n + 1 < sizeof text; q++)
      text[n++] = *q;
    p++;
  }
  text[n] = '\0';
  text_status = status;
}

static const char *
error_text (int status)
{
  if (status >= NEVA_CUDA_BLAS && text_status == status)
    return text;
  if (status >= NEVA_CUDA_NCCL)
    return "NCCL failed";
  if (status >= NEVA_CUDA_BLAS)
    return "cuBLAS failed";
  return cudaGetErrorString ((cudaError_t) status);
}

static int
device_count (int *count)
{
  const cudaError_t error = cudaGetDeviceCount (count);

  cudaGetLastError (); /* it is reported here */
  return error;
}

static int
driver_version (int *version)
{
  *version = 0;
  return cudaDriverGetVersion (version);
}

static int
set_device (int device)
{
  return cudaSetDevice (device);
}

static int
memory_info (size_t *free_bytes, size_t *total)
{
  return cudaMemGetInfo (free_bytes, total);
}

static int
capability (int device, int *tenths)
{
  int major = 0, minor = 0;
  cudaError_t error = cudaDeviceGetAttribute (
      &major, cudaDevAttrComputeCapabilityMajor, device);

  if (!error)
    error = cudaDeviceGetAttribute (
        &minor, cudaDevAttrComputeCapabilityMinor, device);
  *tenths = 10 * major + minor;
  return error;
}

static int
alloc (void **memory, size_t bytes)
{
  const cudaError_t error = cudaMalloc (memory, bytes);

  if (error == cudaErrorMemoryAllocation)
    cudaGetLastError (); /* reported here; the next launch is well */
  return error;
}

static int
release (void *memory)
{
  return cudaFree (memory);
}

static int
alloc_ordered (void **memory, size_t bytes, cudaStream_t stream)
{
  const cudaError_t error = cudaMallocAsync (memory, bytes, stream);

  if (error == cudaErrorMemoryAllocation)
    cudaGetLastError (); /* as above */
  return error;
}

static int
release_ordered (void *memory, cudaStream_t stream)
{
  return cudaFreeAsync (memory, stream);
}

static int
host_alloc (void **memory, size_t bytes)
{
  return cudaHostAlloc (memory, bytes, cudaHostAllocDefault);
}

static int
host_release (void *memory)
{
  return cudaFreeHost (memory);
}

static int
set (void *dst, int value, size_t bytes, cudaStream_t stream)
{
  return cudaMemsetAsync (dst, value, bytes, stream);
}

static int
upload (void *dst, const void *host, size_t bytes, cudaStream_t stream)
{
  return cudaMemcpyAsync (dst, host, bytes, cudaMemcpyHostToDevice, stream);
}

static int
download (void *host, const void *src, size_t bytes, cudaStream_t stream)
{
  return cudaMemcpyAsync (host, src, bytes, cudaMemcpyDeviceToHost, stream);
}

static int
copy (void *dst, const void *src, size_t bytes, cudaStream_t stream)
{
  return cudaMemcpyAsync (dst, src, bytes, cudaMemcpyDeviceToDevice, stream);
}

/* A function of the driver's own API, which cudart finds without linking to
 * libcuda.so.1. They return its CUresult, whose numbers are cudaError_t's. */
static cudaError_t
driver_function (const char *name, void **function)
{
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t error = cudaGetDriverEntryPointByVersion (
      name, function, 12000, cudaEnableDefault, &found);

  if (error)
    return error;
  return found == cudaDriverEntryPointSuccess ? cudaSuccess
                                              : cudaErrorNotSupported;
}

static int
context (void **out)
{
  void *function;
  const cudaError_t error = driver_function ("cuCtxGetCurrent", &function);

  if (error)
    return error;
  return reinterpret_cast<int (*) (void **)> (function) (out);
}

/* Unified addressing gives every allocation of a process an address of its own,
 * but a context's kernels may follow one of another context only if that was
 * allowed by cuCtxEnablePeerAccess (), which is made for two GPUs; of two
 * contexts on one GPU the manual promises nothing. A copy that names both
 * contexts works in any case ("CUDA Driver API", Unified Addressing and
 * cuMemcpyPeerAsync). */
static int
copy_from (void *dst, const void *src, void *src_context, size_t bytes,
    cudaStream_t stream)
{
  typedef int (*Copy) (unsigned long long, void *, unsigned long long, void *,
      size_t, cudaStream_t);
  void *own, *function;
  int status = context (&own);

  if (!status)
    status = driver_function ("cuMemcpyPeerAsync", &function);
  if (status)
    return status;
  return reinterpret_cast<Copy> (function) (
      (uintptr_t) dst, own, (uintptr_t) src, src_context, bytes, stream);
}

static int
stream_new (cudaStream_t *stream)
{
  return cudaStreamCreateWithFlags (stream, cudaStreamNonBlocking);
}

static int
stream_free (cudaStream_t stream)
{
  return cudaStreamDestroy (stream);
}

static int
stream_wait (cudaStream_t stream)
{
  return cudaStreamSynchronize (stream);
}

/* Not ready is an answer, not an error for the next launch to report. */
static int
stream_query (cudaStream_t stream)
{
  const cudaError_t error = cudaStreamQuery (stream);

  if (error == cudaErrorNotReady)
    cudaGetLastError ();
  return error;
}

static int
event_new (cudaEvent_t *event)
{
  return cudaEventCreateWithFlags (event, 0);
}

static int
event_free (cudaEvent_t event)
{
  return cudaEventDestroy (event);
}

static int
event_record (cudaEvent_t event, cudaStream_t stream)
{
  return cudaEventRecord (event, stream);
}

static int
event_wait (cudaEvent_t event)
{
  return cudaEventSynchronize (event);
}

static int
event_ms (float *ms, cudaEvent_t start, cudaEvent_t end)
{
  return cudaEventElapsedTime (ms, start, end);
}

static int
capture_begin (cudaStream_t stream)
{
  return cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal);
}

static int
capture_end (cudaStream_t stream, cudaGraphExec_t *exec)
{
  cudaGraph_t graph;
  cudaError_t error = cudaStreamEndCapture (stream, &graph);

  if (error)
    return error;
  error = cudaGraphInstantiate (exec, graph, 0);
  cudaGraphDestroy (graph);
  return error;
}

static int
graph_launch (cudaGraphExec_t exec, cudaStream_t stream)
{
  return cudaGraphLaunch (exec, stream);
}

static int
graph_free (cudaGraphExec_t exec)
{
  return cudaGraphExecDestroy (exec);
}

NevaCudaRuntime
neva_cuda_runtime ()
{
  NevaCudaRuntime run = {};

  run.error_text = error_text;
  run.device_count = device_count;
  run.driver_version = driver_version;
  run.set_device = set_device;
  run.context = context;
  run.memory_info = memory_info;
  run.capability = capability;
  run.alloc = alloc;
  run.release = release;
  run.alloc_ordered = alloc_ordered;
  run.release_ordered = release_ordered;
  run.host_alloc = host_alloc;
  run.host_release = host_release;
  run.set = set;
  run.upload = upload;
  run.download = download;
  run.copy = copy;
  run.copy_from = copy_from;
  run.stream_new = stream_new;
  run.stream_free = stream_free;
  run.stream_wait = stream_wait;
  run.stream_query = stream_query;
  run.event_new = event_new;
  run.event_free = event_free;
  run.event_record = event_record;
  run.event_wait = event_wait;
  run.event_ms = event_ms;
  run.capture_begin = capture_begin;
  run.capture_end = capture_end;
  run.graph_launch = graph_launch;
  run.graph_free = graph_free;
  neva_cuda_blas_fill (&run);
  neva_cuda_nccl_fill (&run);
  return run;
}
