/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stand-in of NCCL: what it computes, and that it finds what would hang or
 * corrupt on GPUs. Ranks are threads, each with its GPU. */
#include "emu.h"
#include "include/nccl.h"

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

enum { N = 37, MAX_RANKS = 8 };

static unsigned failures, judged;

static void
check (bool ok, const char *what)
{
  judged++;
  failures += !ok;
  printf ("%s %s\n", ok ? "ok  " : "FAIL", what);
}

struct Rank {
  int rank, size;
  ncclComm_t comm;
  cudaStream_t stream;
  float *x, *y; /* [N], [size][N] */
  bool right;
};

/* Runs `work` on every rank, and says what the emulation complained of. */
template <typename Work>
static std::string
with_ranks (int size, Work work)
{
  std::vector<std::thread> threads;
  std::string text;
  ncclUniqueId id;

  neva_emu::reset ();
  ncclGetUniqueId (&id);
  for (int r = 0; r < size; r++)
    threads.emplace_back ([=] {
      Rank me = {r, size, nullptr, nullptr, nullptr, nullptr, true};

      cudaSetDevice (r);
      cudaStreamCreateWithFlags (&me.stream, cudaStreamNonBlocking);
      cudaMalloc ((void **) &me.x, N * sizeof (float));
      cudaMalloc ((void **) &me.y, (size_t) size * N * sizeof (float));
      for (int i = 0; i < N; i++)
        me.x[i] = (float) (r * 100 + i);
      if (ncclCommInitRank (&me.comm, size, id, r) == ncclSuccess) {
        work (&me);
        cudaStreamSynchronize (me.stream);
        ncclCommDestroy (me.comm);
      }
      cudaStreamDestroy (me.stream);
      cudaFree (me.x);
      cudaFree (me.y);
    });
  for (std::thread &t : threads)
    t.join ();
  text = neva_emu::sticky_text ();
  neva_emu::reset ();
  return text;
}

static bool wrong; /* set by ranks; never cleared by them */

static void
expect (bool ok)
{
  if (!ok)
    __atomic_store_n (&wrong, true, __ATOMIC_SEQ_CST);
}

static void
sums (Rank *me)
{
  ncclAllGather (me->x, me->y, N, ncclFloat32, me->comm, me->stream);
  ncclAllReduce (me->x, me->x, N, ncclFloat32, ncclSum, me->comm, me->stream);
  cudaStreamSynchronize (me->stream);
  for (int i = 0; i < N; i++) {
    float sum = 0;

    for (int r = 0; r < me->size; r++) {
      sum += (float) (r * 100 + i);
      expect (me->y[r * N + i] == (float) (r * 100 + i));
    }
    expect (me->x[i] == sum);
  }
}

/* Everybody passes its numbers on, in one group. */
static void
ring (Rank *me)
{
  const int next = (me->rank + 1) % me->size;
  const int before = (me->rank + me->size - 1) % me->size;

  ncclGroupStart ();
  ncclSend (me->x, N, ncclFloat32, next, me->comm, me->stream);
  ncclRecv (me->y, N, ncclFloat32, before, me->comm, me->stream);
  ncclGroupEnd ();
  cudaStreamSynchronize (me->stream);
  for (int i = 0; i < N; i++)
    expect (me->y[i] == (float) (before * 100 + i));
}

/* The same without a group: each waits for the next to receive. */
static void
ring_of_waits (Rank *me)
{
  ncclSend (
      me->x, N, ncclFloat32, (me->rank + 1) % me->size, me->comm, me->stream);
  ncclRecv (me->y, N, ncclFloat32, (me->rank + me->size - 1) % me->size,
      me->comm, me->stream);
}

static void
other_count (Rank *me)
{
  ncclAllReduce (me->x, me->x, (size_t) N - me->rank, ncclFloat32, ncclSum,
      me->comm, me->stream);
}

static void
other_type (Rank *me)
{
  ncclBroadcast (me->x, me->x, N, me->rank ? ncclFloat32 : ncclUint8, 0,
      me->comm, me->stream);
}

static void
other_root (Rank *me)
{
  ncclBroadcast (me->x, me->x, N, ncclFloat32, me->rank, me->comm, me->stream);
}

static void
other_order (Rank *me)
{
  if (me->rank)
    ncclBroadcast (me->x, me->x, N, ncclFloat32, 0, me->comm, me->stream);
  else
    ncclAllReduce (me->x, me->x, N, ncclFloat32, ncclSum, me->comm, me->stream);
}

static void
one_is_missing (Rank *me)
{
  if (me->rank)
    ncclAllReduce (me->x, me->x, N, ncclFloat32, ncclSum, me->comm, me->stream);
}

static void
other_size (Rank *me)
{
  if (me->rank)
    ncclRecv (me->y, N, ncclFloat32, 0, me->comm, me->stream);
  else
    ncclSend (me->x, N - 1, ncclFloat32, 1, me->comm, me->stream);
}

static void
host_memory (Rank *me)
{
  float plain[N] = {0};

  expect (ncclAllReduce (plain, plain, N, ncclFloat32, ncclSum, me->comm,
              me->stream) == ncclInvalidArgument);
}

static void
expect_fault (
    int ranks, void (*work) (Rank *me), const char *part, const char *what)
{
  const std::string text = with_ranks (ranks, work);

  if (text.find (part) == std::string::npos)
    printf ("     found: '%s'\n", text.c_str ());
  check (text.find (part) != std::string::npos, what);
}

static void
expect_right (int ranks, void (*work) (Rank *me), const char *what)
{
  wrong = false;
  check (with_ranks (ranks, work).empty () && !wrong, what);
}

/* Two ranks on one GPU is what NCCL refuses. */
static bool
refuses_one_gpu ()
{
  ncclUniqueId id;
  ncclResult_t result[2] = {ncclSuccess, ncclSuccess};
  std::thread other;

  ncclGetUniqueId (&id);
  other = std::thread ([&] {
    ncclComm_t comm;

    result[1] = ncclCommInitRank (&comm, 2, id, 1);
  });
  ncclComm_t comm;

  result[0] = ncclCommInitRank (&comm, 2, id, 0);
  other.join ();
  return result[0] == ncclInvalidUsage && result[1] == ncclInvalidUsage;
}

int
main ()
{
  setenv ("NEVA_CUDAEMU_QUIET", "1", 0);
  setenv ("NEVA_CUDAEMU_DEVICES", "8", 1);
  expect_right (1, sums, "sums of one rank");
  expect_right (2, sums, "sums of 2 ranks");
  expect_right (4, sums, "sums of 4 ranks");
  expect_right (MAX_RANKS, sums, "sums of 8 ranks");
  expect_right (2, ring, "2 ranks pass numbers on in a group");
  expect_right (MAX_RANKS, ring, "8 ranks pass numbers on in a group");
  expect_right (2, host_memory, "memory of the host is refused");
  check (refuses_one_gpu (), "two ranks on one GPU are refused");
  expect_fault (2, other_count, "where another rank", "another count");
  expect_fault (2, other_type, "where another rank", "another type");
  expect_fault (2, other_root, "where another rank", "another root");
  expect_fault (2, other_order, "where another rank", "another order");
  expect_fault (2, other_size, "meets a receive", "another size");
  /* so long nobody waits who is not stuck: nothing here is slow */
  setenv ("NEVA_CUDAEMU_DEADLOCK_MS", "300", 1);
  expect_fault (4, ring_of_waits, "deadlock", "sends that wait in a ring");
  expect_fault (2, one_is_missing, "deadlock", "a rank that does not come");
  printf ("%u judged, %u failed\n", judged, failures);
  return failures || !judged;
}
