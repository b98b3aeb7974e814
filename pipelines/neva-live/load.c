/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "load.h"

static gint64
used_cpu (void)
{
  struct rusage r;

  if (getrusage (RUSAGE_SELF, &r) != 0)
    return 0;
  return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * G_USEC_PER_SEC +
         r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

/* 0 where there is no /proc. */
static guint64
resident (void)
{
  unsigned long size, pages = 0;
  FILE *file = fopen ("/proc/self/statm", "re");

  if (file && fscanf (file, "%lu %lu", &size, &pages) != 2)
    pages = 0;
  if (file)
    fclose (file);
  return (guint64) pages * (guint64) sysconf (_SC_PAGESIZE);
}

void
load_measure (LoadMeter *self, HubLoad *load)
{
  const gint64 now = g_get_monotonic_time (), cpu = used_cpu ();

  load->memory = resident ();
  if (self->at > 0 && now > self->at)
    load->cpu = (double) (cpu - self->cpu) / (double) (now - self->at) /
                g_get_num_processors ();
  self->at = now;
  self->cpu = cpu;
}
