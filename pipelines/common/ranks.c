/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ranks.h"

gboolean
ranks_parse (RanksParseFunc parse, int argc, char **argv, gpointer data)
{
  const int out = dup (STDOUT_FILENO), err = dup (STDERR_FILENO);
  const int null = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  const gboolean mute =
      neva_parallel_launched_rank () > 0 && out >= 0 && err >= 0 && null >= 0;
  gboolean ok;

  if (mute) {
    dup2 (null, STDOUT_FILENO);
    dup2 (null, STDERR_FILENO);
  }
  ok = parse (argc, argv, data);
  if (mute) {
    fflush (stdout);
    dup2 (out, STDOUT_FILENO);
    dup2 (err, STDERR_FILENO);
  }
  close (out);
  close (err);
  close (null);
  return ok;
}

gboolean
ranks_join (guint tensor_parallel, guint pipeline_parallel, int usage,
    NevaParallel *parallel)
{
  g_autoptr (GError) error = NULL;

  if (neva_parallel_start (
          tensor_parallel, pipeline_parallel, parallel, &error))
    return TRUE;
  if (neva_parallel_launched_rank () == 0)
    g_printerr ("%s: %s\n", g_get_prgname (), error->message);
  neva_parallel_stop (TRUE, usage);
  return FALSE;
}

int
ranks_serve (const NevaParallel *parallel, int failed)
{
  g_autoptr (GError) error = NULL;
  gboolean well;

  signal (SIGINT, SIG_IGN); /* the leader ends the work in good order */
  signal (SIGTERM, SIG_IGN);
  well = neva_parallel_serve (&error);
  if (!well)
    g_printerr ("%s: process %u: %s\n", g_get_prgname (), parallel->rank,
        error->message);
  neva_parallel_stop (well, failed);
  return well ? EXIT_SUCCESS : failed;
}
