/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "priority.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"

#define MOST 19

static gint wanted; /* atomic */

void
neva_set_nice (gint nice)
{
  g_atomic_int_set (&wanted, CLAMP (nice, 0, MOST));
}

static gint
nice_wanted (void)
{
  const char *text = g_getenv ("NEVA_NICE");
  gint64 nice;

  if (!text || !*text)
    return g_atomic_int_get (&wanted);
  if (g_ascii_string_to_signed (text, 10, 0, MOST, &nice, NULL))
    return (gint) nice;
  neva_warning ("NEVA_NICE=%s is not a number from 0 to %d", text, MOST);
  return g_atomic_int_get (&wanted);
}

void
neva_priority_compute (void)
{
#ifdef __linux__
  const gint more = nice_wanted ();
  int nice;

  if (!more)
    return;
  errno = 0;
  /* The process's: a thread that steps back may have started this one. */
  nice = getpriority (PRIO_PROCESS, (id_t) getpid ());
  if (nice == -1 && errno)
    return;
  /* Raising it needs no privilege. */
  setpriority (PRIO_PROCESS, (id_t) gettid (), MIN (nice + more, MOST));
#endif
}
