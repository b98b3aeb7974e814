/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CUDA for the host compiler: what kernels/cuda uses of the language and of the
 * runtime, in the names and signatures of CUDA 13, for code compiled by g++ or
 * clang++ (docs/cuda.md). Written from the CUDA programming guide and runtime
 * manual. Only what is used is here; what is not here does not compile.
 *
 * A launch runs its blocks one after the other in a shuffled order. A thread
 * is a fiber; it runs until it meets a barrier or a collective of its warp, and
 * which runs next is drawn from a seeded generator. One launch runs at a time
 * in the process. Streams are queues of closures that run when somebody waits.
 */
#ifndef NEVA_EMU_CUDA_RUNTIME_H
#define NEVA_EMU_CUDA_RUNTIME_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__ ((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__ ((aligned (n)))
/* tables that kernels only read */
#define __constant__

/* ---- Types -------------------------------------------------------------- */

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901
};

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2
};

enum cudaDriverEntryPointQueryResult {
  cudaDriverEntryPointSuccess = 0,
  cudaDriverEntryPointSymbolNotFound = 1
};

enum {
  cudaEnableDefault = 0,
  cudaStreamNonBlocking = 1,
  cudaEventDisableTiming = 2,
  cudaHostAllocDefault = 0
};

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3 (unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)
      : x (x_), y (y_), z (z_)
  {
  }
};

struct alignas (8) float2 {
  float x, y;
};
struct alignas (16) float4 {
  float x, y, z, w;
};
struct alignas (8) int2 {
  int x, y;
};
struct alignas (16) int4 {
  int x, y, z, w;
};
struct alignas (8) uint2 {
  unsigned x, y;
};
struct alignas (16) uint4 {
  unsigned x, y, z, w;
};
static inline float2
make_float2 (float x, float y)
{
  return {x, y};
}
static inline float4
make_float4 (float x, float y, float z, float w)
{
  return {x, y, z, w};
}
static inline uint2
make_uint2 (unsigned x, unsigned y)
{
  return {x, y};
}
static inline uint4
make_uint4 (unsigned x, unsigned y, unsigned z, unsigned w)
{
  return {x, y, z, w};
}

/* ---- Inside a kernel ---------------------------------------------------- */

namespace neva_emu
{
struct Thread;
extern Thread *self; /* the running one */
extern uint3 block_index;
extern dim3 block_dim, grid_dim;
extern uint3 *thread_index;

void barrier ();
void sync_warp (unsigned mask);
/* What lane `source` of the mask brought as `value`. */
uint64_t exchange (unsigned mask, uint64_t value, unsigned source);
unsigned ballot (unsigned mask, bool bit);
unsigned lane ();
/* Ends the launch with cudaErrorLaunchFailure and says where. */
[[noreturn]] void fault (const char *format, ...)
    __attribute__ ((format (printf, 1, 2)));

template <typename T>
T
shuffle (unsigned mask, T value, unsigned source)
{
  static_assert (sizeof (T) <= 8, "one register or two");
  uint64_t bits = 0;
  memcpy (&bits, &value, sizeof value);
  bits = exchange (mask, bits, source);
  memcpy (&value, &bits, sizeof value);
  return value;
}
} // namespace neva_emu

#define threadIdx (*::neva_emu::thread_index)
#define blockIdx (::neva_emu::block_index)
#define blockDim (::neva_emu::block_dim)
#define gridDim (::neva_emu::grid_dim)
static const int warpSize = 32;

static inline void
__syncthreads ()
{
  neva_emu::barrier ();
}
static inline void
__syncwarp (unsigned mask = 0xffffffffu)
{
  neva_emu::sync_warp (mask);
}
static inline void
__threadfence ()
{
}
static inline unsigned
__ballot_sync (unsigned mask, int predicate)
{
  return neva_emu::ballot (mask, predicate != 0);
}
static inline int
__any_sync (unsigned mask, int predicate)
{
  return neva_emu::ballot (mask, predicate != 0) != 0;
}
static inline int
__all_sync (unsigned mask, int predicate)
{
  return neva_emu::ballot (mask, predicate != 0) == mask;
}

