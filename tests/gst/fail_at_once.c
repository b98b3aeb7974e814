/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* With CK_FORK=no (a debugger, the thread sanitizer) check leaves a test that
 * failed by longjmp, while pipelines of it still run and hold locks; the next
 * test, or the end of the program, then waits for ever. From a thread of
 * GStreamer it even jumps into another stack. Here such a program ends at its
 * first failure.
 *
 * Takes the place of libgstcheck's function, whose prototype is left out
 * because it has changed; after `expr` come a format or NULL, its arguments,
 * and NULL. */
#include "config.h"
#include <dlfcn.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef void (*AssertFailed) (
    const char *file, int line, const char *expr, ...) G_GNUC_NORETURN;

void _ck_assert_failed (const char *file, int line, const char *expr,
    ...) G_GNUC_NORETURN __attribute__ ((visibility ("default")));

void
_ck_assert_failed (const char *file, int line, const char *expr, ...)
{
  AssertFailed original = (AssertFailed) dlsym (RTLD_NEXT, "_ck_assert_failed");
  g_autofree char *text = NULL;
  const char *format;
  va_list args;

  va_start (args, expr);
  format = va_arg (args, const char *);
  text = format ? g_strdup_vprintf (format, args) : g_strdup (expr);
  va_end (args);
  if (g_strcmp0 (g_getenv ("CK_FORK"), "no") != 0 && original)
    original (file, line, expr, "%s", text, NULL);
  fflush (stdout);
  fprintf (stderr, "%s:%d: %s\n", file, line, text);
  _exit (EXIT_FAILURE);
}
