/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams, events, graphs and copies. Work is queued as closures and runs when
 * somebody waits for it, so a missing wait shows. */
#include "runtime.h"

#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace neva_emu;

typedef std::function<bool ()> Work; /* whether it is done */

struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUstream_st {
  int device;
  std::recursive_mutex lock;
  std::deque<Work> queue;
  CUgraph_st *capture;
  bool capture_failed;
};
struct CUevent_st {
  int device;
  cudaStream_t stream;
  std::shared_ptr<bool> done; /* of the last record */
  double ms;
};

/* of this thread: cudaStreamCaptureModeThreadLocal */
static thread_local cudaStream_t captured;

namespace neva_emu
{
/* Never destroyed: at exit other threads may still run. */
static std::mutex &state_lock = *new std::mutex; /* both below */
static auto &streams = *new std::set<cudaStream_t>;
static auto &dynamic_shared = *new std::map<std::pair<const void *, int>, int>;

/* ---- Streams ------------------------------------------------------------ */

std::chrono::milliseconds
deadline ()
{
  const char *text = getenv ("NEVA_CUDAEMU_DEADLOCK_MS");

  return std::chrono::milliseconds (text ? atoi (text) : 60000);
}

/* Runs what can run; FALSE when something waits for another device. */
static bool
advance (cudaStream_t stream)
{
  const std::lock_guard<std::recursive_mutex> guard (stream->lock);

  while (!stream->queue.empty ()) {
    if (!sticky () && !stream->queue.front () ())
      return false;
    stream->queue.pop_front ();
  }
  return true;
}

bool
unsafe_in_capture ()
{
  if (captured)
    captured->capture_failed = true;
  return captured != nullptr;
}

static thread_local std::string waited_for;

void
waits_for (const std::string &what)
{
  waited_for = what;
}

static void
flush (cudaStream_t stream)
{
  const auto until = std::chrono::steady_clock::now () + deadline ();

  while (!advance (stream)) {
    if (std::chrono::steady_clock::now () > until)
      set_sticky (cudaErrorLaunchFailure,
          "deadlock: GPU " + std::to_string (stream->device) +
              " waits for other GPUs for ever: " + waited_for);
    std::this_thread::yield ();
  }
}

void
flush_device ()
{
  std::vector<cudaStream_t> mine;

  {
    const std::lock_guard<std::mutex> guard (state_lock);

    for (cudaStream_t s : streams)
      if (s->device == current_device ())
        mine.push_back (s);
  }
  for (cudaStream_t s : mine)
    flush (s);
}

cudaError_t
enqueue (cudaStream_t stream, std::function<void ()> work)
{
  return enqueue_poll (stream, [=] {
    work ();
    return true;
  });
}

/* A NULL stream waits for all others and runs at once. */
cudaError_t
enqueue_poll (cudaStream_t stream, Work work)
{
  if (sticky ())
    return sticky ();
  if (!stream) {
    flush_device ();
    while (!work () && !sticky ())
      std::this_thread::yield ();
    return give_error (sticky ());
  }
  const std::lock_guard<std::recursive_mutex> guard (stream->lock);

  if (stream->capture)
    stream->capture->work.push_back (std::move (work));
  else
    stream->queue.push_back (std::move (work));
  return cudaSuccess;
}

cudaError_t
set_dynamic_shared (const void *kernel, int bytes)
{
  const std::lock_guard<std::mutex> guard (state_lock);

  if (bytes < 0 || bytes > 227 << 10)
    return cudaErrorInvalidValue;
  dynamic_shared[{kernel, current_device ()}] = bytes;
  return cudaSuccess;
}

static size_t
dynamic_limit (const void *kernel)
{
  const std::lock_guard<std::mutex> guard (state_lock);
  const auto found = dynamic_shared.find ({kernel, current_device ()});

  return found == dynamic_shared.end () ? 48 << 10 : (size_t) found->second;
}

cudaError_t
launch (const char *name, const void *kernel, dim3 grid, dim3 block,
    size_t shared_bytes, cudaStream_t stream, std::function<void ()> body)
{
  const uint64_t threads = (uint64_t) block.x * block.y * block.z;

  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 ||
      grid.z > 65535 || !threads || threads > 1024 || block.z > 64)
    return give_error (cudaErrorInvalidConfiguration);
  if (shared_bytes > dynamic_limit (kernel))
    return give_error (cudaErrorInvalidValue);
  if (stream && stream->device != current_device ())
    return give_error (cudaErrorInvalidResourceHandle);
  return give_error (enqueue (
      stream, [=] { run_launch (name, grid, block, shared_bytes, body); }));
}
} // namespace neva_emu

/* ---- Calls -------------------------------------------------------------- */

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned)
{
  const std::lock_guard<std::mutex> guard (state_lock);

  *stream = new CUstream_st ();
  (*stream)->device = current_device ();
  streams.insert (*stream);
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  flush (stream);
  {
    const std::lock_guard<std::mutex> guard (state_lock);

    streams.erase (stream);
  }
  delete stream;
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  if (!stream)
    return cudaDeviceSynchronize ();
  if (stream->capture) {
    stream->capture_failed = true;
    return give_error (cudaErrorStreamCaptureUnsupported);
  }
  flush (stream);
  return give_error (sticky ());
}

