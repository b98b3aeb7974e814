/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks in threads: sums have the same bits everywhere, messages keep their
 * order, groups split, and a rank that is lost is an error, never a hang. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "backend/comm.h"
#include "check.h"

#define MAX_N 70000

typedef struct {
  guint size;
  guint64 seed;
} Setup;

/* What rank r contributes to a sum of round `round`. */
static void
fill (float *x, gsize n, guint64 seed, guint rank, guint round)
{
  g_autoptr (GRand) rand =
      g_rand_new_with_seed ((guint32) (seed + rank * 1000 + round));

  for (gsize i = 0; i < n; i++)
    x[i] = (float) g_rand_double_range (rand, -1, 1);
}

static void
check_sums (NevaComm *c, guint64 seed)
{
  static const gsize sizes[] = {1, 15, 16, 17, 63, 64, 65, 1000, 4099, MAX_N};
  g_autofree float *x = g_new (float, MAX_N), *want = g_new (float, MAX_N);
  g_autofree float *part = g_new (float, MAX_N);

  for (guint round = 0; round < G_N_ELEMENTS (sizes); round++) {
    const gsize n = sizes[round];

    fill (want, n, seed, 0, round);
    for (guint r = 1; r < c->size; r++) {
      fill (part, n, seed, r, round);
      for (gsize i = 0; i < n; i++)
        want[i] += part[i];
    }
    fill (x, n, seed, c->rank, round);
    neva_comm_all_reduce (c, NULL, x, n);
    CHECK (!memcmp (x, want, n * sizeof *x), "rank %u: the sum of %zu floats",
        c->rank, n);
  }
}

static void
check_bytes (NevaComm *c)
{
  const gsize n = 1001;
  g_autofree guint8 *all = g_malloc (c->size * n), *own = g_malloc (n);

  for (guint root = 0; root < c->size; root++) {
    memset (own, c->rank == root ? (int) root + 1 : 0, n);
    neva_comm_broadcast (c, NULL, own, n, root, root == 0);
    CHECK (own[0] == root + 1 && own[n - 1] == root + 1, "from %u", root);
  }
  memset (own, (int) c->rank + 50, n);
  neva_comm_all_gather (c, NULL, all, own, n);
  for (guint r = 0; r < c->size; r++)
    CHECK (all[r * n] == r + 50 && all[r * n + n - 1] == r + 50, "of %u", r);
}

/* Around the ring, more than wait at a time. */
static void
check_messages (NevaComm *c)
{
  const guint to = (c->rank + 1) % c->size;
  const guint from = (c->rank + c->size - 1) % c->size;

  for (guint i = 0; i < 20; i++) {
    guint sent[64] = {c->rank, i}, got[64] = {0};

    if (c->size == 1)
      break;
    neva_comm_send (c, NULL, sent, sizeof sent, to);
    neva_comm_recv (c, NULL, got, sizeof got, from);
    CHECK (got[0] == from && got[1] == i, "message %u", i);
  }
  /* one after the other without an answer */
  if (c->size > 1 && c->rank < 2) {
    for (guint i = 0; i < 20; i++) {
      guint number = i;

      if (c->rank == 0)
        neva_comm_send (c, NULL, &number, sizeof number, 1);
      else
        neva_comm_recv (c, NULL, &number, sizeof number, 0);
      CHECK (number == i, "message %u is %u", i, number);
    }
  }
  neva_comm_barrier (c);
}

static void
rank_all (NevaComm *c, gpointer data)
{
  const Setup *s = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaComm) half = NULL;

  CHECK (c->size == s->size, "%u", c->size);
  check_sums (c, s->seed);
  check_bytes (c);
  check_messages (c);
  half = neva_comm_split (c, c->rank % 2, &error);
  CHECK (half && half->rank == c->rank / 2 &&
             half->size == (c->size + 1 - c->rank % 2) / 2,
      "split");
  if (half) {
    check_sums (half, s->seed + 7 + c->rank % 2);
    check_messages (half);
  }
  CHECK (neva_comm_check (c, NULL), "no fault");
  neva_comm_barrier (c); /* nobody leaves before all have looked */
}

static void
test_all (guint size, guint spins, guint64 seed)
{
  Setup setup = {size, seed};
  g_autoptr (GError) error = NULL;
  NevaComm *c = neva_comm_threads_new (size, spins, rank_all, &setup, &error);

  CHECK (c != NULL, "%s", error ? error->message : "");
  if (c)
    rank_all (c, &setup);
  neva_comm_free (c);
}

/* Rank 1 ends at once, or says why, or does not come. */
typedef enum { LEAVES, ABORTS, SLEEPS } Fate;

static void
rank_lost (NevaComm *c, gpointer data)
{
  const Fate fate = *(Fate *) data;
  float x[100] = {0};

  if (c->rank == 1 && fate == ABORTS)
    neva_comm_abort (c, "no more weights");
  if (c->rank == 1 && fate == LEAVES)
    return;
  if (c->rank == 1 && fate == SLEEPS) {
    /* until the others have given up */
    while (neva_comm_check (c, NULL))
      g_thread_yield ();
    return;
  }
  for (guint i = 0; i < 3; i++)
    neva_comm_all_reduce (c, NULL, x, G_N_ELEMENTS (x));
  if (c->rank == 2) /* its message does not come any more */
    neva_comm_recv (c, NULL, x, sizeof x, 0);
}

static void
test_lost (Fate fate, const char *part)
{
  g_autoptr (GError) error = NULL;
  NevaComm *c = neva_comm_threads_new (3, 0, rank_lost, &fate, NULL);

  rank_lost (c, &fate);
  CHECK (!neva_comm_check (c, &error), "a lost rank is noticed");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, part);
  CHECK (!neva_comm_check (c, NULL), "and it stays lost");
  CHECK (!neva_comm_split (c, 0, &error), "no new group");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, part);
  neva_comm_free (c);
}

static void
rank_odd_message (NevaComm *c, gpointer data)
{
  guint8 bytes[4] = {0};

  neva_comm_send (c, NULL, bytes, 3, 0);
  neva_comm_barrier (c);
}

static void
test_refusals (void)
{
  g_autoptr (GError) error = NULL;
  guint8 bytes[4];
  NevaComm *c;

  CHECK (!neva_comm_threads_new (0, 0, rank_all, NULL, &error), "no ranks");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "0 ranks");
  CHECK (!neva_comm_threads_new (65, 0, rank_all, NULL, &error), "too many");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "65 ranks");
  c = neva_comm_threads_new (2, 0, rank_odd_message, NULL, NULL);
  neva_comm_recv (c, NULL, bytes, 4, 1);
  CHECK (!neva_comm_check (c, &error), "an odd message");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "another size");
  neva_comm_free (c);
}

int
main (int argc, char **argv)
{
  guint64 seed;

  /* read once: long enough for a thread that a busy machine keeps waiting */
  g_setenv ("NEVA_COMM_TIMEOUT", "6", TRUE);
  seed = check_seed (argc, argv);
  for (guint size = 1; size <= 5; size++) {
    test_all (size, 0, seed);
    test_all (size, 2000, seed);
  }
  test_lost (LEAVES, "rank 1 has left");
  test_lost (ABORTS, "no more weights");
  test_lost (SLEEPS, "rank 1 of 3 has not answered");
  test_refusals ();
  return check_finish ();
}
