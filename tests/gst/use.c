/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#include "use.h"

static guint
count_entries (const char *folder)
{
  DIR *dir = opendir (folder);
  guint n = 0;

  while (dir && readdir (dir))
    n++;
  if (dir)
    closedir (dir);
  return n;
}

Use
use_measure (void)
{
  unsigned long total, resident = 0;
  FILE *f;

  malloc_trim (0);
  f = fopen ("/proc/self/statm", "r");
  if (f) {
    if (fscanf (f, "%lu %lu", &total, &resident) != 2)
      resident = 0;
    fclose (f);
  }
  return (Use){.resident = resident * (gsize) sysconf (_SC_PAGESIZE),
      .threads = count_entries ("/proc/self/task"),
      .descriptors = count_entries ("/proc/self/fd")};
}

Use
use_settle (const Use *before)
{
  Use now = use_measure ();

  for (guint i = 0; i < 1000 && now.threads > before->threads; i++) {
    g_thread_pool_stop_unused_threads ();
    g_usleep (10000);
    now = use_measure ();
  }
  return now;
}