template <typename T>
T
__shfl_sync (unsigned mask, T value, int source, int width = 32)
{
  const unsigned l = neva_emu::lane (), w = (unsigned) width;

  return neva_emu::shuffle (
      mask, value, (l & ~(w - 1)) | ((unsigned) source & (w - 1)));
}
template <typename T>
T
__shfl_xor_sync (unsigned mask, T value, int bits, int width = 32)
{
  const unsigned l = neva_emu::lane (), w = (unsigned) width;
  const unsigned from = l ^ (unsigned) bits;

  return neva_emu::shuffle (
      mask, value, (from & ~(w - 1)) <= (l & ~(w - 1)) ? from : l);
}
template <typename T>
T
__shfl_down_sync (unsigned mask, T value, unsigned by, int width = 32)
{
  const unsigned l = neva_emu::lane (), w = (unsigned) width;

  return neva_emu::shuffle (mask, value, (l & (w - 1)) + by < w ? l + by : l);
}
template <typename T>
T
__shfl_up_sync (unsigned mask, T value, unsigned by, int width = 32)
{
  const unsigned l = neva_emu::lane (), w = (unsigned) width;

  return neva_emu::shuffle (mask, value, (l & (w - 1)) >= by ? l - by : l);
}

/* One launch runs at a time, and a thread is not interrupted. */
template <typename P, typename T>
auto
atomicAdd (P *p, T value)
{
  const auto old = (T) *p;
  *p = (T) (old + value);
  return old;
}
template <typename P, typename T>
auto
atomicMax (P *p, T value)
{
  const auto old = (T) *p;
  if (value > old)
    *p = value;
  return old;
}
template <typename P, typename T>
auto
atomicMin (P *p, T value)
{
  const auto old = (T) *p;
  if (value < old)
    *p = value;
  return old;
}
template <typename P, typename T>
auto
atomicExch (P *p, T value)
{
  const auto old = (T) *p;
  *p = value;
  return old;
}
template <typename P, typename T>
auto
atomicCAS (P *p, T compare, T value)
{
  const auto old = (T) *p;
  if (old == compare)
    *p = value;
  return old;
}

namespace neva_emu
{
/* y of x, or a number as far from it as the device's may be, as its bits say:
 * that no tolerance is met by glibc's precision alone. Of zero it is exact. */
static inline float
rough (float x, float y, int ulps)
{
  uint32_t u;
  memcpy (&u, &y, sizeof u);
  const uint32_t magnitude = u & 0x7fffffffu;

  if (x == 0 || magnitude < 0x00800000u + 8 || magnitude > 0x7f7ffff0u)
    return y;
  u += (u * 2654435761u >> 16) % (2 * (uint32_t) ulps + 1) - (uint32_t) ulps;
  memcpy (&y, &u, sizeof y);
  return y;
}
} // namespace neva_emu

/* Ulps from CUDA's programming guide. A root and a division are exact there,
 * too. */
