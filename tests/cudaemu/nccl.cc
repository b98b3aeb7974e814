/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NCCL in host memory, for ranks that are threads of one process, processes of
 * one machine or of several. Calls are queued on their streams; when a stream
 * comes to one, it tells the judge of its communicator (nccl_judge.cc) and
 * waits there for the answer. What is judged:
 *
 *   the n-th collective of all ranks is the same operation, with the same
 *   count, type and root; a send meets a receive of the same size; buffers are
 *   device memory (not of a stream's pool); no GPU has two ranks; groups are
 * closed; ranks that wait for each other for ever are a fault that names the
 * call (stream.cc's deadline); nothing that may wait for all GPUs of the
 * process is called between calls of several of them (memory.cc).
 *
 * A lost rank is an asynchronous error of the others, and their kernels stay in
 * the stream until ncclCommAbort (); NEVA_CUDAEMU_NCCL_SILENT=1: they do not
 * hear of it at all, as with a cut cable or a peer behind NVLink. */
#include "include/nccl.h"
#include "nccl_wire.h"
#include "runtime.h"

#include <arpa/inet.h>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace neva_emu;

namespace
{
/* Where an answer goes. */
struct Pending {
  char *to;
  size_t bytes;
  bool done;
};

/* One rank's end; what is queued knows it as long as it is queued. */
struct Rank {
  explicit Rank (int fd) : wire (fd)
  {
  }
  std::mutex lock;
  Wire wire;
  int rank, size, device;
  uint64_t calls = 0, collectives = 0;
  std::map<uint64_t, Pending> pending; /* by serial */
  bool welcome = false, gone = false, lost = false, aborted = false;
  bool refused = false;
  std::string why;
  std::atomic<int> queued{0}; /* in a stream and not over */
};
typedef std::shared_ptr<Rank> RankP;

/* Of this process's ranks, to see what would wait for all their GPUs. */
std::mutex ranks_lock;
std::set<Rank *> ranks;

/* Calls between ncclGroupStart and ncclGroupEnd of this thread. */
struct Queued {
  cudaStream_t stream;
  std::function<bool ()> poll;
};
thread_local int group_depth;
thread_local std::vector<Queued> group_calls;
} // namespace

struct ncclComm {
  RankP rank;
};

namespace
{
bool
silent ()
{
  const char *text = getenv ("NEVA_CUDAEMU_NCCL_SILENT");

  return text && *text == '1';
}

size_t
bytes_of (ncclDataType_t type)
{
  return type == ncclFloat32 ? 4 : 1;
}

void
answer (Rank *r, const WireHead &head, const std::string &data)
{
  const auto found = r->pending.find (head.serial);

  if (found == r->pending.end ())
    return;
  if (found->second.to && data.size () == found->second.bytes)
    memcpy (found->second.to, data.data (), data.size ());
  found->second.done = true;
}

/* Holds the lock. Takes what the judge says. */
void
listen_to_judge (Rank *r)
{
  const bool there = r->wire.move ();
  WireHead head;
  std::string data;

  while (r->wire.take (&head, &data)) {
    if (head.type == WIRE_WELCOME)
      r->welcome = true;
    else if (head.type == WIRE_RESULT)
      answer (r, head, data);
    else if (head.type == WIRE_GONE)
      r->gone = true;
    else if (head.type == WIRE_FAULT)
      set_sticky (cudaErrorLaunchFailure, "NCCL, " + data);
    else if (head.type == WIRE_LOST || head.type == WIRE_REFUSED) {
      (head.type == WIRE_LOST ? r->lost : r->refused) = true;
      r->why = data;
    }
  }
  if (!there && !r->gone && !r->lost && !r->refused) {
    r->lost = true;
    r->why = "the process that made the id is gone";
  }
}

/* A call in its stream: told once, then asked for until it is over. */
struct Call {
  RankP rank;
  WireHead head;
  const void *give;
  size_t give_bytes;
  char *take;
  size_t take_bytes;
  bool told;
  std::string text;
};

bool
poll_call (Call *c)
{
  Rank *r = c->rank.get ();
  const std::lock_guard<std::mutex> guard (r->lock);
  bool over;

  if (!c->told && !r->aborted) {
    c->told = true;
    r->pending[c->head.serial] = {c->take, c->take_bytes, false};
    r->wire.put (c->head, std::string ((const char *) c->give, c->give_bytes));
  }
  if (!r->aborted)
    listen_to_judge (r);
  over = r->aborted || r->pending[c->head.serial].done;
  if (!over) {
    waits_for (c->text);
    return false;
  }
  r->pending.erase (c->head.serial);
  r->queued--;
  return true;
}

ncclResult_t
queue_call (const RankP &r, const Call &call, cudaStream_t stream)
{
  const auto c = std::make_shared<Call> (call);
  const auto poll = [c] { return poll_call (c.get ()); };

  r->queued++;
  if (group_depth) {
    group_calls.push_back ({stream, poll});
    return ncclSuccess;
  }
  return enqueue_poll (stream, poll) ? ncclUnhandledCudaError : ncclSuccess;
}

Call
new_call (const RankP &r, WireType type, const std::string &text)
{
  Call c = {};

  c.rank = r;
  c.head.type = type;
  c.head.serial = ++r->calls;
  c.text = text + " (call " + std::to_string (r->calls) + " of rank " +
           std::to_string (r->rank) + " of " + std::to_string (r->size) + ")";
  return c;
}

ncclResult_t
collective (ncclComm *comm, WireKind kind, const void *send, size_t send_count,
    void *recv, size_t recv_count, size_t count, ncclDataType_t type, int root,
    cudaStream_t stream)
{
  static const char *const names[] = {"all-reduce", "all-gather", "broadcast"};
  const RankP &r = comm->rank;
  const size_t width = bytes_of (type);
  Call c = new_call (r, WIRE_COLLECTIVE, names[kind]);

  if (type != ncclFloat32 && (type != ncclUint8 || kind == ALL_REDUCE))
    return ncclInvalidArgument;
  if (root < 0 || root >= r->size ||
      (send_count && !is_reachable (send, send_count * width)) ||
      (recv_count && !is_reachable (recv, recv_count * width)) ||
      r->device != current_device ())
    return ncclInvalidArgument;
  c.head.number = r->collectives++;
  c.head.count = count;
  c.head.kind = kind;
  c.head.dtype = (uint32_t) type;
  c.head.root = root;
  c.give = send;
  c.give_bytes = send_count * width;
  c.take = (char *) recv;
  c.take_bytes = recv_count * width;
  return queue_call (r, c, stream);
}

ncclResult_t
message (ncclComm *comm, bool sends, const void *src, void *dst, size_t bytes,
    int peer, cudaStream_t stream)
{
  const RankP &r = comm->rank;
  Call c = new_call (r, sends ? WIRE_SEND : WIRE_RECV,
      (sends ? "send to rank " : "receive from rank ") + std::to_string (peer));

  if (peer < 0 || peer >= r->size || peer == r->rank ||
      !is_reachable (sends ? src : dst, bytes) ||
      r->device != current_device ())
    return ncclInvalidArgument;
  c.head.root = peer;
  c.head.count = bytes;
  c.give = src;
  c.give_bytes = sends ? bytes : 0;
  c.take = (char *) dst;
  c.take_bytes = sends ? 0 : bytes;
  return queue_call (r, c, stream);
}

/* ---- A rank's life ------------------------------------------------------ */

int
connect_to (const WireId &id)
{
  const int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in in = {};

  in.sin_family = AF_INET;
  in.sin_port = htons ((uint16_t) id.port);
  in.sin_addr.s_addr = id.address;
  if (fd >= 0 && !connect (fd, (sockaddr *) &in, sizeof in))
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

void
say_hello (Rank *r, const WireId &id)
{
  char host[256] = "";
  WireHead head = {};

  gethostname (host, sizeof host - 1);
  head.type = WIRE_HELLO;
  head.count = (uint64_t) r->size;
  head.root = r->rank;
  r->wire.put (head, std::string (id.nonce, sizeof id.nonce) + "GPU " +
                         std::to_string (r->device) + " of " + host);
}

/* Asks until `over ()`, or for as long as a deadlock takes to be called one. */
template <typename Over>
bool
ask (Rank *r, Over over)
{
  const auto until = std::chrono::steady_clock::now () + deadline ();

  for (;;) {
    {
      const std::lock_guard<std::mutex> guard (r->lock);

      listen_to_judge (r);
      if (over ())
        return true;
    }
    if (std::chrono::steady_clock::now () > until)
      return false;
    std::this_thread::sleep_for (std::chrono::microseconds (100));
  }
}

void
forget (Rank *r)
{
  const std::lock_guard<std::mutex> guard (ranks_lock);

  ranks.erase (r);
}

void
tell_judge (Rank *r, WireType type)
{
  const std::lock_guard<std::mutex> guard (r->lock);
  WireHead head = {};

  head.type = type;
  r->wire.put (head);
  r->wire.move ();
}

/* What is queued on the rank's device comes to its end. */
void
flush_of (const Rank *r)
{
  const int own = current_device ();

  cudaSetDevice (r->device);
  flush_device ();
  cudaSetDevice (own);
}
} // namespace

namespace neva_emu
{
std::string
nccl_in_flight ()
{
  const std::lock_guard<std::mutex> guard (ranks_lock);
  std::set<int> devices;
  bool queued = false;

  for (const Rank *r : ranks) {
    devices.insert (r->device);
    queued = queued || r->queued > 0;
  }
  return queued && devices.size () > 1
             ? "kernels of NCCL wait for other GPUs of this process"
             : "";
}
} // namespace neva_emu

#define EXPORT __attribute__ ((visibility ("default")))

EXPORT const char *
ncclGetErrorString (ncclResult_t result)
{
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "a remote process failed";
    case ncclUnhandledCudaError:
    case ncclSystemError:
    case ncclInternalError:
      break;
  }
  return "internal error";
}

EXPORT ncclResult_t
ncclGetUniqueId (ncclUniqueId *id)
{
  WireId wire = {};

  static_assert (sizeof wire <= sizeof *id, "an id is too long");
  memset (id, 0, sizeof *id);
  if (!judge_start (&wire))
    return ncclSystemError;
  memcpy (id->internal, &wire, sizeof wire);
  return ncclSuccess;
}

/* Waits for all ranks, as the real one does. */
EXPORT ncclResult_t
ncclCommInitRank (ncclComm_t *comm, int nranks, ncclUniqueId id, int rank)
{
  WireId wire;
  RankP r;
  int fd;

  memcpy (&wire, id.internal, sizeof wire);
  if (nranks < 1 || rank < 0 || rank >= nranks || wire.magic != WIRE_MAGIC)
    return ncclInvalidArgument;
  if ((fd = connect_to (wire)) < 0)
    return ncclSystemError;
  r = std::make_shared<Rank> (fd);
  r->rank = rank;
  r->size = nranks;
  r->device = current_device ();
  say_hello (r.get (), wire);
  if (!ask (r.get (),
          [&] {
            return r->welcome || r->refused || (r->lost && !silent ());
          }) ||
      r->refused || r->lost)
    return r->refused ? ncclInvalidUsage : ncclRemoteError;
  {
    const std::lock_guard<std::mutex> guard (ranks_lock);

    ranks.insert (r.get ());
  }
  *comm = new ncclComm{r};
  return ncclSuccess;
}

/* All ranks come here: one that does not lets the others hang. */
EXPORT ncclResult_t
ncclCommDestroy (ncclComm_t comm)
{
  Rank *r = comm->rank.get ();

  flush_of (r); /* what is queued still knows it */
  tell_judge (r, WIRE_BYE);
  if (!ask (r, [=] { return r->gone; }))
    set_sticky (cudaErrorLaunchFailure,
        "deadlock: rank " + std::to_string (r->rank) + " of " +
            std::to_string (r->size) +
            " destroys its communicator, and others do not");
  forget (r);
  delete comm;
  return ncclSuccess;
}

EXPORT ncclResult_t
ncclCommAbort (ncclComm_t comm)
{
  Rank *r = comm->rank.get ();

  tell_judge (r, WIRE_ABORT);
  {
    const std::lock_guard<std::mutex> guard (r->lock);

    r->aborted = true;
    r->wire.close ();
  }
  flush_of (r);
  forget (r);
  delete comm;
  return ncclSuccess;
}

EXPORT ncclResult_t
ncclCommGetAsyncError (ncclComm_t comm, ncclResult_t *error)
{
  Rank *r = comm->rank.get ();
  const std::lock_guard<std::mutex> guard (r->lock);

  listen_to_judge (r);
  *error = r->lost && !silent () ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}

EXPORT const char *
ncclGetLastError (ncclComm_t comm)
{
  static thread_local std::string text;

  if (!comm)
    return "";
  const std::lock_guard<std::mutex> guard (comm->rank->lock);

  text = comm->rank->why;
  return text.c_str ();
}

EXPORT ncclResult_t
ncclAllReduce (const void *sendbuff, void *recvbuff, size_t count,
    ncclDataType_t type, ncclRedOp_t, ncclComm_t comm, cudaStream_t stream)
{
  return collective (comm, ALL_REDUCE, sendbuff, count, recvbuff, count, count,
      type, 0, stream);
}

EXPORT ncclResult_t
ncclAllGather (const void *sendbuff, void *recvbuff, size_t sendcount,
    ncclDataType_t type, ncclComm_t comm, cudaStream_t stream)
{
  return collective (comm, ALL_GATHER, sendbuff, sendcount, recvbuff,
      sendcount * (size_t) comm->rank->size, sendcount, type, 0, stream);
}

EXPORT ncclResult_t
ncclBroadcast (const void *sendbuff, void *recvbuff, size_t count,
    ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream)
{
  return collective (comm, BROADCAST, sendbuff,
      comm->rank->rank == root ? count : 0, recvbuff, count, count, type, root,
      stream);
}

EXPORT ncclResult_t
ncclSend (const void *sendbuff, size_t count, ncclDataType_t type, int peer,
    ncclComm_t comm, cudaStream_t stream)
{
  return message (
      comm, true, sendbuff, nullptr, count * bytes_of (type), peer, stream);
}

EXPORT ncclResult_t
ncclRecv (void *recvbuff, size_t count, ncclDataType_t type, int peer,
    ncclComm_t comm, cudaStream_t stream)
{
  return message (
      comm, false, nullptr, recvbuff, count * bytes_of (type), peer, stream);
}

EXPORT ncclResult_t
ncclGroupStart ()
{
  group_depth++;
  return ncclSuccess;
}

/* The calls of a group go on together: each stream has them as one. */
EXPORT ncclResult_t
ncclGroupEnd ()
{
  std::map<cudaStream_t, std::vector<std::function<bool ()>>> of_stream;

  if (!group_depth)
    return ncclInvalidUsage;
  if (--group_depth)
    return ncclSuccess;
  for (Queued &q : group_calls)
    of_stream[q.stream].push_back (std::move (q.poll));
  group_calls.clear ();
  for (auto &s : of_stream) {
    const auto calls = s.second;
    const auto over = std::make_shared<std::vector<bool>> (calls.size ());

    if (enqueue_poll (s.first, [=] {
          bool all = true;

          for (size_t i = 0; i < calls.size (); i++)
            if (!(*over)[i])
              all = ((*over)[i] = calls[i]()) && all;
          return all;
        }))
      return ncclUnhandledCudaError;
  }
  return ncclSuccess;
}
