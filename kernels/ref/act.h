/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The activations in double: the yardstick for `activate`, `act_mul` and the
 * epilogue of matmul. */
#ifndef NEVA_REF_ACT_H
#define NEVA_REF_ACT_H

#include <math.h>
#include "matmul.h"

static inline double
neva_act_f64 (double x, NevaAct a)
{
  switch (a) {
    case NEVA_ACT_NONE:
      return x;
    case NEVA_ACT_GELU_ERF:
      return x / 2 * erfc (-x * M_SQRT1_2); /* 1 + erf, without cancellation */
    case NEVA_ACT_GELU_TANH:
      /* x/2 (1 + tanh(u)) = x sigmoid(2u), again without cancellation */
      return x / (1 + exp (-sqrt (8 / M_PI) * (x + 0.044715 * x * x * x)));
    case NEVA_ACT_GELU_QUICK:
      return x / (1 + exp (-1.702 * x));
    case NEVA_ACT_SILU:
      return x / (1 + exp (-x));
    case NEVA_ACT_RELU2:
      return x < 0 ? 0 : x * x; /* a NaN stays one */
  }
  return x;
}

#endif /* NEVA_REF_ACT_H */
