/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The emulation finds what it is there to find: one faulty kernel for each
 * class of fault, and its correct twin, which must pass under every seed.
 * usage: selftest [SEED] */
#include "emu.h"
#include "launch.cuh"
#include "ptx.cuh"

#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

enum { N = 64, SEEDS = 20 };

static unsigned failures, judged;
static uint64_t first_seed = 1;

static void
check (bool ok, const char *what)
{
  judged++;
  failures += !ok;
  printf ("%s %s\n", ok ? "ok  " : "FAIL", what);
}

template <typename T> struct Device {
  T *p;
  size_t n;

  explicit Device (size_t count) : p (nullptr), n (count)
  {
    cudaMalloc ((void **) &p, n * sizeof (T));
  }
  ~Device ()
  {
    neva_emu::reset ();
    cudaFree (p);
  }
  Device (const Device &) = delete;
};

/* ---- Races -------------------------------------------------------------- */

/* The array is written twice: a thread that comes too early reads an old
 * number, not poison. */
__global__ static void
mirror (int *out, bool barrier)
{
  NEVA_SHARED (int, x, [N]);
  const unsigned t = threadIdx.x;

  x[t] = -1;
  __syncthreads ();
  x[t] = (int) t;
  if (barrier)
    __syncthreads ();
  store (out + t, (int) x[N - 1 - t]);
}

__global__ static void
mirror_in_warp (int *out, bool barrier)
{
  NEVA_SHARED (int, x, [32]);
  const unsigned t = threadIdx.x;

  x[t] = -1;
  __syncwarp ();
  x[t] = (int) t;
  if (barrier)
    __syncwarp ();
  store (out + t, (int) x[31 - t]);
}

/* A buffer that is filled again while others may still read it. */
__global__ static void
refill (int *out, bool barrier)
{
  NEVA_SHARED (int, x, [N]);
  const unsigned t = threadIdx.x;
  int sum = 0;

  for (int round = 0; round < 3; round++) {
    x[t] = round;
    __syncthreads ();
    sum += x[N - 1 - t];
    if (barrier)
      __syncthreads ();
  }
  store (out + t, sum);
}

/* How many of the seeds gave a wrong result or a fault. */
template <typename Run>
static unsigned
wrong_seeds (Run run)
{
  unsigned wrong = 0;

  for (unsigned i = 0; i < SEEDS; i++) {
    neva_emu::reset ();
    neva_emu::set_seed (first_seed + i);
    wrong += !run ();
  }
  neva_emu::reset ();
  return wrong;
}

static bool
mirror_is_right (bool barrier)
{
  Device<int> out (N);
  bool right =
      !NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 0, nullptr, out.p, barrier);

  for (int i = 0; i < N; i++)
    right = right && out.p[i] == N - 1 - i;
  return right;
}

static bool
warp_is_right (bool barrier)
{
  Device<int> out (32);
  bool right = !NEVA_LAUNCH (
      mirror_in_warp, dim3 (1), dim3 (32), 0, nullptr, out.p, barrier);

  for (int i = 0; i < 32; i++)
    right = right && out.p[i] == 31 - i;
  return right;
}

static bool
refill_is_right (bool barrier)
{
  Device<int> out (N);
  bool right =
      !NEVA_LAUNCH (refill, dim3 (1), dim3 (N), 0, nullptr, out.p, barrier);

  for (int i = 0; i < N; i++)
    right = right && out.p[i] == 3;
  return right;
}

static void
test_races ()
{
  check (wrong_seeds ([] { return mirror_is_right (true); }) == 0,
      "__syncthreads: right under every seed");
  check (wrong_seeds ([] { return mirror_is_right (false); }) > 0,
      "a missing __syncthreads gives a wrong result");
  check (wrong_seeds ([] { return warp_is_right (true); }) == 0,
      "__syncwarp: right under every seed");
  check (wrong_seeds ([] { return warp_is_right (false); }) > 0,
      "a missing __syncwarp gives a wrong result");
  check (wrong_seeds ([] { return refill_is_right (true); }) == 0,
      "a buffer used again: right under every seed");
  check (wrong_seeds ([] { return refill_is_right (false); }) > 0,
      "a missing barrier before a buffer is used again gives a wrong result");
}

