/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "act.h"
#include "ref.h"

NEVA_DECL_ACTIVATE (neva_activate_c)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = (float) neva_act_f64 (x[i], act);
}

NEVA_DECL_ACT_MUL (neva_act_mul_c)
{
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < dim; i++)
      dst[r * ldd + i] =
          (float) (neva_act_f64 (gate[r * ldg + i], act) * up[r * ldu + i]);
}
