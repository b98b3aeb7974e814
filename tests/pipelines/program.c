/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <sys/wait.h>
#include "program.h"

const char *program, *program_folder;

void
result_clear (Result *r)
{
  g_free (r->out);
  g_free (r->err);
}

char **
program_arguments (const char *text)
{
  g_autofree char *all = g_strconcat (program, "|", text, NULL);

  return g_strsplit (all, "|", -1);
}

Result
run (const char *format, ...)
{
  Result r = {.code = -1};
  g_autofree char *text = NULL;
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  va_list args;
  int status;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  argv = program_arguments (text);
  if (g_spawn_sync (program_folder, argv, NULL, 0, NULL, NULL, &r.out, &r.err,
          &status, &error))
    r.code = WIFEXITED (status) ? WEXITSTATUS (status) : 1000 + status;
  else
    printf ("%s: %s\n", program, error->message);
  return r;
}

gboolean
make_media (const char *description)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (description, &error);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;

  if (!pipeline || error) {
    printf ("%s\n", error ? error->message : description);
    return FALSE;
  }
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, 120 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
}