/* ---- Faults ------------------------------------------------------------- */

enum Bug {
  NO_BUG,
  UNWRITTEN,
  UNWRITTEN_WORD,
  LEFT_BARRIER,
  FOREIGN_LANE,
  NOT_IN_MASK,
  TWO_COLLECTIVES,
  SHARED_OUT,
  GLOBAL_OUT,
  MISALIGNED,
  NO_WAIT,
  WAIT_TOO_FEW,
  NO_COMMIT
};

__global__ static void
faulty (float *out, const float *in, Bug bug)
{
  NEVA_SHARED (float, x, [N]);
  NEVA_SHARED (float, landing, [2][N]);
  const unsigned t = threadIdx.x;
  float y = 0;

  if (bug != UNWRITTEN && bug != UNWRITTEN_WORD)
    x[t] = (float) t;
  __syncthreads ();
  y = bug == UNWRITTEN_WORD ? shared_load<float2> (x + t / 2 * 2).x
                            : (float) x[t];
  if (bug == LEFT_BARRIER && t == 5)
    return;
  __syncthreads ();
  if (bug == FOREIGN_LANE && t < 16)
    y += __shfl_sync (0xffffu, y, 20);
  if (bug == NOT_IN_MASK)
    __syncwarp (1);
  if (bug == TWO_COLLECTIVES)
    y += t % 2 ? (float) __any_sync (0xffffffffu, 1) : warp_sum (y);
  if (bug == SHARED_OUT)
    x[t + 8] = 0;
  if (bug == GLOBAL_OUT)
    store (out + t + 8, y);
  if (bug == MISALIGNED)
    y += load ((const float2 *) (in + t + 1)).x;
  if (t % 4 == 0) {
    for (unsigned i = 0; i < 2; i++) {
      cp_async16 (&landing[i][t], in + t);
      if (bug != NO_COMMIT)
        cp_async_commit ();
    }
    if (bug == WAIT_TOO_FEW)
      cp_async_wait<1> ();
    else if (bug != NO_WAIT)
      cp_async_wait<0> ();
  }
  __syncthreads ();
  y += landing[1][t];
  store (out + t, y);
}

static std::string
fault_of (Bug bug)
{
  Device<float> out (N), in (N + 2);
  std::string text;

  neva_emu::reset ();
  for (int i = 0; i < N + 2; i++)
    in.p[i] = (float) i;
  NEVA_LAUNCH (faulty, dim3 (1), dim3 (N), 0, nullptr, out.p, in.p, bug);
  text = neva_emu::sticky_text ();
  if (text.empty ())
    for (int i = 0; i < N; i++)
      if (out.p[i] != (float) (2 * i))
        text = "wrong result";
  return text;
}

/* The address sanitizer ends the process: look from outside. */
static bool
dies (Bug bug)
{
  const pid_t child = fork ();
  int status = 0;

  if (child == 0) {
    if (!freopen ("/dev/null", "w", stderr))
      _exit (2);
    fault_of (bug);
    _exit (0);
  }
  return child > 0 && waitpid (child, &status, 0) == child && status != 0;
}

static void
expect_fault (Bug bug, const char *part, const char *what)
{
  const std::string text = fault_of (bug);

  if (text.find (part) == std::string::npos)
    printf ("     found: '%s'\n", text.c_str ());
  check (text.find (part) != std::string::npos, what);
}

