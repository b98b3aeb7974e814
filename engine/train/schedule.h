/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NeMo's CosineAnnealing (spec 6.2):
 *
 *   lr |   /‾‾\__             step <= w: lr (step + 1) / (w + 1)
 *      |  /      \__          step <= M: min + (lr - min) ½ (1 + cos (π x)),
 *  min | /          \____       x = (step - w) / (M - w)
 *      +--|----------|---     step > M: min
 *         w          M                                                     */
#ifndef NEVA_TRAIN_SCHEDULE_H
#define NEVA_TRAIN_SCHEDULE_H

#include <glib.h>

typedef struct {
  double lr, min_lr;
  guint64 warmup_steps, max_steps; /* w, M */
} NevaSchedule;

/* The learning rate of a step, counted from 0. */
double neva_schedule_lr (const NevaSchedule *schedule, guint64 step);

#endif /* NEVA_TRAIN_SCHEDULE_H */
