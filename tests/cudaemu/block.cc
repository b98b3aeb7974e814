/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the blocks of a launch, and the threads of a block as fibers.
 *
 *   not begun --a fiber takes it--> running --barrier, collective--> waiting
 *                                      |  ^                             |
 *                                      |  '------- drawn <-- ready <----'
 *                                      '--> ended: its fiber takes the next one
 *
 * A kernel that never waits needs one fiber for all threads of a block. */
#include "emu.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace neva_emu
{
/* Lanes that come together. */
struct Meeting {
  unsigned mask, arrived;
  const char *what;
  void *slots[32];
  Thread *threads[32];
};

struct Warp {
  unsigned lanes; /* that exist */
  std::vector<Meeting> meetings;
};

struct Thread {
  uint3 index;
  unsigned lane;
  Warp *warp;
  Fiber *fiber; /* while it runs or waits */
  Copies *copies;
  bool begun, ended;
};

Thread *self;
uint3 *thread_index;
uint3 block_index;
dim3 block_dim, grid_dim;

/* Never destroyed, nor what follows: at exit other threads may still run. */
static struct Running {
  const char *name;
  const std::function<void ()> *body;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<unsigned> order; /* of threads */
  unsigned next, ended;        /* order[next] begins next */
  std::vector<Thread *> ready, at_barrier;
  std::vector<Fiber *> idle;
  bool stopping;
  Counters counters;
} &block = *new Running ();

static std::mutex &launch_lock = *new std::mutex; /* one launch at a time */
static auto &all_counters = *new std::map<std::string, Counters>;

/* ---- Chance ------------------------------------------------------------- */

static uint64_t rng;

void
set_seed (uint64_t seed)
{
  rng = seed * 0x9e3779b97f4a7c15u + 0x1234567;
}

uint32_t
draw (uint32_t below)
{
  if (!rng) {
    const char *seed = getenv ("NEVA_CUDAEMU_SEED");

    set_seed (seed ? strtoull (seed, nullptr, 10) : 1);
  }
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (uint32_t) ((rng >> 32) * below >> 32);
}

static void
shuffle_order (std::vector<unsigned> &order, unsigned n)
{
  order.resize (n);
  for (unsigned i = 0; i < n; i++) {
    const unsigned j = draw (i + 1);

    order[i] = order[j];
    order[j] = i;
  }
}

/* ---- Faults ------------------------------------------------------------- */

static void
set_fault (const char *text)
{
  char where[160];

  if (self)
    snprintf (where, sizeof where,
        "%s, block (%u,%u,%u), thread (%u,%u,%u): ", block.name, block_index.x,
        block_index.y, block_index.z, self->index.x, self->index.y,
        self->index.z);
  else
    snprintf (where, sizeof where, "%s: ", block.name);
  set_sticky (cudaErrorLaunchFailure, std::string (where) + text);
  block.stopping = true;
}

void
fault (const char *format, ...)
{
  char text[400];
  va_list args;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  set_fault (text);
  throw Stop ();
}

/* ---- Threads ------------------------------------------------------------ */

static void worker ();

static Fiber *
idle_fiber ()
{
  Fiber *f;

  if (block.idle.empty ())
    return fiber_new (worker);
  f = block.idle.back ();
  block.idle.pop_back ();
  return f;
}

/* Who runs next: a thread that is ready, one that has not begun, or, when there
 * is none, the launching thread (NULL). */
static Fiber *
pick ()
{
  const unsigned ready = (unsigned) block.ready.size ();
  const unsigned fresh =
      block.stopping ? 0 : (unsigned) block.order.size () - block.next;
  uint32_t i;

  if (!ready && !fresh)
    return nullptr;
  i = draw (ready + fresh);
  if (i >= ready)
    return idle_fiber ();

  Thread *t = block.ready[i];

  block.ready[i] = block.ready.back ();
  block.ready.pop_back ();
  return t->fiber;
}

static void
suspend ()
{
  Thread *t = self;
  Fiber *next = pick ();

  if (next != t->fiber)
    fiber_switch (next);
  self = t;
  thread_index = &t->index;
  if (block.stopping)
    throw Stop ();
}

static void
run_thread (Thread *t)
{
  t->fiber = fiber_current ();
  t->begun = true;
  self = t;
  thread_index = &t->index;
  try {
    (*block.body) ();
  } catch (const Stop &) {
  }
  copies_free (t->copies);
  t->copies = nullptr;
  t->ended = true;
  block.ended++;
}

/* What every fiber does for ever. */
static void
worker ()
{
  for (;;) {
    while (block.next < block.order.size () && !block.stopping &&
           (block.ready.empty () || draw (2)))
      run_thread (&block.threads[block.order[block.next++]]);
    block.idle.push_back (fiber_current ());

    Fiber *next = pick ();

    if (next != fiber_current ())
      fiber_switch (next);
  }
}

void
barrier ()
{
  block.at_barrier.push_back (self);
  if (block.at_barrier.size () == block.threads.size ()) {
    block.ready.insert (
        block.ready.end (), block.at_barrier.begin (), block.at_barrier.end ());
    block.at_barrier.clear ();
  }
  suspend ();
}

/* ---- Warps -------------------------------------------------------------- */

unsigned
lane ()
{
  return self->lane;
}

static Meeting *
find_meeting (unsigned mask, const char *what)
{
  for (Meeting &m : self->warp->meetings)
    if (m.mask == mask) {
      if (m.what != what)
        fault ("lanes of mask %08x meet in %s and in %s", mask, m.what, what);
      return &m;
    }
  self->warp->meetings.push_back ({mask, 0, what, {}, {}});
  return &self->warp->meetings.back ();
}

static void
meet (unsigned mask, const char *what, void *slot,
    void (*work) (void *const *slots, const void *data), const void *data)
{
  const unsigned bit = 1u << self->lane;
  Meeting *m;

  mask &= self->warp->lanes;
  if (!(mask & bit))
    fault ("%s: lane %u is not in its own mask %08x", what, self->lane, mask);
  m = find_meeting (mask, what);
  m->slots[self->lane] = slot;
  m->threads[self->lane] = self;
  m->arrived |= bit;
  if (m->arrived == mask) {
    const Meeting all = *m;

    *m = self->warp->meetings.back ();
    self->warp->meetings.pop_back ();
    if (work)
      work (all.slots, data);
    for (unsigned i = 0; i < 32; i++)
      if (mask >> i & 1)
        block.ready.push_back (all.threads[i]);
  }
  suspend ();
}

void
together (const char *what, void *slot,
    void (*work) (void *const *slots, const void *data), const void *data)
{
  if (self->warp->lanes != 0xffffffffu)
    fault ("%s: the warp has not 32 threads", what);
  meet (0xffffffffu, what, slot, work, data);
}

static const char sync_name[] = "__syncwarp", ballot_name[] = "a vote",
                  shuffle_name[] = "a shuffle";

void
sync_warp (unsigned mask)
{
  meet (mask, sync_name, nullptr, nullptr, nullptr);
}

struct Exchange {
  uint64_t value, result;
  unsigned source;
};

static void
do_exchange (void *const *slots, const void *)
{
  for (unsigned i = 0; i < 32; i++) {
    Exchange *e = (Exchange *) slots[i];

    if (!e)
      continue;
    if (e->source >= 32 || !slots[e->source])
      fault ("a shuffle: lane %u reads lane %u, which takes no part", i,
          e->source);
    e->result = ((Exchange *) slots[e->source])->value;
  }
}

uint64_t
exchange (unsigned mask, uint64_t value, unsigned source)
{
  Exchange e = {value, 0, source};

  meet (mask, shuffle_name, &e, do_exchange, nullptr);
  return e.result;
}

static void
do_ballot (void *const *slots, const void *)
{
  unsigned bits = 0;

  for (unsigned i = 0; i < 32; i++)
    if (slots[i])
      bits |= (*(unsigned *) slots[i] & 1) << i;
  for (unsigned i = 0; i < 32; i++)
    if (slots[i])
      *(unsigned *) slots[i] = bits;
}

unsigned
ballot (unsigned mask, bool bit)
{
  unsigned slot = bit;

  meet (mask, ballot_name, &slot, do_ballot, nullptr);
  return slot;
}

Copies *&
copies_of_self ()
{
  return self->copies;
}

/* ---- Counters ----------------------------------------------------------- */

void
count_read (size_t bytes)
{
  block.counters.read += bytes;
}

void
count_written (size_t bytes)
{
  block.counters.written += bytes;
}

void
count_operations (size_t n)
{
  block.counters.operations += n;
}

void
count_call (const char *name, size_t nodes)
{
  const std::lock_guard<std::mutex> lock (launch_lock);
  Counters *c = &all_counters[name];

  c->launches++;
  c->operations += nodes;
}

Counters
counters (const char *name)
{
  const std::lock_guard<std::mutex> lock (launch_lock);

  return all_counters[name];
}

/* NEVA_CUDAEMU_REPORT=FILE: a line for each launcher when the process ends. */
static struct Report {
  ~Report ()
  {
    const char *path = getenv ("NEVA_CUDAEMU_REPORT");
    FILE *file = path ? fopen (path, "w") : nullptr;

    if (!file)
      return;
    fprintf (
        file, "launcher launches blocks threads read written operations\n");
    for (const auto &c : all_counters)
      fprintf (file, "%s %llu %llu %llu %llu %llu %llu\n", c.first.c_str (),
          (unsigned long long) c.second.launches,
          (unsigned long long) c.second.blocks,
          (unsigned long long) c.second.threads,
          (unsigned long long) c.second.read,
          (unsigned long long) c.second.written,
          (unsigned long long) c.second.operations);
    fclose (file);
  }
} report;

/* ---- Blocks ------------------------------------------------------------- */

static void
lay_out_threads (dim3 dim)
{
  const unsigned n = dim.x * dim.y * dim.z;

  block.threads.assign (n, Thread ());
  block.warps.assign ((n + 31) / 32, Warp ());
  for (unsigned i = 0; i < n; i++) {
    Thread *t = &block.threads[i];

    t->index = {i % dim.x, i / dim.x % dim.y, i / dim.x / dim.y};
    t->lane = i % 32;
    t->warp = &block.warps[i / 32];
    t->warp->lanes |= 1u << t->lane;
  }
}

static void
reset_threads ()
{
  for (Thread &t : block.threads)
    t.begun = t.ended = false;
  for (Warp &w : block.warps)
    w.meetings.clear ();
  block.at_barrier.clear ();
  block.ready.clear ();
}

/* Some threads wait for ever: say so, and let them unwind. */
static void
stop_waiting ()
{
  const unsigned waiting = (unsigned) block.threads.size () - block.ended;
  char text[200];

  self = nullptr;
  if (!block.stopping) {
    snprintf (text, sizeof text,
        "%u of %u threads wait (%u at a barrier) for threads that have ended "
        "or wait elsewhere",
        waiting, (unsigned) block.threads.size (),
        (unsigned) block.at_barrier.size ());
    set_fault (text);
  }
  for (Thread &t : block.threads)
    if (t.begun && !t.ended)
      block.ready.push_back (&t);
  if (!block.ready.empty ())
    fiber_enter (pick ());
}

static void
run_block (size_t dynamic_bytes)
{
  block.next = block.ended = 0;
  shuffle_order (block.order, (unsigned) block.threads.size ());
  reset_threads ();
  shared_begin (dynamic_bytes, 227 << 10);
  fiber_enter (pick ());
  if (block.ended < block.threads.size ())
    stop_waiting ();
  self = nullptr;
  try {
    shared_end ();
  } catch (const Stop &) {
  }
}

void
run_launch (const char *name, dim3 grid, dim3 dim, size_t shared_bytes,
    const std::function<void ()> &body)
{
  const std::lock_guard<std::mutex> lock (launch_lock);
  const size_t n = (size_t) grid.x * grid.y * grid.z;
  std::vector<unsigned> order;
  std::string broken;

  block.name = name;
  block.body = &body;
  block.stopping = false;
  block.counters = {1, n, n * dim.x * dim.y * dim.z, 0, 0, 0};
  block_dim = dim;
  grid_dim = grid;
  lay_out_threads (dim);
  shuffle_order (order, (unsigned) n);
  for (size_t i = 0; i < n && !block.stopping; i++) {
    const unsigned b = order[i];

    block_index = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
    run_block (shared_bytes);
  }
  self = nullptr;
  broken = broken_canary ();
  if (!broken.empty ())
    set_fault (broken.c_str ());

  Counters *c = &all_counters[name];

  c->launches += block.counters.launches;
  c->blocks += block.counters.blocks;
  c->threads += block.counters.threads;
  c->read += block.counters.read;
  c->written += block.counters.written;
  c->operations += block.counters.operations;
}
} // namespace neva_emu