static void
test_faults ()
{
  check (fault_of (NO_BUG).empty (), "the correct kernel has no fault");
  expect_fault (UNWRITTEN, "not written", "an unwritten shared number read");
  expect_fault (UNWRITTEN_WORD, "not written", "an unwritten shared word read");
  expect_fault (LEFT_BARRIER, "threads wait", "a thread that left a barrier");
  expect_fault (FOREIGN_LANE, "takes no part", "a shuffle from a lane outside");
  expect_fault (NOT_IN_MASK, "not in its own mask", "a lane outside its mask");
  expect_fault (TWO_COLLECTIVES, "meet in", "lanes at different collectives");
  expect_fault (MISALIGNED, "not aligned", "a load that is not aligned");
  expect_fault (NO_WAIT, "not written", "cp.async without a wait");
  expect_fault (WAIT_TOO_FEW, "not written", "a wait for too few groups");
  expect_fault (NO_COMMIT, "not written", "cp.async without a commit");
#if NEVA_EMU_ASAN
  check (dies (SHARED_OUT), "a write beside a shared array");
  check (dies (GLOBAL_OUT), "a write beside device memory");
#else
  expect_fault (SHARED_OUT, "beside a shared", "a write beside a shared array");
  expect_fault (GLOBAL_OUT, "beside memory", "a write beside device memory");
  check (!dies (NO_BUG), "the correct kernel ends well");
#endif
}

/* ---- Instructions ------------------------------------------------------- */

static uint16_t
bf16_of (int x)
{
  return (uint16_t) (__float_as_uint ((float) x) >> 16);
}

/* out = a b for a [16][16] and b [16][8] of small integers: exact. */
__global__ static void
product_bf16 (float *out, const uint16_t *a, const uint16_t *b)
{
  NEVA_SHARED (uint16_t, sa, [16][24]);
  NEVA_SHARED (uint16_t, sb, [16][8]);
  const unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
  uint32_t fa[4], fb[2];
  float d[4] = {0};

  for (unsigned i = lane; i < 256; i += 32)
    sa[i / 16][i % 16] = load (a + i);
  for (unsigned i = lane; i < 128; i += 32)
    sb[i / 8][i % 8] = load (b + i);
  __syncwarp ();
  ldmatrix4 (fa, &sa[lane % 16][lane / 16 * 8]);
  ldmatrix2_trans (fb, &sb[lane % 16][0]);
  mma_bf16 (d, fa, fb);
  for (unsigned i = 0; i < 4; i++)
    store (out + (g + i / 2 * 8) * 8 + 2 * t + i % 2, d[i]);
}

/* a [16][32], b [8][32]: rows of b are columns of the product. */
__global__ static void
product_s8 (int *out, const int8_t *a, const int8_t *b)
{
  const unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
  uint32_t fa[4], fb[2];
  int d[4] = {0};

  for (unsigned i = 0; i < 4; i++)
    fa[i] =
        load ((const uint32_t *) (a + (g + i % 2 * 8) * 32 + i / 2 * 16) + t);
  for (unsigned i = 0; i < 2; i++)
    fb[i] = load ((const uint32_t *) (b + g * 32 + i * 16) + t);
  mma_s8 (d, fa, fb);
  for (unsigned i = 0; i < 4; i++)
    store (out + (g + i / 2 * 8) * 8 + 2 * t + i % 2, d[i]);
}

