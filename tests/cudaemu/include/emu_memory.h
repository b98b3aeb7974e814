/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared memory of emulated blocks, asynchronous copies, and what is counted.
 * kernels/cuda/launch.cuh and ptx.cuh give these their device names.
 *
 * Shared memory is filled with NEVA_EMU_POISON before each block. The pattern
 * is a signalling NaN as f32 and as bf16, which no arithmetic gives; a read
 * that finds it is a fault. Arrays are of Cell<T>, which looks at every element
 * that is read; wider reads (words, ldmatrix) go through check_read (). */
#ifndef NEVA_EMU_MEMORY_H
#define NEVA_EMU_MEMORY_H

#include "cuda_runtime.h"

#include <atomic>

#define NEVA_EMU_POISON 0x7fa57fa5u

namespace neva_emu
{
/* The array that the declaration `site` gives the running block. */
void *shared_array (const void *site, size_t bytes, size_t align);
/* The dynamic part that the launch asked for. */
void *shared_dynamic (size_t *bytes);
bool is_shared (const void *p);
/* A fault when the words of [p, p + bytes) in shared memory are all poison. */
void check_read (const void *p, size_t bytes);
/* A fault unless [p, p + bytes) lies in one array of the block and p is
 * aligned to `align`. */
void check_shared (const void *p, size_t bytes, size_t align);

/* cp.async: dst is poison until the wait. */
void copy_async (void *dst, const void *src, size_t bytes, size_t from_src);
void copy_commit ();
void copy_wait (unsigned but_the_last);

/* All lanes of the warp bring a slot; the last one calls `work` on all 32. */
void together (const char *what, void *slot,
    void (*work) (void *const *slots, const void *data), const void *data);

/* A fault when p is memory of a context that is not primary. */
extern std::atomic<int> n_foreign;
bool is_of_other_context (const void *p);
static inline void
check_context (const void *p)
{
  if (n_foreign && is_of_other_context (p))
    fault ("a load from memory of another context");
}

void count_read (size_t bytes);
void count_written (size_t bytes);
void count_operations (size_t n);

template <typename T> struct Cell {
  T value;

  operator T () const
  {
    if (sizeof (T) >= 2)
      check_element ();
    return value;
  }
  Cell &operator= (T x)
  {
    value = x;
    return *this;
  }
  Cell &operator= (const Cell &x)
  {
    value = (T) x;
    return *this;
  }
  Cell &operator+= (T x)
  {
    return *this = (T) ((T) * this + x);
  }
  Cell &operator*= (T x)
  {
    return *this = (T) ((T) * this * x);
  }

private:
  void check_element () const
  {
    constexpr size_t n = sizeof (T) < 4 ? sizeof (T) : 4;
    const uint32_t poison = NEVA_EMU_POISON;

    if (memcmp (&value, &poison, n) == 0)
      check_read (&value, sizeof (T));
  }
};
} // namespace neva_emu

#endif /* NEVA_EMU_MEMORY_H */
