/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "ref.h"

static double
act_f64 (double x, NevaAct a)
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

NEVA_DECL_ACTIVATE (neva_activate_c)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = (float) act_f64 (x[i], act);
}

NEVA_DECL_ACT_MUL (neva_act_mul_c)
{
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < dim; i++)
      dst[r * ldd + i] =
          (float) (act_f64 (gate[r * ldg + i], act) * up[r * ldu + i]);
}
