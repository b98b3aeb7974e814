/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handler may run on any thread at any time, also while another thread adds
 * or releases a range, so it takes no lock: ranges lie in a list of chunks that
 * only ever grows, each slot published by its `start`. */
#include "config.h"
#include "checkpoint/fault_guard.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#define CHUNK 64

struct _NevaGuardedRange {
  atomic_uintptr_t start; /* 0: free */
  atomic_size_t length;
  atomic_bool hit;
};

typedef struct _Chunk Chunk;
struct _Chunk {
  NevaGuardedRange ranges[CHUNK];
  _Atomic (Chunk *) next;
};

static Chunk first;
static atomic_uint hits;

static GMutex lock; /* of what follows; not taken by the handler */
static gsize n_ranges;
static gboolean installed;       /* ours is in the chain of handlers */
static struct sigaction earlier; /* written only while not installed */

static NevaGuardedRange *
find_range (uintptr_t address)
{
  for (Chunk *c = &first; c; c = atomic_load (&c->next)) {
    for (gsize i = 0; i < CHUNK; i++) {
      NevaGuardedRange *r = &c->ranges[i];
      const uintptr_t start = atomic_load (&r->start);
      const size_t length = atomic_load (&r->length);

      /* still the same after its length was read: not a slot being refilled */
      if (start && address >= start && address - start < length &&
          atomic_load (&r->start) == start)
        return r;
    }
  }
  return NULL;
}

/* A fault happens again when the handler returns, and then ends the process
 * where it belongs; a signal that was sent has to be sent again. */
static void
pass_on (int number, siginfo_t *info, void *context)
{
  if (earlier.sa_flags & SA_SIGINFO) {
    earlier.sa_sigaction (number, info, context);
  } else if (earlier.sa_handler == SIG_DFL ||
             (earlier.sa_handler == SIG_IGN && info->si_code > 0)) {
    const struct sigaction original = {.sa_handler = SIG_DFL};

    sigaction (number, &original, NULL);
    if (info->si_code <= 0)
      raise (number);
  } else if (earlier.sa_handler != SIG_IGN) {
    earlier.sa_handler (number);
  }
}

static void
on_bus_error (int number, siginfo_t *info, void *context)
{
  const int saved = errno;
  NevaGuardedRange *r =
      info->si_code > 0 ? find_range ((uintptr_t) info->si_addr) : NULL;

  if (!r) {
    pass_on (number, info, context);
    return;
  }
  /* Marked first: who reads a zero can already see why. */
  if (!atomic_exchange (&r->hit, TRUE))
    atomic_fetch_add (&hits, 1);
  if (mmap ((void *) atomic_load (&r->start), atomic_load (&r->length),
          PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
          0) == MAP_FAILED)
    pass_on (number, info, context);
  errno = saved;
}

/* TRUE when nobody can be calling our handler: the signal has none, or the one
 * that was there before ours again. */
static gboolean
is_out_of_chain (const struct sigaction *current)
{
  if (current->sa_flags & SA_SIGINFO)
    return (earlier.sa_flags & SA_SIGINFO) &&
           current->sa_sigaction == earlier.sa_sigaction;
  return current->sa_handler == SIG_DFL || current->sa_handler == SIG_IGN ||
         (!(earlier.sa_flags & SA_SIGINFO) &&
             current->sa_handler == earlier.sa_handler);
}

/* Under the lock. Whoever put a handler over ours calls it, one hopes; over
 * theirs again it would call itself without end. */
static void
install (void)
{
  struct sigaction current, ours = {.sa_sigaction = on_bus_error,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK};

  sigaction (SIGBUS, NULL, &current);
  if (installed && !is_out_of_chain (&current))
    return;
  earlier = current;
  sigemptyset (&ours.sa_mask);
  installed = sigaction (SIGBUS, &ours, NULL) == 0;
}

/* Under the lock. */
static void
uninstall (void)
{
  struct sigaction current;

  sigaction (SIGBUS, NULL, &current);
  if (!installed)
    return;
  if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_bus_error) {
    sigaction (SIGBUS, &earlier, NULL);
    installed = FALSE;
  } else if (is_out_of_chain (&current)) {
    installed = FALSE;
  }
}

/* Under the lock. */
static NevaGuardedRange *
take_slot (void)
{
  Chunk *c = &first;

  for (;;) {
    Chunk *next;

    for (gsize i = 0; i < CHUNK; i++) {
      if (!atomic_load (&c->ranges[i].start))
        return &c->ranges[i];
    }
    next = atomic_load (&c->next);
    if (!next)
      atomic_store (&c->next, next = g_new0 (Chunk, 1));
    c = next;
  }
}

NevaGuardedRange *
neva_fault_guard_add (const void *start, gsize length)
{
  NevaGuardedRange *r;

  g_mutex_lock (&lock);
  r = take_slot ();
  atomic_store (&r->length, length);
  atomic_store (&r->hit, FALSE);
  atomic_store (&r->start, (uintptr_t) start);
  if (n_ranges++ == 0)
    install ();
  g_mutex_unlock (&lock);
  return r;
}

void
neva_fault_guard_release (NevaGuardedRange *range)
{
  g_mutex_lock (&lock);
  atomic_store (&range->start, 0);
  if (--n_ranges == 0)
    uninstall ();
  g_mutex_unlock (&lock);
}

gboolean
neva_fault_guard_hit (const NevaGuardedRange *range)
{
  return atomic_load (&range->hit);
}

guint
neva_fault_guard_count (void)
{
  return atomic_load_explicit (&hits, memory_order_relaxed);
}
