/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judge of a communicator: a thread of the process that made the id, to
 * which all ranks connect, whatever process or machine they are on. It matches
 * their calls, computes, and says what rule was broken or who is lost. */
#include "nccl_wire.h"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <ifaddrs.h>
#include <map>
#include <memory>
#include <net/if.h>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace neva_emu
{
namespace
{
const char *const kind_names[] = {"all-reduce", "all-gather", "broadcast"};

/* One collective, as its first rank has it. */
struct Collective {
  WireHead head;
  std::vector<std::string> data;
  std::vector<uint64_t> serials;
  std::vector<bool> here;
  int arrived;
};

struct Message {
  uint64_t serial, bytes;
  std::string data;
};

struct Peer {
  explicit Peer (int fd) : wire (fd)
  {
  }
  Wire wire;
  int rank = -1;
  std::string where; /* its GPU */
  bool bye = false, over = false;
};

class Judge
{
public:
  Judge (int listener, const WireId &id) : listener (listener), id (id)
  {
  }
  ~Judge ();
  void run ();

private:
  void wait ();
  void accept_one ();
  void read (Peer *p);
  void handle (Peer *p, const WireHead &head, const std::string &data);
  void hello (Peer *p, const WireHead &head, const std::string &data);
  void collective (Peer *p, const WireHead &head, const std::string &data);
  void carry_out (const Collective &c);
  void message (Peer *p, const WireHead &head, const std::string &data);
  void match (int from, int to);
  void lose (Peer *p, const std::string &why);
  void tell (WireType type, const std::string &text);
  void refuse (const std::string &why);
  Peer *of_rank (int rank);

  int listener;
  WireId id;
  int size = 0, joined = 0, byes = 0;
  std::string refused, lost;
  std::vector<std::unique_ptr<Peer>> peers;
  std::map<uint64_t, Collective> collectives; /* by number */
  std::map<std::pair<int, int>, std::deque<Message>> sends, recvs;
};

std::string
describe (const WireHead &h)
{
  return std::string (kind_names[h.kind]) + " of " + std::to_string (h.count) +
         " (type " + std::to_string (h.dtype) + ", root " +
         std::to_string (h.root) + ")";
}

Judge::~Judge ()
{
  if (listener >= 0)
    close (listener);
}

Peer *
Judge::of_rank (int rank)
{
  for (auto &p : peers)
    if (p->rank == rank)
      return p.get ();
  return nullptr;
}

void
Judge::tell (WireType type, const std::string &text)
{
  WireHead head = {};

  head.type = type;
  for (auto &p : peers)
    if (p->rank >= 0 && !p->over)
      p->wire.put (head, text);
}

void
Judge::refuse (const std::string &why)
{
  refused = why;
  tell (WIRE_REFUSED, why);
}

void
Judge::lose (Peer *p, const std::string &why)
{
  if (!p->over && p->rank >= 0 && !p->bye) {
    p->over = true;
    lost = "rank " + std::to_string (p->rank) + " " + why;
    tell (WIRE_LOST, lost);
  }
  p->over = true;
  p->wire.close ();
}

/* ---- Ranks come --------------------------------------------------------- */

void
Judge::hello (Peer *p, const WireHead &head, const std::string &data)
{
  const size_t nonce = sizeof id.nonce;

  if (data.size () < nonce || memcmp (data.data (), id.nonce, nonce)) {
    p->over = true;
    p->wire.close ();
    return;
  }
  p->where = data.substr (nonce);
  p->rank = head.root;
  if (!size)
    size = (int) head.count;
  if (!refused.empty ()) {
    WireHead no = {};

    no.type = WIRE_REFUSED;
    p->wire.put (no, refused);
    return;
  }
  for (auto &other : peers)
    if (other.get () != p && other->rank >= 0) {
      if (other->rank == p->rank)
        return refuse ("two ranks are number " + std::to_string (p->rank));
      if (other->where == p->where)
        return refuse ("ranks " + std::to_string (other->rank) + " and " +
                       std::to_string (p->rank) + " are both on " + p->where);
    }
  if (size != (int) head.count)
    return refuse ("ranks expect " + std::to_string (size) + " and " +
                   std::to_string (head.count) + " ranks");
  if (!lost.empty ())
    tell (WIRE_LOST, lost);
  if (++joined == size)
    tell (WIRE_WELCOME, "");
}

/* ---- Calls -------------------------------------------------------------- */

std::string
sum_of (const Collective &c)
{
  std::vector<float> sum ((size_t) c.head.count);

  for (const std::string &part : c.data)
    for (size_t i = 0; i < sum.size (); i++) {
      float x;

      memcpy (&x, part.data () + i * sizeof x, sizeof x);
      sum[i] += x;
    }
  return std::string ((const char *) sum.data (), sum.size () * sizeof (float));
}

/* Everybody is here. */
void
Judge::carry_out (const Collective &c)
{
  std::string result;
  WireHead head = {};

  switch ((WireKind) c.head.kind) {
    case ALL_REDUCE:
      result = sum_of (c);
      break;
    case ALL_GATHER:
      for (const std::string &part : c.data)
        result += part;
      break;
    case BROADCAST:
      result = c.data[(size_t) c.head.root];
      break;
  }
  head.type = WIRE_RESULT;
  for (int rank = 0; rank < size; rank++) {
    Peer *p = of_rank (rank);

    head.serial = c.serials[(size_t) rank];
    if (p && !p->over)
      p->wire.put (head, result);
  }
}

void
Judge::collective (Peer *p, const WireHead &head, const std::string &data)
{
  const size_t n = (size_t) size, rank = (size_t) p->rank;
  const Collective first = {head, std::vector<std::string> (n),
      std::vector<uint64_t> (n), std::vector<bool> (n), 0};
  const auto at = collectives.emplace (head.number, first).first;
  Collective *all = &at->second;

  if (all->head.kind != head.kind || all->head.count != head.count ||
      all->head.dtype != head.dtype || all->head.root != head.root) {
    tell (WIRE_FAULT, "rank " + std::to_string (p->rank) + ": " +
                          describe (head) + " where another rank calls " +
                          describe (all->head));
    return;
  }
  all->data[rank] = data;
  all->serials[rank] = head.serial;
  if (all->here[rank])
    return;
  all->here[rank] = true;
  if (++all->arrived < size)
    return;
  carry_out (*all);
  collectives.erase (at);
}

void
Judge::match (int from, int to)
{
  auto &give = sends[std::make_pair (from, to)];
  auto &get = recvs[std::make_pair (from, to)];
  Peer *source = of_rank (from), *target = of_rank (to);
  WireHead head = {};

  if (give.empty () || get.empty () || !source || !target)
    return;
  if (give.front ().bytes != get.front ().bytes)
    tell (WIRE_FAULT, "rank " + std::to_string (from) + ": a send of " +
                          std::to_string (give.front ().bytes) +
                          " bytes meets a receive of " +
                          std::to_string (get.front ().bytes));
  head.type = WIRE_RESULT;
  head.serial = give.front ().serial;
  source->wire.put (head);
  head.serial = get.front ().serial;
  target->wire.put (head, give.front ().data);
  give.pop_front ();
  get.pop_front ();
}

void
Judge::message (Peer *p, const WireHead &head, const std::string &data)
{
  const bool sending = head.type == WIRE_SEND;
  const int from = sending ? p->rank : head.root;
  const int to = sending ? head.root : p->rank;
  const uint64_t bytes = sending ? data.size () : head.count;

  (sending ? sends : recvs)[std::make_pair (from, to)].push_back (
      {head.serial, bytes, data});
  match (from, to);
}

void
Judge::handle (Peer *p, const WireHead &head, const std::string &data)
{
  if (head.type == WIRE_HELLO)
    hello (p, head, data);
  else if (p->rank < 0)
    p->wire.close ();
  else if (head.type == WIRE_COLLECTIVE)
    collective (p, head, data);
  else if (head.type == WIRE_SEND || head.type == WIRE_RECV)
    message (p, head, data);
  else if (head.type == WIRE_ABORT)
    lose (p, "has aborted the communicator");
  else if (head.type == WIRE_BYE && !p->bye) {
    p->bye = true;
    if (++byes == size)
      tell (WIRE_GONE, "");
  }
}

/* ---- The thread --------------------------------------------------------- */

void
Judge::read (Peer *p)
{
  const bool there = p->wire.move ();
  WireHead head;
  std::string data;

  while (!p->over && p->wire.take (&head, &data))
    handle (p, head, data);
  if (!p->over && (!there || p->wire.broken))
    lose (p, "is gone");
}

void
Judge::accept_one ()
{
  const int fd = accept4 (listener, nullptr, nullptr, SOCK_CLOEXEC);

  if (fd >= 0)
    peers.push_back (std::make_unique<Peer> (fd));
}

void
Judge::wait ()
{
  std::vector<pollfd> fds = {{listener, POLLIN, 0}};

  for (auto &p : peers)
    fds.push_back (
        {p->wire.fd, (short) (POLLIN | (p->wire.sending () ? POLLOUT : 0)), 0});
  poll (fds.data (), fds.size (), -1);
  if (fds[0].revents)
    accept_one ();
}

/* Until all who came are gone, and nobody else is expected. */
void
Judge::run ()
{
  for (;;) {
    bool over = size && peers.size () >= (size_t) size;

    for (size_t i = 0; i < peers.size (); i++) {
      if (!peers[i]->over)
        read (peers[i].get ());
      over = over && peers[i]->over;
    }
    /* what was decided above goes out */
    for (auto &p : peers)
      if (!p->over && p->wire.sending ())
        p->wire.move ();
    if (over)
      return;
    wait ();
  }
}

/* NCCL_SOCKET_IFNAME as NCCL has it: "^a,b" all but these, "=a" exactly this,
 * else beginnings of names. */
bool
interface_is_asked_for (const std::string &name)
{
  const char *text = getenv ("NCCL_SOCKET_IFNAME");
  std::string list = text ? text : "";
  bool found = false, without, exact;

  if (list.empty ())
    return true;
  without = list[0] == '^';
  exact = list[0] == '=';
  list = list.substr (without || exact) + ",";
  for (size_t at = 0, end; (end = list.find (',', at)) != std::string::npos;
       at = end + 1) {
    const std::string part = list.substr (at, end - at);

    found =
        found || (!part.empty () && (exact ? name == part : !name.find (part)));
  }
  return found != without;
}

/* The first interface that others may reach; the loopback when there is no
 * other. */
uint32_t
own_address ()
{
  ifaddrs *all = nullptr;
  uint32_t best = htonl (INADDR_LOOPBACK);
  bool found = false;

  if (getifaddrs (&all))
    return best;
  for (ifaddrs *a = all; a && !found; a = a->ifa_next) {
    const auto *in = (const sockaddr_in *) a->ifa_addr;

    if (!in || in->sin_family != AF_INET || !(a->ifa_flags & IFF_UP) ||
        (a->ifa_flags & IFF_LOOPBACK && !getenv ("NCCL_SOCKET_IFNAME")) ||
        !interface_is_asked_for (a->ifa_name))
      continue;
    best = in->sin_addr.s_addr;
    found = true;
  }
  freeifaddrs (all);
  return best;
}
} // namespace

bool
judge_start (WireId *id)
{
  const int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in in = {};
  socklen_t length = sizeof in;
  std::random_device random;

  in.sin_family = AF_INET;
  in.sin_addr.s_addr = own_address ();
  if (fd < 0 || bind (fd, (sockaddr *) &in, sizeof in) || listen (fd, 64) ||
      getsockname (fd, (sockaddr *) &in, &length)) {
    if (fd >= 0)
      close (fd);
    return false;
  }
  id->magic = WIRE_MAGIC;
  id->port = ntohs (in.sin_port);
  id->address = in.sin_addr.s_addr;
  for (char &c : id->nonce)
    c = (char) random ();
  const WireId copy = *id;

  std::thread ([fd, copy] { Judge (fd, copy).run (); }).detach ();
  return true;
}
} // namespace neva_emu
