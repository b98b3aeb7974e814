/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tiles keep their sums in registers only where the compiler knows how many
 * rows there are. */
#ifndef NEVA_CONSTANT_ROWS_H
#define NEVA_CONSTANT_ROWS_H

/* tile (..., rows), with a constant for each number of 1..6 rows. */
#define NEVA_CONSTANT_ROWS(rows, tile, ...)                                    \
  do {                                                                         \
    switch (rows) {                                                            \
      case 1:                                                                  \
        tile (__VA_ARGS__, 1);                                                 \
        break;                                                                 \
      case 2:                                                                  \
        tile (__VA_ARGS__, 2);                                                 \
        break;                                                                 \
      case 3:                                                                  \
        tile (__VA_ARGS__, 3);                                                 \
        break;                                                                 \
      case 4:                                                                  \
        tile (__VA_ARGS__, 4);                                                 \
        break;                                                                 \
      case 5:                                                                  \
        tile (__VA_ARGS__, 5);                                                 \
        break;                                                                 \
      case 6:                                                                  \
        tile (__VA_ARGS__, 6);                                                 \
        break;                                                                 \
    }                                                                          \
  } while (0)

#endif /* NEVA_CONSTANT_ROWS_H */
