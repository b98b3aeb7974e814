/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the process takes of the machine. */
#ifndef NEVA_LIVE_LOAD_H
#define NEVA_LIVE_LOAD_H

#include "hub.h"

typedef struct {
  gint64 cpu, at; /* of the last sample, µs */
} LoadMeter;

/* Fills cpu and memory; cpu since the last call. */
void load_measure (LoadMeter *meter, HubLoad *load);

#endif /* NEVA_LIVE_LOAD_H */
