/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include "common/progress.h"
#include "console.h"

static GMutex lock;
static Progress progress; /* lock */
static gboolean forwards; /* lock */
static ConsoleFunc forward;
static gpointer forward_data;

void
console_init (gboolean quiet)
{
  progress_init (&progress, quiet, "row");
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
  line = g_strdup_printf ("neva-eval: %s\n", text);
  console_print (line, TRUE);
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
  g_autofree char *text = g_strdup_printf (
      "------------- PROMPT %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
      " ------------ \n%s\n\nCLEAN RESPONSE: %s\n"
      "---------------------------------------------\n\n",
      number, of, full_text, answer);

  console_print (text, FALSE);
}

void
console_finish (void)
{
  g_mutex_lock (&lock);
  progress_hide (&progress);
  g_mutex_unlock (&lock);
}
