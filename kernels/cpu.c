/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "cpu.h"

unsigned
neva_cpu_flags (void)
{
  return 0;
}
