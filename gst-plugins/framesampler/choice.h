/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames of a clip are chosen: arithmetic only, no allocation, no
 * GStreamer. Pure functions, safe from any thread.
 *
 * A clip has `length` frames (L), counted from 0 in presentation order, and n
 * of them are asked for. Where the clip is shorter than n, every frame is
 * chosen once and the last one counts again until there are n. */
#ifndef NEVA_CHOICE_H
#define NEVA_CHOICE_H

#include <stdint.h>

typedef enum {
  NEVA_CHOICE_UNIFORM, /* n frames from the first to the last */
  NEVA_CHOICE_FIRST,   /* frame 0 */
  NEVA_CHOICE_MIDDLE,  /* frame L div 2 */
  NEVA_CHOICE_LAST,    /* frame L-1 */
  NEVA_CHOICE_ALL      /* every frame */
} NevaChoice;

/* Distinct frames chosen: min(L, n), 1 or L; 0 for L = 0. */
uint64_t neva_choice_distinct (NevaChoice choice, uint64_t length, uint64_t n);

/* Frames of the finished clip, repeats included: n, 1 or L. */
uint64_t neva_choice_count (NevaChoice choice, uint64_t length, uint64_t n);

/* Index of the k-th distinct frame, k < neva_choice_distinct (). UNIFORM is
 * NumPy's linspace (0, L-1, m) cast to integers, computed in double as NumPy
 * does: integer division gives other frames (L 123, m 15, k 7: 60, not 61). */
uint64_t neva_choice_index (
    NevaChoice choice, uint64_t length, uint64_t n, uint64_t k);

/* How many frames of a constant rate fps_n/fps_d, the first of them at
 * first_ns, begin before end_ns; 0 if first_ns >= end_ns or a rate is 0. */
uint64_t neva_choice_grid_length (
    uint64_t first_ns, uint64_t end_ns, unsigned fps_n, unsigned fps_d);

/* When frame `index` of that grid begins, ns after the first; saturates. */
uint64_t neva_choice_grid_offset (
    uint64_t index, unsigned fps_n, unsigned fps_d);

#endif /* NEVA_CHOICE_H */
