/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks to switch between. The first entry into a fiber goes through ucontext;
 * after that the compiler's own __builtin_setjmp and __builtin_longjmp save
 * what a function call does not (frame, stack and code pointers) and nothing
 * that needs the kernel: some ten nanoseconds. */
#include "emu.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <ucontext.h>

#if NEVA_EMU_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define NO_ASAN __attribute__ ((noinline, no_sanitize ("address")))

namespace neva_emu
{
static const size_t stack_bytes = 128 << 10;

struct Fiber {
  void *context[5];
  const void *stack; /* lowest address */
  size_t bytes;
  void *fake; /* the address sanitizer's */
  void (*entry) ();
  bool started;
  ucontext_t first;
  Fiber *older; /* all there are: none is freed */
};

static Fiber launcher;
static Fiber *current, *newest;

static inline void
leave (Fiber *from, const Fiber *to)
{
#if NEVA_EMU_ASAN
  __sanitizer_start_switch_fiber (&from->fake, to->stack, to->bytes);
#else
  (void) from, (void) to;
#endif
}

static inline void
arrive (Fiber *here, bool from_launcher)
{
#if NEVA_EMU_ASAN
  const void *stack;
  size_t bytes;

  __sanitizer_finish_switch_fiber (here->fake, &stack, &bytes);
  if (from_launcher) {
    launcher.stack = stack;
    launcher.bytes = bytes;
  }
#else
  (void) here, (void) from_launcher;
#endif
}

static Fiber *came_from;

static NO_ASAN void
start ()
{
  arrive (current, came_from == &launcher);
  current->entry ();
  abort ();
}

static NO_ASAN void
jump (Fiber *to)
{
  if (to->started)
    __builtin_longjmp (to->context, 1);
  to->started = true;
  setcontext (&to->first);
  abort ();
}

static NO_ASAN void
switch_to (Fiber *to)
{
  leave (current, to);
  came_from = current;
  current = to;
  if (__builtin_setjmp (came_from->context) == 0)
    jump (to);
  arrive (current, came_from == &launcher);
}

Fiber *
fiber_new (void (*entry) ())
{
  Fiber *f = new Fiber ();
  void *stack = mmap (nullptr, stack_bytes, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  /* the lowest page is a fence */
  if (stack == MAP_FAILED || mprotect (stack, 4096, PROT_NONE)) {
    fprintf (stderr, "cudaemu: no memory for a stack\n");
    abort ();
  }
  f->stack = (char *) stack + 4096;
  f->bytes = stack_bytes - 4096;
  f->entry = entry;
  f->older = newest;
  newest = f;
  getcontext (&f->first);
  f->first.uc_stack.ss_sp = (char *) stack + 4096;
  f->first.uc_stack.ss_size = f->bytes;
  f->first.uc_link = nullptr;
  makecontext (&f->first, start, 0);
  return f;
}

void
fiber_enter (Fiber *first)
{
  launcher.started = true;
  current = &launcher;
  switch_to (first);
}

void
fiber_switch (Fiber *to)
{
  switch_to (to ? to : &launcher);
}

Fiber *
fiber_current ()
{
  return current;
}
} // namespace neva_emu
