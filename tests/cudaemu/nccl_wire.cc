/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nccl_wire.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neva_emu
{
Wire::Wire (int fd) : fd (fd)
{
  const int on = 1;

  if (fd < 0)
    return;
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Wire::~Wire ()
{
  close ();
}

void
Wire::close ()
{
  if (fd >= 0)
    ::close (fd);
  fd = -1;
}

void
Wire::put (WireHead head, const std::string &data)
{
  head.magic = WIRE_MAGIC;
  head.bytes = data.size ();
  out.append ((const char *) &head, sizeof head);
  out.append (data);
}

bool
Wire::move ()
{
  char chunk[1 << 16];
  ssize_t n;

  if (fd < 0)
    return false;
  while (sending () && (n = send (fd, out.data () + sent, out.size () - sent,
                            MSG_NOSIGNAL)) > 0)
    sent += (size_t) n;
  if (!sending ()) {
    out.clear ();
    sent = 0;
  }
  while ((n = recv (fd, chunk, sizeof chunk, 0)) > 0)
    in.append (chunk, (size_t) n);
  return n < 0 && (errno == EAGAIN || errno == EINTR);
}

bool
Wire::take (WireHead *head, std::string *data)
{
  if (in.size () - taken < sizeof *head)
    return false;
  memcpy (head, in.data () + taken, sizeof *head);
  if (head->magic != WIRE_MAGIC || head->bytes > WIRE_MAX_BYTES) {
    broken = true;
    return false;
  }
  if (in.size () - taken - sizeof *head < head->bytes)
    return false;
  data->assign (in, taken + sizeof *head, (size_t) head->bytes);
  taken += sizeof *head + (size_t) head->bytes;
  if (taken == in.size ()) {
    in.clear ();
    taken = 0;
  }
  return true;
}
} // namespace neva_emu
