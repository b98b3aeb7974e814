/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "schedule.h"

double
neva_schedule_lr (const NevaSchedule *s, guint64 step)
{
  const double w = (double) s->warmup_steps, m = (double) s->max_steps;
  const double at = (double) step;

  if (s->warmup_steps > 0 && step <= s->warmup_steps)
    return s->lr * (at + 1) / (w + 1);
  if (step > s->max_steps || m <= w)
    return s->min_lr;
  return s->min_lr +
         (s->lr - s->min_lr) * 0.5 * (1 + cos (G_PI * (at - w) / (m - w)));
}
