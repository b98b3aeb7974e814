/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this machine can do at best, measured in the run whose figures are to be
 * compared: arithmetic that never leaves the registers, and reading memory. */
#ifndef MACHINE_LIMITS_H
#define MACHINE_LIMITS_H

/* GOP/s (a multiply-add counts as two) and GB/s. 0: the processor has no such
 * instruction. */
typedef struct {
  double f32;      /* fma, the widest vectors */
  double bf16_dot; /* vdpbf16ps */
  double bf16_tile;
  double int8_dot; /* vpdpbusd */
  double int8_tile;
  double read; /* from a buffer larger than the caches */
} Limits;

/* Takes about two seconds. `threads` run side by side. */
Limits limits_measure (unsigned threads);

/* The best way to multiply bf16 and 8-bit integers. Without bf16 instructions
 * the limit is that of f32, without 8-bit dot products it is twice that. */
double limits_bf16 (const Limits *l);
double limits_int8 (const Limits *l);

/* Reading only, `threads` at a time, for about 0.3 s: memory of shared machines
 * changes within minutes, so it is measured beside each figure. */
double limits_read (unsigned threads);

void limits_print (const Limits *l, unsigned threads);

#endif /* MACHINE_LIMITS_H */
