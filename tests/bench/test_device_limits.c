/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The limits of a GPU can be measured: sizes as small as the emulation's. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include "device_limits.h"

int
main (void)
{
  DeviceLimits limits = {0};
  const char *why = device_limits_measure (&limits, 0, 1, 32);

  printf ("copies %g GB/s, bf16 %g GOP/s: %s\n", limits.copy, limits.bf16,
      why ? why : "ok");
  if (why || !(limits.copy > 0) || !(limits.bf16 > 0))
    return EXIT_FAILURE;
  why = device_limits_measure (&limits, 7, 1, 32);
  printf ("GPU 7: %s\n", why ? why : "ok");
  return why ? EXIT_SUCCESS : EXIT_FAILURE;
}