#define expf(x) ::neva_emu::rough (x, ::expf (x), 1)
#define exp2f(x) ::neva_emu::rough (x, ::exp2f (x), 2)
#define erfcf(x) ::neva_emu::rough (x, ::erfcf (x), 4)
#define __expf expf /* a name that glibc's headers know, too */
static inline float
rsqrtf (float x)
{
  return 1 / sqrtf (x);
}
static inline float
__fdividef (float x, float y)
{
  return x / y;
}
static inline float
__fmaf_rn (float x, float y, float z)
{
  return fmaf (x, y, z);
}
static inline float
__fmul_rn (float x, float y)
{
  return x * y;
}
static inline float
__fadd_rn (float x, float y)
{
  return x + y;
}
static inline float
__fdiv_rn (float x, float y)
{
  return x / y;
}
static inline int
__float2int_rn (float x)
{
  return (int) nearbyintf (x);
}
static inline unsigned
__float_as_uint (float x)
{
  unsigned u;
  memcpy (&u, &x, sizeof u);
  return u;
}
static inline float
__uint_as_float (unsigned u)
{
  float x;
  memcpy (&x, &u, sizeof x);
  return x;
}
static inline int
__popc (unsigned x)
{
  return __builtin_popcount (x);
}
static inline int
__clz (int x)
{
  return x ? __builtin_clz ((unsigned) x) : 32;
}
static inline int
__ffs (int x)
{
  return __builtin_ffs (x);
}
/* Four signed bytes each: c + a . b */
static inline int
__dp4a (int a, int b, int c)
{
  for (int i = 0; i < 4; i++)
    c += (int8_t) (a >> 8 * i) * (int8_t) (b >> 8 * i);
  return c;
}
static inline unsigned
__byte_perm (unsigned a, unsigned b, unsigned selector)
{
  const uint64_t all = (uint64_t) b << 32 | a;
  unsigned r = 0;
  for (int i = 0; i < 4; i++)
    r |= (unsigned) (all >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
  return r;
}
using std::max;
using std::min;

/* ---- Launches ----------------------------------------------------------- */

namespace neva_emu
{
cudaError_t launch (const char *name, const void *kernel, dim3 grid, dim3 block,
    size_t shared_bytes, cudaStream_t stream, std::function<void ()> body);

template <typename... P, typename... A>
cudaError_t
launch_kernel (const char *name, dim3 grid, dim3 block, size_t shared_bytes,
    cudaStream_t stream, void (*kernel) (P...), A... args)
{
  std::tuple<P...> values (static_cast<P> (args)...);

  return launch (name, (const void *) kernel, grid, block, shared_bytes, stream,
      [kernel, values] { std::apply (kernel, values); });
}
} // namespace neva_emu

/* ---- Runtime ------------------------------------------------------------ */

/* Those of driver.cc. */
cudaError_t cudaGetDriverEntryPointByVersion (const char *symbol,
    void **function, unsigned version, unsigned long long flags,
    cudaDriverEntryPointQueryResult *result);
const char *cudaGetErrorName (cudaError_t error);
const char *cudaGetErrorString (cudaError_t error);
cudaError_t cudaGetLastError ();
cudaError_t cudaDriverGetVersion (int *version);
cudaError_t cudaGetDeviceCount (int *count);
cudaError_t cudaSetDevice (int device);
cudaError_t cudaGetDevice (int *device);
cudaError_t cudaDeviceGetAttribute (
    int *value, cudaDeviceAttr attr, int device);
cudaError_t cudaMemGetInfo (size_t *free_bytes, size_t *total);
cudaError_t cudaMalloc (void **memory, size_t bytes);
cudaError_t cudaFree (void *memory);
cudaError_t cudaMallocAsync (void **memory, size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync (void *memory, cudaStream_t stream);
cudaError_t cudaHostAlloc (void **memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost (void *memory);
cudaError_t cudaMemsetAsync (
    void *dst, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaMemcpyAsync (void *dst, const void *src, size_t bytes,
    cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync (void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, cudaMemcpyKind kind,
    cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy (cudaStream_t stream);
cudaError_t cudaStreamSynchronize (cudaStream_t stream);
cudaError_t cudaStreamQuery (cudaStream_t stream);
cudaError_t cudaStreamWaitEvent (
    cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaDeviceSynchronize ();
cudaError_t cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy (cudaEvent_t event);
cudaError_t cudaEventRecord (cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize (cudaEvent_t event);
cudaError_t cudaEventElapsedTime (
    float *ms, cudaEvent_t start, cudaEvent_t end);
cudaError_t cudaStreamBeginCapture (
    cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate (
    cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy (cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy (cudaGraphExec_t exec);

namespace neva_emu
{
cudaError_t set_dynamic_shared (const void *kernel, int bytes);
}
template <typename F>
cudaError_t
cudaFuncSetAttribute (F *kernel, cudaFuncAttribute attr, int value)
{
  (void) attr;
  return neva_emu::set_dynamic_shared ((const void *) kernel, value);
}

#endif /* NEVA_EMU_CUDA_RUNTIME_H */
