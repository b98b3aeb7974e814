/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NCCL in host memory, for ranks that are threads of one process. Calls are
 * queued on their streams; when a stream comes to one, it waits there for the
 * other ranks. What it judges:
 *
 *   the n-th collective of all ranks is the same operation, with the same
 *   count, type and root; a send meets a receive of the same size; buffers are
 *   device memory; no GPU has two ranks; groups are closed; and ranks that wait
 *   for each other for ever are a fault that names them (stream.cc's deadline).
 */
#include "include/nccl.h"
#include "runtime.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

using namespace neva_emu;

namespace
{
enum Kind { ALL_REDUCE, ALL_GATHER, BROADCAST };
const char *const kind_names[] = {"all-reduce", "all-gather", "broadcast"};

/* One collective, as its first rank has it. */
struct Collective {
  Kind kind;
  size_t count;
  ncclDataType_t type;
  int root;
  std::vector<const void *> send;
  std::vector<void *> recv;
  std::vector<bool> here;
  int arrived, left;
  bool done;
};

struct Message {
  const void *src;
  void *dst;
  size_t bytes;
  bool done;
};
typedef std::shared_ptr<Message> MessageP;

struct Group {
  std::mutex lock;
  std::condition_variable changed;
  int size, joined;
  std::vector<int> devices;
  std::map<uint64_t, Collective> collectives; /* by number */
  std::map<std::pair<int, int>, std::deque<MessageP>> sends, recvs;
  bool aborted;
};

std::mutex groups_lock;
std::map<std::string, std::shared_ptr<Group>> groups;
uint64_t last_id;

/* Calls between ncclGroupStart and ncclGroupEnd of this thread. */
struct Queued {
  cudaStream_t stream;
  std::function<bool ()> poll;
};
thread_local int group_depth;
thread_local std::vector<Queued> group_calls;
} // namespace

struct ncclComm {
  std::shared_ptr<Group> group;
  int rank, device;
  uint64_t calls; /* collectives queued */
};

namespace
{
size_t
bytes_of (ncclDataType_t type)
{
  return type == ncclFloat32 ? 4 : 1;
}

void
complain (const ncclComm *c, const std::string &text)
{
  set_sticky (cudaErrorLaunchFailure,
      "NCCL, rank " + std::to_string (c->rank) + ": " + text);
}

std::string
describe (const Collective &c)
{
  return std::string (kind_names[c.kind]) + " of " + std::to_string (c.count) +
         " (type " + std::to_string (c.type) + ", root " +
         std::to_string (c.root) + ")";
}

void
reduce (Collective *c)
{
  std::vector<float> sum (c->count);

  for (const void *p : c->send)
    for (size_t i = 0; i < c->count; i++)
      sum[i] += ((const float *) p)[i];
  for (void *p : c->recv)
    memcpy (p, sum.data (), c->count * sizeof (float));
}

/* Everybody is here. */
void
carry_out (Collective *c)
{
  const size_t bytes = c->count * bytes_of (c->type);

  switch (c->kind) {
    case ALL_REDUCE:
      reduce (c);
      break;
    case ALL_GATHER:
      for (void *to : c->recv)
        for (size_t r = 0; r < c->send.size (); r++)
          memmove ((char *) to + r * bytes, c->send[r], bytes);
      break;
    case BROADCAST:
      for (void *to : c->recv)
        memmove (to, c->send[(size_t) c->root], bytes);
      break;
  }
  c->done = true;
}

/* TRUE when the call is over (a fault ends it, too). */
bool
poll_collective (const ncclComm *c, uint64_t number, const Collective &mine,
    const void *send, void *recv)
{
  Group *g = c->group.get ();
  const std::lock_guard<std::mutex> guard (g->lock);
  const auto at = g->collectives.emplace (number, mine).first;
  Collective *all = &at->second;
  const size_t rank = (size_t) c->rank;

  if (g->aborted) {
    complain (c, "the communicator was aborted");
    return true;
  }
  if (!all->here[rank]) {
    if (all->kind != mine.kind || all->count != mine.count ||
        all->type != mine.type || all->root != mine.root) {
      complain (
          c, describe (mine) + " where another rank calls " + describe (*all));
      return true;
    }
    all->send[rank] = send;
    all->recv[rank] = recv;
    all->here[rank] = true;
    if (++all->arrived == g->size)
      carry_out (all);
  }
  if (!all->done)
    return false;
  if (++all->left == g->size)
    g->collectives.erase (at);
  return true;
}

ncclResult_t
queue_call (cudaStream_t stream, std::function<bool ()> poll)
{
  if (group_depth) {
    group_calls.push_back ({stream, std::move (poll)});
    return ncclSuccess;
  }
  return enqueue_poll (stream, std::move (poll)) ? ncclUnhandledCudaError
                                                 : ncclSuccess;
}

ncclResult_t
collective (ncclComm *c, Kind kind, const void *send, size_t send_count,
    void *recv, size_t recv_count, size_t count, ncclDataType_t type, int root,
    cudaStream_t stream)
{
  const size_t size = (size_t) c->group->size, width = bytes_of (type);
  const Collective mine = {kind, count, type, root,
      std::vector<const void *> (size), std::vector<void *> (size),
      std::vector<bool> (size), 0, 0, false};
  const uint64_t number = c->calls++;

  if (type != ncclFloat32 && (type != ncclUint8 || kind == ALL_REDUCE))
    return ncclInvalidArgument;
  if (root < 0 || root >= c->group->size ||
      (send_count && !is_device (send, send_count * width)) ||
      (recv_count && !is_device (recv, recv_count * width)) ||
      c->device != current_device ())
    return ncclInvalidArgument;
  return queue_call (
      stream, [=] { return poll_collective (c, number, mine, send, recv); });
}

/* Either side of a message; `mine` is put into its queue once. */
bool
poll_message (
    const ncclComm *c, bool sends, int peer, const MessageP &mine, bool *posted)
{
  Group *g = c->group.get ();
  const std::lock_guard<std::mutex> guard (g->lock);
  const std::pair<int, int> way =
      sends ? std::make_pair (c->rank, peer) : std::make_pair (peer, c->rank);
  auto &own = sends ? g->sends[way] : g->recvs[way];
  auto &other = sends ? g->recvs[way] : g->sends[way];

  if (g->aborted) {
    complain (c, "the communicator was aborted");
    return true;
  }
  if (!*posted) {
    own.push_back (mine);
    *posted = true;
  }
  if (!mine->done && own.front () == mine && !other.empty ()) {
    const MessageP theirs = other.front ();
    const Message &from = sends ? *mine : *theirs;
    const Message &to = sends ? *theirs : *mine;

    if (from.bytes != to.bytes)
      complain (c, "a send of " + std::to_string (from.bytes) +
                       " bytes meets a receive of " +
                       std::to_string (to.bytes));
    else
      memcpy (to.dst, from.src, from.bytes);
    mine->done = theirs->done = true;
    own.pop_front ();
    other.pop_front ();
  }
  return mine->done;
}

ncclResult_t
message (ncclComm *c, bool sends, const void *src, void *dst, size_t bytes,
    int peer, cudaStream_t stream)
{
  const auto mine = std::make_shared<Message> (Message{src, dst, bytes, false});
  const auto posted = std::make_shared<bool> (false);

  if (peer < 0 || peer >= c->group->size || peer == c->rank ||
      !is_device (sends ? src : dst, bytes) || c->device != current_device ())
    return ncclInvalidArgument;
  return queue_call (stream,
      [=] { return poll_message (c, sends, peer, mine, posted.get ()); });
}
} // namespace

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
  const std::lock_guard<std::mutex> guard (groups_lock);

  memset (id, 0, sizeof *id);
  last_id++;
  memcpy (id->internal, &last_id, sizeof last_id);
  return ncclSuccess;
}

