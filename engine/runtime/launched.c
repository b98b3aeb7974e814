/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Apart from parallel.c, which brings MPI into whatever is linked with it. */
#include "config.h"
#include <neva/parallel.h>
#include "backend/comm.h"
#include "runtime/launched.h"

/* How launchers tell a process that it is one of several. */
static const char *const size_names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
    "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS"};

static const char *const rank_names[] = {
    "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"};

guint
neva_parallel_launched_size (void)
{
  guint64 size = 1;

  for (gsize i = 0; i < G_N_ELEMENTS (size_names); i++) {
    const char *text = g_getenv (size_names[i]);
    guint64 n;

    if (text && g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT, &n, NULL))
      size = MAX (size, n);
  }
  return (guint) size;
}

gboolean
neva_parallel_launched (void)
{
  return neva_parallel_launched_size () > 1;
}

guint
neva_parallel_launched_rank (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rank_names); i++) {
    const char *text = g_getenv (rank_names[i]);
    guint64 n;

    if (neva_parallel_launched () && text &&
        g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT, &n, NULL))
      return (guint) n;
  }
  return 0;
}

NevaTeam *
neva_parallel_get_team (void)
{
  return neva_comm_team ();
}

void
neva_parallel_use_team (NevaTeam *other)
{
  neva_comm_set_team (other);
}
