/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-limits [THREADS...]: prints the machine's limits. */
#include "config.h"
#include <stdlib.h>
#include <unistd.h>
#include "machine_limits.h"

static void
measure (unsigned threads)
{
  const Limits l = limits_measure (threads);

  limits_print (&l, threads);
}

int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    measure ((unsigned) strtoul (argv[i], NULL, 0));
  if (argc == 1) {
    measure (1);
    measure ((unsigned) sysconf (_SC_NPROCESSORS_ONLN));
  }
  return EXIT_SUCCESS;
}
