/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/error.h>
#include "log.h"

G_DEFINE_QUARK (neva - error - quark, neva_error)

static NevaLogFunc log_func;
static gpointer log_data;

void
neva_set_log_func (NevaLogFunc func, gpointer user_data)
{
  log_data = user_data;
  log_func = func;
}

void
neva_log (GLogLevelFlags level, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  if (!log_func && level > G_LOG_LEVEL_WARNING &&
      g_log_writer_default_would_drop (level, "neva"))
    return;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);

  if (log_func)
    log_func (level, message, log_data);
  else if (level > G_LOG_LEVEL_WARNING)
    g_log ("neva", level, "%s", message);
  else
    g_printerr ("neva: %s\n", message);
}
