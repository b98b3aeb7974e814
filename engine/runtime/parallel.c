/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/parallel.h>
#include "model/llava.h"
#include "runtime/launched.h"
#if HAVE_MPI
#include "backend/comm_mpi.h"
#include <unistd.h>
#endif

static NevaParallel self = {.size = 1, .groups = 1, .leads = TRUE};
static NevaTeam team; /* its comm: NULL before start () */
static NevaComm *leaders;
/* Of leader 0: [groups]; of another one: for its posts, for the answers. */
static NevaComm **links;

#if HAVE_MPI

static NevaComm *world;
static guint n_links;

/* mpirun may have bound the process to some cores: then those are its share. */
static guint
share_of_cores (void)
{
  const guint usable = g_get_num_processors ();
  const long all = sysconf (_SC_NPROCESSORS_ONLN);

  if (all > 0 && usable < (guint) all)
    return usable;
  return MAX (1, usable / neva_comm_mpi_local_size ());
}

static gboolean
split_world (guint per_group, GError **error)
{
  self.rank = world->rank;
  self.size = world->size;
  self.group = world->rank / per_group;
  self.groups = world->size / per_group;
  self.leads = world->rank % per_group == 0;
  self.threads = share_of_cores ();
  if (!(team.comm = neva_comm_split (world, self.group, error)) ||
      !(leaders = neva_comm_split (world, self.leads ? 0 : 1, error)))
    return FALSE;
  if (team.comm->size > 1)
    neva_comm_set_team (&team);
  n_links = !self.leads ? 0 : self.group ? 2 : self.groups;
  links = g_new0 (NevaComm *, n_links + 1);
  for (guint i = 0; i < n_links; i++)
    links[i] = neva_comm_mpi_link (leaders);
  return TRUE;
}

static gboolean
start (guint per_group, GError **error)
{
  world = neva_comm_mpi_start (NULL, NULL, error);
  if (!world)
    return FALSE;
  self.rank = world->rank;
  self.size = world->size;
  self.leads = world->rank == 0;
  if (world->size != neva_parallel_launched_size ()) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%u processes were started, MPI knows %u: is it another MPI's "
        "launcher?",
        neva_parallel_launched_size (), world->size);
    return FALSE;
  }
  if (world->size % per_group) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%u processes cannot be groups of %u (tensor x pipeline parallel)",
        world->size, per_group);
    return FALSE;
  }
  return split_world (per_group, error);
}

#else

static gboolean
start (guint per_group, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "started as one of %u processes, but this build has no MPI "
      "(meson setup -Dmpi=enabled)",
      neva_parallel_launched_size ());
  return FALSE;
}

#endif

gboolean
neva_parallel_start (guint tp, guint pp, NevaParallel *parallel, GError **error)
{
  const gboolean ok =
      !neva_parallel_launched () || start (MAX (tp, 1) * MAX (pp, 1), error);

  *parallel = self;
  return ok;
}

gboolean
neva_parallel_serve (GError **error)
{
  return neva_llava_serve (team.comm, error);
}

void
neva_parallel_stop (gboolean well, int code)
{
#if HAVE_MPI
  if (!world)
    return;
  if (well && self.leads && neva_comm_team ())
    well = neva_llava_dismiss (&team);
  neva_comm_set_team (NULL);
  if (!well) /* groups are freed together, and somebody is missing */
    neva_comm_mpi_stop (FALSE, code);
  for (guint i = 0; i < n_links; i++)
    neva_comm_free (links[i]);
  g_clear_pointer (&links, g_free);
  g_clear_pointer (&leaders, neva_comm_free);
  g_clear_pointer (&team.comm, neva_comm_free);
  g_clear_pointer (&world, neva_comm_free);
  neva_comm_mpi_stop (TRUE, code);
#endif
}

gboolean
neva_parallel_agree (GError *own, GError **error)
{
  if (leaders)
    return neva_comm_agree (leaders, own, error);
  if (own)
    g_propagate_error (error, own);
  return !own;
}

gboolean
neva_parallel_share (gpointer data, gsize bytes, GError **error)
{
  if (!leaders)
    return TRUE;
  neva_comm_broadcast (leaders, NULL, data, bytes, 0, TRUE);
  return neva_comm_check (leaders, error);
}

gboolean
neva_parallel_post (gconstpointer data, gsize bytes, GError **error)
{
  const guint64 size = bytes;

  neva_comm_send (links[0], NULL, &size, sizeof size, 0);
  if (bytes)
    neva_comm_send (links[0], NULL, data, bytes, 0);
  return neva_comm_check (links[0], error);
}

GBytes *
neva_parallel_take (guint group, GError **error)
{
  NevaComm *link = links[group];
  guint64 size = 0;
  g_autofree guint8 *data = NULL;

  neva_comm_recv (link, NULL, &size, sizeof size, group);
  if (!neva_comm_check (link, error))
    return NULL;
  if (!size)
    return g_bytes_new (NULL, 0);
  if (!(data = g_try_malloc (size))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for a message of %" G_GUINT64_FORMAT " bytes", size);
    return NULL;
  }
  neva_comm_recv (link, NULL, data, size, group);
  if (!neva_comm_check (link, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&data), size);
}

void
neva_parallel_answer (guint group, gboolean over)
{
  const guint64 word = over;

  neva_comm_send (links[group], NULL, &word, sizeof word, group);
}

gboolean
neva_parallel_watch (GError **error)
{
  guint64 over = FALSE;

  while (!over) {
    neva_comm_recv (links[1], NULL, &over, sizeof over, 0);
    if (!neva_comm_check (links[1], error))
      return FALSE;
  }
  return TRUE;
}
