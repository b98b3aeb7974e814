/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of the inputs of a model's linear layers, and the backend
 * that looks at them. */
#ifndef NEVA_CALIBRATION_H
#define NEVA_CALIBRATION_H

#include <neva/quantize.h>
#include "backend/backend.h"
#include "model/config.h"
#include "model/weights.h"

/* Rows that are kept, each of all as likely as any other. */
#define NEVA_SAMPLE_ROWS 256

/* Of one place (quantize/sites.h). */
typedef struct {
  gsize k;
  guint64 rows;  /* seen */
  double *sum;   /* [k] of |x| */
  float *max;    /* [k] of |x| */
  float *sample; /* [n_sample][k]; NULL: none yet */
  gsize n_sample;
  gsize room, most; /* rows that are allocated; that may be: NEVA_SAMPLE_ROWS,
                       or 0 until the first row, less when memory is short */
  guint64 state;    /* of the draws: the same rows give the same sample */
} NevaInput;

/* Rows x [m, k] on the host. */
void neva_input_look (NevaInput *input, const float *x, gsize ldx, gsize m);

/* A model of that configuration is about to be loaded, on `backend` (transfer
 * full). Returns: (transfer full): `backend` that lets the calibration see what
 * its products are given. */
NevaBackend *neva_calibration_attach (
    NevaCalibration *c, const NevaConfig *config, NevaBackend *backend);
/* A NevaWatchFunc of the model's weights. */
void neva_calibration_watch (
    NevaPart part, const char *name, const NevaMatrix *m, gpointer c);
/* The model's matrices are gone, or about to be. */
void neva_calibration_detach (NevaCalibration *c);

/* What the matrix of that name was given (NevaSite.watched). NULL: it was not
 * looked at. Valid while no model is attached and `c` lives. */
const NevaInput *neva_calibration_find (NevaCalibration *c, const char *name);
/* The input of a matrix, and whether one is watched. Any thread. */
void neva_calibration_look (NevaCalibration *c, NevaBackend *backend,
    const NevaMatrix *m, const float *x, gsize ldx, gsize rows);

/* ---- observer.c ---- */

/* Does what `inner` (transfer full) does. */
NevaBackend *neva_observer_new (NevaBackend *inner, NevaCalibration *c);

#endif /* NEVA_CALIBRATION_H */
