/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "choice.h"

#define NS_PER_S UINT64_C (1000000000)

uint64_t
neva_choice_distinct (NevaChoice choice, uint64_t length, uint64_t n)
{
  if (length == 0)
    return 0;

  switch (choice) {
    case NEVA_CHOICE_UNIFORM:
      return length < n ? length : n;
    case NEVA_CHOICE_FIRST:
    case NEVA_CHOICE_MIDDLE:
    case NEVA_CHOICE_LAST:
      return 1;
    case NEVA_CHOICE_ALL:
      return length;
  }
  return 0;
}

uint64_t
neva_choice_count (NevaChoice choice, uint64_t length, uint64_t n)
{
  return choice == NEVA_CHOICE_UNIFORM
             ? n
             : neva_choice_distinct (choice, length, n);
}

static uint64_t
linspace_index (uint64_t length, uint64_t m, uint64_t k)
{
  double step;

  if (m < 2)
    return 0;
  if (k >= m - 1)
    return length - 1; /* the end point is assigned, not computed */
  step = (double) (length - 1) / (double) (m - 1);
  return (uint64_t) ((double) k * step);
}

uint64_t
neva_choice_index (NevaChoice choice, uint64_t length, uint64_t n, uint64_t k)
{
  if (length == 0)
    return 0;

  switch (choice) {
    case NEVA_CHOICE_UNIFORM:
      return linspace_index (
          length, neva_choice_distinct (choice, length, n), k);
    case NEVA_CHOICE_FIRST:
      return 0;
    case NEVA_CHOICE_MIDDLE:
      return length / 2;
    case NEVA_CHOICE_LAST:
      return length - 1;
    case NEVA_CHOICE_ALL:
      return k;
  }
  return 0;
}

uint64_t
neva_choice_grid_length (
    uint64_t first_ns, uint64_t end_ns, unsigned fps_n, unsigned fps_d)
{
  unsigned __int128 scaled, unit, length;

  if (first_ns >= end_ns || fps_n == 0 || fps_d == 0)
    return 0;

  /* Times are truncated to ns, and floor (x) < d is x < d for whole d. */
  scaled = (unsigned __int128) (end_ns - first_ns) * fps_n;
  unit = (unsigned __int128) NS_PER_S * fps_d;
  length = (scaled + unit - 1) / unit;
  return length > UINT64_MAX ? UINT64_MAX : (uint64_t) length;
}

uint64_t
neva_choice_grid_offset (uint64_t index, unsigned fps_n, unsigned fps_d)
{
  unsigned __int128 unit = (unsigned __int128) NS_PER_S * fps_d;
  unsigned __int128 ns;

  if (fps_n == 0)
    return 0;
  /* index < 2^64 and unit < 2^62: the product fits 128 bits. */
  ns = index * unit / fps_n;
  return ns > UINT64_MAX ? UINT64_MAX : (uint64_t) ns;
}
