/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include "common/progress.h"
#include "console.h"

static GMutex lock;
static Progress progress; /* lock */

void
console_init (gboolean quiet)
{
  progress_init (&progress, quiet, "row");
}

void
console_complain (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_mutex_lock (&lock);
  progress_hide (&progress);
  g_printerr ("neva-eval: %s\n", text);
  g_mutex_unlock (&lock);
}

void
console_progress (
    double fraction, const char *what, const char *file, guint rows)
{
  g_mutex_lock (&lock);
  progress_show (&progress, fraction, what, file, rows);
  g_mutex_unlock (&lock);
}

void
console_answer (
    gsize number, gsize of, const char *full_text, const char *answer)
{
  g_mutex_lock (&lock);
  progress_hide (&progress);
  printf ("------------- PROMPT %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
          " ------------ \n%s\n\nCLEAN RESPONSE: %s\n"
          "---------------------------------------------\n\n",
      number, of, full_text, answer);
  fflush (stdout);
  g_mutex_unlock (&lock);
}

void
console_finish (void)
{
  g_mutex_lock (&lock);
  progress_hide (&progress);
  g_mutex_unlock (&lock);
}
