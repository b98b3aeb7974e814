/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A matrix that was stored as codes, loaded whole or as a rank's part of it. */
#ifndef NEVA_TEST_CODED_MATRIX_H
#define NEVA_TEST_CODED_MATRIX_H

#include "model/weights.h"

typedef struct {
  NevaWeights mode;
  NevaSplit split;
  guint rank, ranks;
} How;

/* The matrix [rows, columns] "layers.0.x.weight" of the language model. meant:
 * it is said to have 8-bit codes. Returns: what m belongs to; NULL with error.
 */
static inline NevaWeightStore *
load_coded (NevaTensorSource *source, NevaBackend *backend,
    NevaAwqLayout layout, gboolean meant, const How *how, gsize rows,
    gsize columns, NevaMatrix *m, GError **error)
{
  NevaWeightStore *s =
      neva_weights_new (source, how->mode, backend, NULL, NULL, NULL);
  const guint down = how->split == NEVA_SPLIT_ROWS ? how->ranks : 1;
  const guint across = how->split == NEVA_SPLIT_COLUMNS ? how->ranks : 1;

  neva_weights_set_codes (s, layout, meant, FALSE);
  neva_weights_set_rank (s, how->rank, how->ranks);
  neva_weights_matrix_part (s, m, NEVA_ROLE_TEXT, how->split, rows / down,
      columns / across, NEVA_PART_TEXT, "layers.0.x.weight");
  if (neva_weights_finish (s, error))
    return s;
  neva_weights_free (s);
  return NULL;
}

#endif /* NEVA_TEST_CODED_MATRIX_H */
