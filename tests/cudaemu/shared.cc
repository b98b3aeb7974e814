/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared memory of the running block: an arena whose arrays lie between fences,
 * and cp.async into it. */
#include "emu.h"

#include <cstdlib>
#include <vector>

namespace neva_emu
{
enum { FENCE = 64, ARENA = 1 << 19 };

struct Array {
  const void *site;
  char *data;
  size_t bytes;
};

static char *arena;
static size_t used, taken, limit, dynamic_bytes;
/* Never destroyed: at exit other threads may still run. [0]: the dynamic part.
 */
static auto &arrays = *new std::vector<Array>;

static void
fill (void *p, size_t bytes)
{
  const uint32_t poison = NEVA_EMU_POISON;

  for (size_t i = 0; i < bytes; i += 4)
    memcpy ((char *) p + i, &poison, bytes - i < 4 ? bytes - i : 4);
}

/* Arrays begin 128-byte aligned, a fence before and behind. */
static char *
take (const void *site, size_t bytes)
{
  char *data = arena + used + FENCE;
  const size_t whole = (bytes + 127) / 128 * 128;

  if (used + whole + 4 * FENCE > ARENA)
    fault ("more shared memory than any device has");
  taken += bytes;
  if (taken > limit)
    fault ("%zu bytes of shared memory, %zu allowed", taken, limit);
  used += whole + 2 * FENCE;
  ASAN_UNPOISON_MEMORY_REGION (data, bytes);
  fill (data, bytes);
#if !NEVA_EMU_ASAN
  memset (data - FENCE, 0xee, FENCE);
  memset (data + bytes, 0xee, arena + used - data - bytes);
#endif
  arrays.push_back ({site, data, bytes});
  return data;
}

void
shared_begin (size_t dynamic, size_t limit_bytes)
{
  if (!arena) {
    arena = (char *) aligned_alloc (128, ARENA);
    ASAN_POISON_MEMORY_REGION (arena, ARENA);
  }
  used = FENCE; /* so that data are at multiples of 128 */
  taken = 0;
  limit = limit_bytes;
  dynamic_bytes = dynamic;
  arrays.clear ();
  take (nullptr, dynamic);
}

void
shared_end ()
{
#if !NEVA_EMU_ASAN
  for (const Array &a : arrays)
    for (char *p = a.data + a.bytes; p < a.data + a.bytes + FENCE; p++)
      if (a.data[-(ptrdiff_t) (p - a.data - a.bytes) - 1] != (char) 0xee ||
          *p != (char) 0xee)
        fault ("a write beside a shared array of %zu bytes", a.bytes);
#endif
  ASAN_POISON_MEMORY_REGION (arena, used);
}

void *
shared_array (const void *site, size_t bytes, size_t align)
{
  if (align > 128)
    fault ("shared arrays are aligned to 128 at most");
  for (const Array &a : arrays)
    if (a.site == site)
      return a.data;
  return take (site, bytes);
}

void *
shared_dynamic (size_t *bytes)
{
  if (bytes)
    *bytes = dynamic_bytes;
  return arrays[0].data;
}

bool
is_shared (const void *p)
{
  return arena && (const char *) p >= arena && (const char *) p < arena + ARENA;
}

void
check_read (const void *p, size_t bytes)
{
  const uint32_t poison = NEVA_EMU_POISON;

  if (!is_shared (p))
    return;
  for (size_t i = 0; i < bytes; i += 4)
    if (memcmp ((const char *) p + i, &poison, bytes - i < 4 ? bytes - i : 4))
      return;
  fault ("a read of shared memory that was not written");
}

void
check_shared (const void *p, size_t bytes, size_t align)
{
  if ((uintptr_t) p % align)
    fault ("shared address not aligned to %zu", align);
  for (const Array &a : arrays)
    if ((const char *) p >= a.data &&
        (const char *) p + bytes <= a.data + a.bytes)
      return;
  fault ("%zu bytes that lie in no shared array", bytes);
}

/* ---- cp.async ----------------------------------------------------------- */

struct Copy {
  void *dst;
  const void *src;
  size_t bytes, from_src;
  unsigned group;
};

struct Copies {
  std::vector<Copy> pending;
  unsigned group; /* open */
};

void
copy_async (void *dst, const void *src, size_t bytes, size_t from_src)
{
  Copies *&c = copies_of_self ();

  check_shared (dst, bytes, bytes);
  if (from_src && (uintptr_t) src % bytes)
    fault ("cp.async from an address not aligned to %zu", bytes);
  if (from_src > bytes)
    fault ("cp.async of %zu bytes from %zu", bytes, from_src);
  if (!c)
    c = new Copies ();
  fill (dst, bytes);
  count_read (from_src);
  c->pending.push_back ({dst, src, bytes, from_src, c->group});
}

void
copy_commit ()
{
  Copies *&c = copies_of_self ();

  if (!c)
    c = new Copies ();
  c->group++;
}

void
copy_wait (unsigned but_the_last)
{
  Copies *c = copies_of_self ();
  size_t left = 0;

  if (!c)
    return;
  for (const Copy &p : c->pending) {
    if (p.group + but_the_last >= c->group) {
      c->pending[left++] = p;
      continue;
    }
    memcpy (p.dst, p.src, p.from_src);
    memset ((char *) p.dst + p.from_src, 0, p.bytes - p.from_src);
  }
  c->pending.resize (left);
}

void
copies_free (Copies *c)
{
  delete c;
}
} // namespace neva_emu