cudaError_t
cudaStreamQuery (cudaStream_t stream)
{
  if (stream->capture) {
    stream->capture_failed = true;
    return give_error (cudaErrorStreamCaptureUnsupported);
  }
  if (!advance (stream))
    return cudaErrorNotReady; /* not an error of the device's */
  return give_error (sticky ());
}

cudaError_t
cudaDeviceSynchronize ()
{
  flush_device ();
  return give_error (sticky ());
}

cudaError_t
cudaMemsetAsync (void *dst, int value, size_t bytes, cudaStream_t stream)
{
  if (bytes && !is_device (dst, bytes))
    return give_error (cudaErrorInvalidValue);
  return enqueue (stream, [=] { memset (dst, value, bytes); });
}

static bool
sides_are_right (
    const void *dst, const void *src, size_t bytes, cudaMemcpyKind kind)
{
  const bool to = kind != cudaMemcpyDeviceToHost;
  const bool from = kind != cudaMemcpyHostToDevice;

  return is_device (dst, bytes) == to && is_device (src, bytes) == from;
}

/* Memory that is not pinned is read before the call returns, and written. */
cudaError_t
cudaMemcpyAsync (void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
    cudaStream_t stream)
{
  cudaError_t error;

  if (!bytes)
    return sticky ();
  if (!sides_are_right (dst, src, bytes, kind))
    return give_error (cudaErrorInvalidValue);
  if (kind == cudaMemcpyDeviceToDevice ||
      is_pinned (kind == cudaMemcpyHostToDevice ? src : dst, bytes))
    return enqueue (stream, [=] { memcpy (dst, src, bytes); });
  if (stream && stream->capture) {
    stream->capture_failed = true;
    return give_error (cudaErrorStreamCaptureUnsupported);
  }
  if (kind == cudaMemcpyHostToDevice) {
    const auto copy = std::make_shared<std::string> ((const char *) src, bytes);

    return enqueue (stream, [=] { memcpy (dst, copy->data (), bytes); });
  }
  error = cudaStreamSynchronize (stream);
  if (!error)
    memcpy (dst, src, bytes);
  return error;
}

cudaError_t
cudaMemcpy2DAsync (void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, cudaMemcpyKind kind,
    cudaStream_t stream)
{
  for (size_t i = 0; i < height; i++) {
    const cudaError_t error = cudaMemcpyAsync ((char *) dst + i * dst_pitch,
        (const char *) src + i * src_pitch, width, kind, stream);

    if (error)
      return error;
  }
  return sticky ();
}

/* ---- Events and graphs -------------------------------------------------- */

static double
now_ms ()
{
  return std::chrono::duration<double, std::milli> (
      std::chrono::steady_clock::now ().time_since_epoch ())
      .count ();
}

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *event, unsigned)
{
  *event = new CUevent_st ();
  (*event)->device = current_device ();
  return cudaSuccess;
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  if (event->stream)
    flush (event->stream);
  delete event;
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  const auto done = std::make_shared<bool> (false);

  if (stream && stream->device != event->device)
    return give_error (cudaErrorInvalidResourceHandle);
  event->stream = stream;
  event->done = done;
  return enqueue (stream, [=] {
    *done = true;
    event->ms = now_ms ();
  });
}

cudaError_t
cudaEventSynchronize (cudaEvent_t event)
{
  if (unsafe_in_capture ())
    return give_error (cudaErrorStreamCaptureUnsupported);
  if (event->done && !*event->done && event->stream)
    flush (event->stream);
  return give_error (sticky ());
}

cudaError_t
cudaEventElapsedTime (float *ms, cudaEvent_t start, cudaEvent_t end)
{
  if (!start->done || !end->done)
    return cudaErrorInvalidResourceHandle;
  if (!*start->done || !*end->done)
    return cudaErrorNotReady;
  *ms = (float) (end->ms - start->ms);
  return cudaSuccess;
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned)
{
  const auto done = event->done;
  const cudaStream_t other = event->stream;

  if (!done)
    return cudaSuccess;
  return enqueue (stream, [=] {
    if (!*done && other)
      flush (other);
  });
}

cudaError_t
cudaStreamBeginCapture (cudaStream_t stream, cudaStreamCaptureMode)
{
  if (!stream || stream->capture)
    return give_error (cudaErrorStreamCaptureUnsupported);
  stream->capture = new CUgraph_st ();
  stream->capture_failed = false;
  captured = stream;
  return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph)
{
  *graph = stream->capture;
  stream->capture = nullptr;
  captured = nullptr;
  if (!*graph || !stream->capture_failed)
    return *graph ? cudaSuccess : cudaErrorInvalidValue;
  delete *graph;
  *graph = nullptr;
  return give_error (cudaErrorStreamCaptureInvalidated);
}

cudaError_t
cudaGraphInstantiate (
    cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
  count_call ("cudaGraphInstantiate", graph->work.size ());
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}

cudaError_t
cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream)
{
  count_call ("cudaGraphLaunch", exec->work.size ());
  for (const Work &work : exec->work) {
    const cudaError_t error = enqueue_poll (stream, work);

    if (error)
      return error;
  }
  return cudaSuccess;
}

cudaError_t
cudaGraphDestroy (cudaGraph_t graph)
{
  delete graph;
  return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy (cudaGraphExec_t exec)
{
  delete exec;
  return cudaSuccess;
}
