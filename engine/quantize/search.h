/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scale for each input channel of linear layers that share an input.
 *
 * AWQ (Lin et al., 2023, equations 4 and 5): s = mean |x| ^ alpha, with the
 * alpha of 0, 0.1, … 1 for which, over the sample of inputs,
 *
 *   sum of (Q (W diag (s)) (x / s) - W x)^2
 *
 * over all outputs of all the layers is least; s is divided by the root of its
 * largest times its smallest. A channel in which nothing was seen keeps 1.
 *
 * SmoothQuant (Xiao et al., 2022, equation 4), alpha 1/2:
 *
 *   s = max |x| ^ alpha / max |W| ^ (1 - alpha) */
#ifndef NEVA_SEARCH_H
#define NEVA_SEARCH_H

#include "quantize/calibration.h"
#include "quantize/sites.h"

#define NEVA_AWQ_STEPS 11
#define NEVA_SMOOTH_ALPHA 0.5f

typedef struct {
  gsize k;
  float *scales;               /* [NEVA_AWQ_STEPS][k] */
  double loss[NEVA_AWQ_STEPS]; /* of the layers so far */
  NevaBackend *backend;        /* borrowed */
  const NevaInput *input;      /* borrowed */
} NevaAwqSearch;

/* input->rows > 0. */
void neva_awq_search_init (NevaAwqSearch *search, const NevaSite *site,
    const NevaInput *input, NevaBackend *backend);
/* W [n, k] of one of the layers; k is whole groups. */
gboolean neva_awq_search_add (
    NevaAwqSearch *search, const float *w, gsize n, GError **error);
/* The best alpha in tenths; the smaller of equals. */
guint neva_awq_search_best (const NevaAwqSearch *search);
void neva_awq_search_clear (NevaAwqSearch *search);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaAwqSearch, neva_awq_search_clear)

/* most [k]: the largest |W| of each column, grows. */
void neva_column_max (float *most, const float *w, gsize n, gsize k);
/* most becomes s. */
void neva_smooth_scales (
    const NevaSite *site, float *most, const NevaInput *input);

#endif /* NEVA_SEARCH_H */
