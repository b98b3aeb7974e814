/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this processor can do, as flags that select tiers of the kernel table.
 * Flags are cumulative in use: a tier's slots override those of the tiers
 * below it. flags = 0 gives the scalar reference. */
#ifndef NEVA_CPU_H
#define NEVA_CPU_H

enum {
  NEVA_CPU_AVX2 = 1u << 0,        /* AVX2, FMA, F16C */
  NEVA_CPU_AVX512 = 1u << 1,      /* F, BW, VL, DQ */
  NEVA_CPU_AVX512_VNNI = 1u << 2, /* int8 dot products */
  NEVA_CPU_AVX512_BF16 = 1u << 3, /* bf16 dot products */
  NEVA_CPU_AMX = 1u << 4          /* bf16 and int8 tiles, granted by the OS */
};

/* The flags of the running processor. Thread-safe, no side effect but asking
 * the OS once for the use of tiles. */
unsigned neva_cpu_flags (void);

#endif /* NEVA_CPU_H */