static void
test_mma ()
{
  Device<uint16_t> a (256), b (128);
  Device<int8_t> a8 (512), b8 (256);
  Device<float> out (128);
  Device<int> out8 (128);
  int x[16][32], y[32][8];
  bool right = true, right8 = true;

  for (int i = 0; i < 512; i++)
    x[i / 32][i % 32] = rand () % 15 - 7;
  for (int i = 0; i < 256; i++)
    y[i / 8][i % 8] = rand () % 15 - 7;
  for (int i = 0; i < 256; i++)
    a.p[i] = bf16_of (x[i / 16][i % 16]);
  for (int i = 0; i < 128; i++)
    b.p[i] = bf16_of (y[i / 8][i % 8]);
  for (int i = 0; i < 512; i++)
    a8.p[i] = (int8_t) x[i / 32][i % 32];
  for (int i = 0; i < 256; i++)
    b8.p[i] = (int8_t) y[i % 32][i / 32];
  neva_emu::reset ();
  NEVA_LAUNCH (product_bf16, dim3 (1), dim3 (32), 0, nullptr, out.p, a.p, b.p);
  NEVA_LAUNCH (product_s8, dim3 (1), dim3 (32), 0, nullptr, out8.p, a8.p, b8.p);
  for (int i = 0; i < 128; i++) {
    int want = 0, want8 = 0;

    for (int k = 0; k < 32; k++) {
      want += k < 16 ? x[i / 8][k] * y[k][i % 8] : 0;
      want8 += x[i / 8][k] * y[k][i % 8];
    }
    right = right && out.p[i] == (float) want;
    right8 = right8 && out8.p[i] == want8;
  }
  check (right, "mma.m16n8k16 with ldmatrix and ldmatrix.trans");
  check (right8, "mma.m16n8k32");
  check (neva_emu::counters ("test_mma").operations == 2 * 16 * 8 * (16 + 32),
      "operations are counted");
}

/* ---- Runtime ------------------------------------------------------------ */

static void
test_streams ()
{
  Device<int> out (N);
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  int *pinned = nullptr, plain[N];

  neva_emu::reset ();
  cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking);
  cudaHostAlloc ((void **) &pinned, sizeof plain, cudaHostAllocDefault);
  NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 0, stream, out.p, true);
  cudaMemcpyAsync (pinned, out.p, sizeof plain, cudaMemcpyDeviceToHost, stream);
  check (pinned[0] != N - 1, "work waits until somebody waits for it");
  cudaStreamSynchronize (stream);
  check (pinned[0] == N - 1, "and is done then");
  check (cudaMemcpyAsync (plain, pinned, sizeof plain, cudaMemcpyHostToDevice,
             stream) == cudaErrorInvalidValue,
      "a copy to the device whose target is not there is refused");
  check (NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 49 << 10, stream, out.p,
             true) == cudaErrorInvalidValue,
      "more than 48 KiB of shared memory must be asked for");
  cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal);
  NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 0, stream, out.p, true);
  cudaMemcpyAsync (pinned, out.p, sizeof plain, cudaMemcpyDeviceToHost, stream);
  cudaStreamEndCapture (stream, &graph);
  cudaGraphInstantiate (&exec, graph, 0);
  cudaGraphDestroy (graph);
  pinned[0] = 0;
  cudaStreamSynchronize (stream);
  check (pinned[0] == 0, "what is captured does not run");
  cudaGraphLaunch (exec, stream);
  cudaStreamSynchronize (stream);
  check (pinned[0] == N - 1, "a graph does");
  cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal);
  cudaStreamSynchronize (stream);
  check (cudaStreamEndCapture (stream, &graph) ==
             cudaErrorStreamCaptureInvalidated,
      "waiting ends a capture");
  cudaGraphExecDestroy (exec);
  cudaFreeHost (pinned);
  cudaStreamDestroy (stream);
}

/* A failure that was reported stays the thread's last error. */
static void
test_errors ()
{
  Device<int> out (N);
  void *memory = nullptr;

  neva_emu::reset ();
  check (cudaMalloc (&memory, (size_t) 1 << 60) == cudaErrorMemoryAllocation,
      "memory that is not there");
  check (NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 0, nullptr, out.p, true) ==
             cudaSuccess,
      "is not the next launch's error");
  cudaMalloc (&memory, (size_t) 1 << 60);
  NEVA_LAUNCH_ALONE (mirror, dim3 (1), dim3 (N), 0, nullptr, out.p, true);
  check (cudaGetLastError () == cudaErrorMemoryAllocation,
      "but for a launch that does not ask first");
}

