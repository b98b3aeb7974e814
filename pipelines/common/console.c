/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include "console.h"
#include "progress.h"

static GMutex lock;
static Progress progress; /* lock */
static gboolean forwards; /* lock */
static ConsoleFunc forward;
static gpointer forward_data;

void
console_init (gboolean quiet, const char *noun)
{
  progress_init (&progress, quiet, noun);
}

gboolean
console_shows_progress (void)
{
  return progress.on;
}

void
console_forward (ConsoleFunc func, gpointer data)
{
  g_mutex_lock (&lock);
  forwards = TRUE;
  forward = func;
  forward_data = data;
  g_mutex_unlock (&lock);
}

void
console_print (const char *text, gboolean error)
{
  g_mutex_lock (&lock);
  if (forwards) {
    if (forward)
      forward (text, error, forward_data);
  } else {
    progress_hide (&progress);
    if (error)
      g_printerr ("%s", text);
    else
      printf ("%s", text);
    fflush (stdout);
  }
  g_mutex_unlock (&lock);
}

void
console_complain (const char *format, ...)
{
  g_autofree char *text = NULL, *line = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  line = g_strdup_printf ("%s: %s\n", g_get_prgname (), text);
  console_print (line, TRUE);
}

void
console_progress (
    double fraction, const char *what, const char *file, guint count)
{
  g_mutex_lock (&lock);
  progress_show (&progress, fraction, what, file, count);
  g_mutex_unlock (&lock);
}

void
console_finish (void)
{
  g_mutex_lock (&lock);
  progress_hide (&progress);
  g_mutex_unlock (&lock);
}
