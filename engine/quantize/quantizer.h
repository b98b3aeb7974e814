/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of neva_quantize () know of each other.
 *
 *   quantize.c   the order of things
 *   scales.c     what each layer's channels are scaled by
 *   made.c       tensors of the result
 *   scheme.c     what config.json says of them */
#ifndef NEVA_QUANTIZER_H
#define NEVA_QUANTIZER_H

#include <neva/quantize.h>
#include "backend/backend.h"
#include "convert/origin.h"
#include "convert/out_tensor.h"
#include "quantize/calibration.h"
#include "quantize/sites.h"

typedef struct {
  NevaOrigin origin;
  const NevaQuantizeOptions *options;
  NevaCalibration *calibration; /* borrowed; NULL: none */
  GPtrArray *sites;             /* NevaSite */
  NevaBackend *backend;
  /* By name, without ".weight" or ".bias": */
  GHashTable *coded;   /* a set: linear layers that become codes */
  GHashTable *inputs;  /* NevaInput of coded layers, borrowed: FP8 */
  GHashTable *columns; /* GArray of float [k]: what columns are multiplied by */
  GHashTable *rows; /* GArray of float [n]: what rows, a norm are divided by */
  GHashTable *plus_one; /* a set: norms that are stored less one */
  GHashTable *remarks;  /* what is said of layers -> GPtrArray of their names */
  GPtrArray *made;      /* what out tensors are made of */
  struct _NevaMadeCodes *codes; /* of the matrix that is written */
} NevaQuantizer;

/* The tensor "stem.weight": [n, k], or [n] with k 0; any k with G_MAXSIZE. NULL
 * with error naming it. */
const NevaTensorView *neva_quantizer_view (
    const NevaQuantizer *q, const char *stem, gsize k, GError **error);
/* Its numbers, or another view's. (transfer full); NULL with error. */
float *neva_quantizer_read (
    const NevaQuantizer *q, const NevaTensorView *view, GError **error);
/* The part of the work that the search is, for progress. */
#define NEVA_SEARCH_SHARE 0.8

/* scales.c: fills coded, columns, rows and plus_one. progress: of all sites. */
gboolean neva_quantizer_scale (NevaQuantizer *q, GError **error);

/* made.c: the tensors of the result in place of those in `list`. (transfer
 * full), consumes it. */
NevaOutList *neva_quantizer_tensors (
    NevaQuantizer *q, NevaOutList *list, GError **error);
void neva_made_codes_free (struct _NevaMadeCodes *codes);
void neva_made_free (gpointer made);

/* scheme.c: quantization_config. (transfer full) */
JsonNode *neva_quantizer_scheme (
    const NevaQuantizer *q, const NevaOutList *source);

#endif /* NEVA_QUANTIZER_H */
