/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the emulation know of each other, and what its tests may
 * ask. */
#ifndef NEVA_EMU_H
#define NEVA_EMU_H

#include <chrono>
#include <functional>
#include <string>
#include "include/emu_memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define NEVA_EMU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEVA_EMU_ASAN 1
#endif
#endif
#ifndef NEVA_EMU_ASAN
#define NEVA_EMU_ASAN 0
#endif

#if NEVA_EMU_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#endif

struct CUctx_st;

namespace neva_emu
{
/* Per launcher: what its launches did. */
struct Counters {
  uint64_t launches, blocks, threads, read, written, operations;
};

/* fibers.cc: a stack that can be left and come back to. The functions below run
 * under the lock of launches; `entry` never returns. */
struct Fiber;
Fiber *fiber_new (void (*entry) ());
void fiber_enter (Fiber *first); /* from the launching thread */
void fiber_switch (Fiber *to); /* from a fiber; NULL: to the launching thread */
Fiber *fiber_current ();

/* block.cc */
struct Stop {
}; /* thrown through every thread of a faulty launch */
void run_launch (const char *name, dim3 grid, dim3 block, size_t shared_bytes,
    const std::function<void ()> &body);
uint32_t draw (uint32_t below);
void set_seed (uint64_t seed);
Counters counters (const char *name);
void count_call (const char *name, size_t nodes); /* of graphs */

/* shared.cc: at the beginning and end of a block */
void shared_begin (size_t dynamic_bytes, size_t limit);
void shared_end ();

/* copies of one thread that nobody waited for */
struct Copies;
Copies *&copies_of_self ();
void copies_free (Copies *c);

/* memory.cc: between canaries; context: whose, NULL: pinned memory of the host;
 * ordered: by a stream.
 * give (): FALSE: it is not such memory. */
cudaError_t take (
    void **memory, size_t bytes, CUctx_st *context, bool ordered = false);
bool give (void *memory, bool device, bool ordered = false);
/* All of [p, p + bytes) is memory of that context. */
bool belongs_to (const void *p, size_t bytes, const CUctx_st *context);
/* memory.cc: a text that names memory whose canaries are broken, or NULL */
std::string broken_canary ();

/* stream.cc */
cudaError_t enqueue (cudaStream_t stream, std::function<void ()> work);
/* Work that is asked again until it is done: it waits for other devices. */
cudaError_t enqueue_poll (cudaStream_t stream, std::function<bool ()> poll);
/* Says, within such work, what this thread waits for. */
void waits_for (const std::string &what);
/* How long such work may take: then it is a deadlock. */
std::chrono::milliseconds deadline ();

/* device.cc */
void set_sticky (cudaError_t error, const std::string &text);
cudaError_t sticky ();
std::string sticky_text ();
void reset (); /* forget the sticky error: tests only */
int current_device ();
int device_count ();

/* nccl.cc: why a call that may wait for all GPUs of the process may wait for
 * ever now, or "" */
std::string nccl_in_flight ();

/* context.cc: the driver's contexts. Memory belongs to one, and kernels run in
 * a GPU's primary one. */
CUctx_st *primary_context (int device);
CUctx_st *new_context (int device);
int device_of (const CUctx_st *context);
/* The thread's stack of them; none: GPU 0's primary one. */
CUctx_st *current_context ();
bool push_context (CUctx_st *context);
CUctx_st *pop_context ();                /* NULL: there was none */
void set_context (CUctx_st *context);    /* in place of the current one */
bool forget_context (CUctx_st *context); /* FALSE: a primary one, or unknown */
} // namespace neva_emu

#endif /* NEVA_EMU_H */
