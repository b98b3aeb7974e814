/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "progress.h"

#define BAR 24
#define DEFAULT_COLUMNS 80

void
progress_init (Progress *self, gboolean quiet, const char *noun)
{
  *self = (Progress){.noun = noun, .on = !quiet && isatty (STDERR_FILENO)};
}

static int
columns (void)
{
  struct winsize size;

  return ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
             ? size.ws_col
             : DEFAULT_COLUMNS;
}

void
progress_show (Progress *self, double fraction, const char *what,
    const char *file, guint count)
{
  char bar[BAR + 1];
  g_autofree char *line = NULL;
  const int width = columns () - 1;

  if (!self->on)
    return;

  memset (bar, ' ', BAR);
  bar[BAR] = '\0';
  if (fraction >= 0) {
    memset (bar, '#', (gsize) (CLAMP (fraction, 0, 1) * BAR));
    line = g_strdup_printf ("[%s] %3d%%  %s  %u %s%s  %s", bar,
        (int) (CLAMP (fraction, 0, 1) * 100), what, count, self->noun,
        count == 1 ? "" : "s", file);
  } else {
    bar[self->turn++ % BAR] = '#';
    line = g_strdup_printf ("[%s]       %s  %u %s%s  %s", bar, what, count,
        self->noun, count == 1 ? "" : "s", file);
  }
  if (g_utf8_validate (line, -1, NULL) && g_utf8_strlen (line, -1) > width)
    *g_utf8_offset_to_pointer (line, width) = '\0';
  fprintf (stderr, "\r\033[K%s", line);
  fflush (stderr);
  self->shown = TRUE;
}

void
progress_hide (Progress *self)
{
  if (!self->shown)
    return;

  fputs ("\r\033[K", stderr);
  fflush (stderr);
  self->shown = FALSE;
}