/* Waits for all ranks, as the real one does. */
EXPORT ncclResult_t
ncclCommInitRank (ncclComm_t *comm, int nranks, ncclUniqueId id, int rank)
{
  const std::string key (id.internal, sizeof id.internal);
  std::shared_ptr<Group> g;

  if (nranks < 1 || rank < 0 || rank >= nranks)
    return ncclInvalidArgument;
  {
    const std::lock_guard<std::mutex> guard (groups_lock);
    auto &found = groups[key];

    if (!found) {
      found = std::make_shared<Group> ();
      found->size = nranks;
      found->devices.assign ((size_t) nranks, -1);
    }
    g = found;
  }
  std::unique_lock<std::mutex> lock (g->lock);

  if (g->size != nranks || g->devices[(size_t) rank] >= 0)
    return ncclInvalidUsage;
  for (const int other : g->devices)
    if (other == current_device ()) {
      g->aborted = true;
      g->changed.notify_all ();
      return ncclInvalidUsage; /* two ranks on one GPU */
    }
  g->devices[(size_t) rank] = current_device ();
  g->joined++;
  g->changed.notify_all ();
  if (!g->changed.wait_for (lock, deadline (),
          [&] { return g->joined == g->size || g->aborted; }) ||
      g->aborted)
    return g->aborted ? ncclInvalidUsage : ncclRemoteError;
  *comm = new ncclComm{g, rank, current_device (), 0};
  return ncclSuccess;
}

EXPORT ncclResult_t
ncclCommDestroy (ncclComm_t comm)
{
  flush_device (); /* what is queued still knows it */
  delete comm;
  return ncclSuccess;
}

EXPORT ncclResult_t
ncclCommAbort (ncclComm_t comm)
{
  {
    const std::lock_guard<std::mutex> guard (comm->group->lock);

    comm->group->aborted = true;
  }
  return ncclCommDestroy (comm);
}

EXPORT ncclResult_t
ncclCommGetAsyncError (ncclComm_t comm, ncclResult_t *error)
{
  const std::lock_guard<std::mutex> guard (comm->group->lock);

  *error = comm->group->aborted ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
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
      sendcount * (size_t) comm->group->size, sendcount, type, 0, stream);
}

EXPORT ncclResult_t
ncclBroadcast (const void *sendbuff, void *recvbuff, size_t count,
    ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream)
{
  return collective (comm, BROADCAST, sendbuff, comm->rank == root ? count : 0,
      recvbuff, count, count, type, root, stream);
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
