/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device memory and pinned memory: the host's, between canaries, filled with
 * what no arithmetic gives. NEVA_CUDAEMU_MEMORY=BYTES bounds a device. */
#include "emu.h"
#include "runtime.h"

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

namespace neva_emu
{
enum { FENCE = 256 };

struct Block {
  size_t bytes;
  int device;   /* -1: pinned host memory */
  bool ordered; /* by a stream */
  CUctx_st *context;
};

/* Blocks of contexts that are not primary: then every load is looked at. */
std::atomic<int> n_foreign;

/* Never destroyed: at exit other threads may still free theirs. */
static std::mutex &lock = *new std::mutex;
static auto &blocks = *new std::map<char *, Block>;
static auto &used = *new std::map<int, size_t>;

static size_t
limit ()
{
  const char *text = getenv ("NEVA_CUDAEMU_MEMORY");

  return text ? (size_t) strtoull (text, nullptr, 10) : (size_t) 8 << 30;
}

static size_t
whole (size_t bytes)
{
  return (bytes + FENCE - 1) / FENCE * FENCE + FENCE;
}

static bool
is_foreign (const Block &b)
{
  return b.device >= 0 && b.context != primary_context (b.device);
}

cudaError_t
take (void **memory, size_t bytes, CUctx_st *context, bool ordered)
{
  const std::lock_guard<std::mutex> guard (lock);
  const int device = context ? device_of (context) : -1;
  const uint32_t poison = NEVA_EMU_POISON;
  char *raw;

  *memory = nullptr;
  if (unsafe_in_capture ())
    return give_error (cudaErrorStreamCaptureUnsupported);
  if (!bytes)
    return cudaSuccess;
  if (bytes > limit () || (device >= 0 && used[device] + bytes > limit ()))
    return give_error (cudaErrorMemoryAllocation);
  raw = (char *) aligned_alloc (FENCE, FENCE + whole (bytes));
  if (!raw)
    return cudaErrorMemoryAllocation;
#if NEVA_EMU_ASAN
  ASAN_POISON_MEMORY_REGION (raw, FENCE + whole (bytes));
  ASAN_UNPOISON_MEMORY_REGION (raw + FENCE, bytes);
#else
  memset (raw, 0xee, FENCE + whole (bytes));
#endif
  for (size_t i = 0; i < bytes; i += 4)
    memcpy (raw + FENCE + i, &poison, bytes - i < 4 ? bytes - i : 4);
  used[device] += bytes;
  blocks[raw + FENCE] = {bytes, device, ordered, context};
  n_foreign += is_foreign (blocks[raw + FENCE]);
  *memory = raw + FENCE;
  return cudaSuccess;
}

static bool
whole_canaries (const char *data, size_t bytes)
{
#if !NEVA_EMU_ASAN
  for (const char *p = data - FENCE; p < data; p++)
    if (*p != (char) 0xee)
      return false;
  for (const char *p = data + bytes; p < data + whole (bytes); p++)
    if (*p != (char) 0xee)
      return false;
#else
  (void) data, (void) bytes;
#endif
  return true;
}

std::string
broken_canary ()
{
  const std::lock_guard<std::mutex> guard (lock);

  for (const auto &b : blocks)
    if (!whole_canaries (b.first, b.second.bytes))
      return "a write beside memory of " + std::to_string (b.second.bytes) +
             " bytes";
  return std::string ();
}

bool
give (void *memory, bool device, bool ordered)
{
  const std::lock_guard<std::mutex> guard (lock);
  const auto b = blocks.find ((char *) memory);

  if (unsafe_in_capture ())
    return give_error (cudaErrorStreamCaptureUnsupported);
  if (!memory)
    return true;
  if (b == blocks.end () || (b->second.device >= 0) != device ||
      b->second.ordered != ordered)
    return false;
  n_foreign -= is_foreign (b->second);
  used[b->second.device] -= b->second.bytes;
  ASAN_UNPOISON_MEMORY_REGION (
      b->first - FENCE, FENCE + whole (b->second.bytes));
  free (b->first - FENCE);
  blocks.erase (b);
  return true;
}

/* The block that holds all of [p, p + bytes). */
static const Block *
find (const void *p, size_t bytes)
{
  auto b = blocks.upper_bound ((char *) p);

  if (b == blocks.begin ())
    return nullptr;
  --b;
  if ((const char *) p + bytes > b->first + b->second.bytes)
    return nullptr;
  return &b->second;
}

bool
is_device (const void *p, size_t bytes)
{
  const std::lock_guard<std::mutex> guard (lock);
  const Block *b = find (p, bytes);

  return b && b->device >= 0 && !is_foreign (*b);
}

bool
belongs_to (const void *p, size_t bytes, const CUctx_st *context)
{
  const std::lock_guard<std::mutex> guard (lock);
  const Block *b = find (p, bytes);

  return b && b->device >= 0 && b->context == context;
}

bool
is_of_other_context (const void *p)
{
  const std::lock_guard<std::mutex> guard (lock);
  const Block *b = find (p, 1);

  return b && is_foreign (*b);
}

bool
is_reachable (const void *p, size_t bytes)
{
  const std::lock_guard<std::mutex> guard (lock);
  const Block *b = find (p, bytes);

  return b && b->device >= 0 && !b->ordered;
}

bool
is_pinned (const void *p, size_t bytes)
{
  const std::lock_guard<std::mutex> guard (lock);
  const Block *b = find (p, bytes);

  return b && b->device < 0;
}
} // namespace neva_emu

using namespace neva_emu;

/* These may wait for all GPUs of the process. */
static void
judge_wait (const char *call)
{
  const std::string why = nccl_in_flight ();

  if (!why.empty ())
    set_sticky (cudaErrorLaunchFailure, std::string (call) + " while " + why);
}

cudaError_t
cudaMalloc (void **memory, size_t bytes)
{
  judge_wait ("cudaMalloc");
  return sticky () ? sticky () : take (memory, bytes, current_context ());
}

cudaError_t
cudaFree (void *memory)
{
  judge_wait ("cudaFree");
  flush_device ();
  return give (memory, true) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t
cudaMallocAsync (void **memory, size_t bytes, cudaStream_t)
{
  return sticky () ? sticky () : take (memory, bytes, current_context (), true);
}

cudaError_t
cudaFreeAsync (void *memory, cudaStream_t stream)
{
  return enqueue (stream, [=] {
    if (!give (memory, true, true))
      set_sticky (cudaErrorInvalidValue, "cudaFreeAsync of other memory");
  });
}

cudaError_t
cudaHostAlloc (void **memory, size_t bytes, unsigned)
{
  judge_wait ("cudaHostAlloc");
  return sticky () ? sticky () : take (memory, bytes, nullptr);
}

cudaError_t
cudaFreeHost (void *memory)
{
  judge_wait ("cudaFreeHost");
  flush_device ();
  return give (memory, false) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t
cudaMemGetInfo (size_t *free_bytes, size_t *total)
{
  const std::lock_guard<std::mutex> guard (lock);

  *total = limit ();
  *free_bytes = limit () - used[current_device ()];
  return cudaSuccess;
}