static void
test_devices ()
{
  Device<int> out (N);
  cudaStream_t stream;
  cudaEvent_t event;
  cudaGraph_t graph;
  void *memory = nullptr;

  neva_emu::reset ();
  setenv ("NEVA_CUDAEMU_DEVICES", "2", 1);
  cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking);
  cudaFuncSetAttribute (
      mirror, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 << 10);
  check (NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 60 << 10, stream, out.p,
             true) == cudaSuccess,
      "60 KiB of shared memory, asked for");
  cudaSetDevice (1);
  check (NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 0, stream, out.p, true) ==
             cudaErrorInvalidResourceHandle,
      "a stream of another GPU than the thread's");
  check (NEVA_LAUNCH (mirror, dim3 (1), dim3 (N), 60 << 10, nullptr, out.p,
             true) == cudaErrorInvalidValue,
      "shared memory is asked for on each GPU");
  cudaEventCreateWithFlags (&event, 0);
  check (cudaEventRecord (event, stream) == cudaErrorInvalidResourceHandle,
      "an event of another GPU than the stream's");
  cudaEventDestroy (event);
  cudaSetDevice (0);
  cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal);
  check (cudaMalloc (&memory, 4) == cudaErrorStreamCaptureUnsupported &&
             cudaStreamEndCapture (stream, &graph) ==
                 cudaErrorStreamCaptureInvalidated,
      "memory while a stream is captured ends the capture");
  cudaStreamDestroy (stream);
  unsetenv ("NEVA_CUDAEMU_DEVICES");
}

/* d = 1 + 16 terms below half an ulp of it: cut, not rounded. */
__global__ static void
cut (float *out)
{
  const uint32_t small = bf16_of (1) - (13u << 7); /* 2^-13 */
  const uint32_t a[4] = {small << 16 | small, 0, small << 16 | small, 0};
  const uint32_t b[2] = {a[0], a[0]};
  float d[4] = {1, 1, 1, 1};

  mma_bf16 (d, a, b);
  if (threadIdx.x == 0)
    store (out, d[0]);
}

static void
test_cut ()
{
  Device<float> out (1);

  neva_emu::reset ();
  NEVA_LAUNCH (cut, dim3 (1), dim3 (32), 0, nullptr, out.p);
  check (out.p[0] == 1, "what is far below the largest term is cut");
  check (expf (0) == 1 && exp2f (0) == 1, "functions of zero are exact");
}

__global__ static void
copy_int (int *out, const int *in)
{
  store (out, load (in));
}

/* Memory of a context that is not the GPU's primary one. */
static void
test_contexts ()
{
  CUctx_st *context = neva_emu::new_context (0);
  Device<int> out (1);
  void *other = nullptr;

  neva_emu::reset ();
  neva_emu::take (&other, sizeof (int), context);
  *(int *) other = 7;
  check (cudaMemcpyAsync (out.p, other, sizeof (int), cudaMemcpyDeviceToDevice,
             nullptr) == cudaErrorInvalidValue,
      "cudart does not copy from another context");
  NEVA_LAUNCH (copy_int, dim3 (1), dim3 (1), 0, nullptr, out.p, (int *) other);
  check (neva_emu::sticky () == cudaErrorLaunchFailure &&
             neva_emu::sticky_text ().find ("another context") !=
                 std::string::npos,
      "a kernel does not read memory of another context");
  check (neva_emu::give (other, true), "it can be freed");
  check (neva_emu::forget_context (context), "and its context");
}

int
main (int argc, char **argv)
{
  setenv ("NEVA_CUDAEMU_QUIET", "1", 0);
  if (argc > 1)
    first_seed = strtoull (argv[1], nullptr, 10);
  printf ("seed %llu\n", (unsigned long long) first_seed);
  srand ((unsigned) first_seed);
  test_races ();
  test_faults ();
  test_mma ();
  test_streams ();
  test_errors ();
  test_devices ();
  test_cut ();
  test_contexts ();
  printf ("%u judged, %u failed\n", judged, failures);
  return failures || !judged;
}
