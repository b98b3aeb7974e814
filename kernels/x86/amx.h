/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tile registers: who configures them releases them before it returns, so that
 * other code finds the processor as usual. */
#ifndef NEVA_AMX_H
#define NEVA_AMX_H

#include <immintrin.h>
#include <stdint.h>

/* The four sums 0..3 = {A0 B0, A0 B1, A1 B0, A1 B1}, A 4 and 5, B 6 and 7. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} NevaTileConfig;

/* A tiles of rows0 and rows1 (0..16) rows, B tiles of 16; 64 bytes a row. */
static inline void
neva_tiles_configure (size_t rows0, size_t rows1)
{
  NevaTileConfig config = {.palette = 1};
  const uint8_t r0 = (uint8_t) rows0, r1 = (uint8_t) (rows1 ? rows1 : 1);
  const uint8_t rows[8] = {r0, r0, r1, r1, r0, r1, 16, 16};

  for (int i = 0; i < 8; i++) {
    config.row_bytes[i] = 64;
    config.rows[i] = rows[i];
  }
  /* gcc 12's intrinsic says that it reads 8 bytes: the other stores vanish */
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

#endif /* NEVA_AMX_H */
