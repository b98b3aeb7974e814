/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The places of a model where linear layers read a common input x [rows, k],
 * and the operation before that can take a scale of each channel:
 *
 *   (W diag(s)) (x / s) = W x
 *
 * Names are those of convert/origin.h, without ".weight". */
#ifndef NEVA_SITES_H
#define NEVA_SITES_H

#include "model/config.h"

typedef enum {
  NEVA_FOLD_NONE,   /* nothing can: x is a residual, or behind a GELU */
  NEVA_FOLD_NORM,   /* a norm's weight and bias, divided by s */
  NEVA_FOLD_VALUE,  /* rows of v_proj, seen through the attention: query heads
                       of a group share a value head, so s is theirs together */
  NEVA_FOLD_ROWS,   /* rows of a matrix whose result is only multiplied */
  NEVA_FOLD_SQUARED /* rows of a matrix before a squared ReLU, by sqrt (s) */
} NevaFold;

typedef struct {
  GPtrArray *linears; /* char *: all read x */
  char *watched;      /* the matrix whose input is looked at: sees all of x */
  char *router;       /* reads x, too, and is never quantised; NULL: none */
  gsize k;
  NevaFold fold;
  char *before;      /* what takes s; NULL: NONE */
  gboolean plus_one; /* NORM: what is stored is the weight less one */
  guint heads, kv_heads, head_dim; /* VALUE */
} NevaSite;

/* In the order of computation; layers that are not computed have none.
 * Returns: (transfer full) (element-type NevaSite). */
GPtrArray *neva_sites_new (const NevaConfig *config);

/* values [site->k], one for each channel of x, become what s can be made of:
 * VALUE: the mean, or the largest, of the heads that share it. */
void neva_site_share (const NevaSite *site, float *values, gboolean largest);

#endif /* NEVA_SITES_H */
