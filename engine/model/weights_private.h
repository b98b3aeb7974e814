/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What weights.c and weights_codes.c know of each other. */
#ifndef NEVA_WEIGHTS_PRIVATE_H
#define NEVA_WEIGHTS_PRIVATE_H

#include "weights.h"

struct _NevaWeightStore {
  NevaBackend *backend; /* borrowed */
  NevaTensorSource *source;
  NevaWeights mode;
  const char *prefix[3]; /* by NevaPart; static */
  GArray *matrices;      /* NevaMatrix */
  GArray *vectors;       /* its own */
  GPtrArray *parts;      /* copies that matrices use in place */
  guint rank, ranks;     /* of split tensors */
  guint64 bytes, done, total;
  NevaAwqLayout awq;
  gboolean int8, fp8;  /* 8-bit codes, E4M3 are meant */
  NevaDType text_type; /* of the decoder's matrices: the fewest bits */

  NevaWatchFunc watch;
  gpointer watch_data;
  NevaProgressFunc progress;
  gpointer user_data;
  GCancellable *cancellable;
  GError *fault;
};

/* Loads a matrix that the checkpoint stores as codes; FALSE: it does not.
 * Rank's part [n, k] of tensor `name`; sets the fault. */
gboolean neva_weights_load_codes (NevaWeightStore *s, NevaMatrix *m,
    NevaRole role, NevaSplit split, gsize n, gsize k, const char *name);
/* The store's from here on; bytes: of what is used in place. */
void neva_weights_keep (
    NevaWeightStore *s, const NevaMatrix *m, NevaRole role, gsize bytes);
/* A tensor was read: progress, and may it go on? */
void neva_weights_step (NevaWeightStore *s, const NevaTensorView *view);

#endif /* NEVA_WEIGHTS_PRIVATE_H */
