/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ranks of a communicator (nccl.cc) and its judge (nccl_judge.cc) tell
 * each other over TCP: a head, then `bytes` of data. */
#ifndef NEVA_EMU_NCCL_WIRE_H
#define NEVA_EMU_NCCL_WIRE_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace neva_emu
{
enum WireType : uint32_t {
  /* from ranks */
  WIRE_HELLO,      /* data: nonce, then where the GPU is */
  WIRE_COLLECTIVE, /* data: what this rank gives */
  WIRE_SEND,       /* data: the message */
  WIRE_RECV,
  WIRE_BYE,   /* the communicator is being destroyed */
  WIRE_ABORT, /* it was aborted */
  /* from the judge */
  WIRE_WELCOME, /* all are here */
  WIRE_REFUSED, /* data: why there is no communicator */
  WIRE_RESULT,  /* of the call `serial`; data: what this rank gets */
  WIRE_FAULT,   /* data: which rule was broken */
  WIRE_LOST,    /* data: who is lost */
  WIRE_GONE     /* all have said BYE */
};

enum WireKind : uint32_t { ALL_REDUCE, ALL_GATHER, BROADCAST };

struct WireHead {
  uint32_t magic;
  WireType type;
  uint64_t serial; /* of the rank's calls; comes back */
  uint64_t number; /* of its collectives */
  uint64_t count;  /* elements; HELLO: ranks; RECV: bytes */
  uint32_t kind, dtype;
  int32_t root; /* SEND, RECV: the peer; HELLO: the rank */
  uint32_t width;
  uint64_t bytes;
};

enum : uint32_t { WIRE_MAGIC = 0x6c63636e };
enum : uint64_t { WIRE_MAX_BYTES = (uint64_t) 1 << 32 };

/* What ncclGetUniqueId () makes of it: 128 bytes. */
struct WireId {
  uint32_t magic, port; /* port: the host's byte order */
  uint32_t address;     /* IPv4, the network's */
  char nonce[32];
};

/* A socket that never blocks, and what waits on either side of it. */
class Wire
{
public:
  explicit Wire (int fd = -1);
  ~Wire ();
  Wire (const Wire &) = delete;
  Wire &operator= (const Wire &) = delete;
  void put (WireHead head, const std::string &data = std::string ());
  /* Sends and reads what goes without waiting. FALSE: the other end is gone;
   * what came before that can still be taken. */
  bool move ();
  bool take (WireHead *head, std::string *data);
  bool sending () const
  {
    return sent < out.size ();
  }
  void close ();
  int fd;
  bool broken = false; /* what came makes no sense */

private:
  std::string in, out;
  size_t taken = 0, sent = 0;
};

/* nccl_judge.cc: listens for the ranks of one communicator in a thread of its
 * own, until the last of them is gone. FALSE: no socket can be had. */
bool judge_start (WireId *id);
} // namespace neva_emu

#endif /* NEVA_EMU_NCCL_WIRE_H */
