/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one model of all streams: loaded before the first of them starts, held
 * until the end, and asked how busy it is. */
#ifndef NEVA_LIVE_MODEL_H
#define NEVA_LIVE_MODEL_H

#include "hub.h"

typedef struct _Model Model;

/* Begins to load. options: borrowed, must stay. NULL with a message. */
Model *model_new (const Options *options);
/* Stops loading, too. */
void model_free (Model *model);

typedef enum { MODEL_LOADING, MODEL_READY, MODEL_UNUSABLE } ModelState;

/* Waits until the state is known, but no longer than `wait`. *percent: how far
 * loading is. *message: (transfer full) why it is unusable. */
ModelState model_wait (
    Model *model, GstClockTime wait, int *percent, char **message);

/* Fills what the model knows; rates since the last call. */
void model_measure (Model *model, HubLoad *load);

#endif /* NEVA_LIVE_MODEL_H */
