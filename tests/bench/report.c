/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <time.h>
#include "report.h"

static void
number (const char *name, double v)
{
  if (v > 0)
    printf (", \"%s\": %.4g", name, v);
  else
    printf (", \"%s\": null", name);
}

void
bench_report (
    const char *name, double value, const char *unit, double limit, double peer)
{
  printf ("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"", name, value,
      unit);
  number ("limit", limit);
  number ("peer", peer);
  printf ("}\n");
  fflush (stdout);
}

double
bench_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + t.tv_nsec * 1e-9;
}
