/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "comm.h"
#include "log.h"

#include <string.h>

static NevaTeam *the_team;
static guint local_rank;
static gboolean local_rank_is_set;

/* How launchers tell a process its number on its machine. */
static const char *const local_rank_names[] = {"OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID"};

void
neva_comm_set_team (NevaTeam *team)
{
  the_team = team;
}

NevaTeam *
neva_comm_team (void)
{
  return the_team;
}

void
neva_comm_set_local_rank (guint rank)
{
  local_rank = rank;
  local_rank_is_set = TRUE;
}

guint
neva_comm_local_rank (void)
{
  guint64 rank;

  for (gsize i = 0; !local_rank_is_set && i < G_N_ELEMENTS (local_rank_names);
       i++) {
    const char *text = g_getenv (local_rank_names[i]);

    if (text &&
        g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT, &rank, NULL))
      return (guint) rank;
  }
  return local_rank;
}

gint64
neva_comm_timeout_us (void)
{
  static gsize us;

  if (g_once_init_enter (&us)) {
    const char *text = g_getenv ("NEVA_COMM_TIMEOUT");
    guint64 seconds = NEVA_COMM_TIMEOUT;

    if (text && *text &&
        !g_ascii_string_to_unsigned (text, 10, 1, 86400, &seconds, NULL))
      neva_warning ("NEVA_COMM_TIMEOUT=%s: seconds are expected", text);
    g_once_init_leave (&us, (gsize) seconds * G_USEC_PER_SEC);
  }
  return (gint64) us;
}

/* Blocks of a cache line or two: each part is read once, and the sums stay in
 * registers, in whatever order the compiler likes across i, never across
 * parts. */
void
neva_comm_sum (float *dst, const float *const *parts, guint n_parts, gsize n)
{
  enum { BLOCK = 64 };
  float sum[BLOCK];

  for (gsize i = 0; i < n; i += BLOCK) {
    const gsize width = MIN (BLOCK, n - i);

    for (gsize j = 0; j < width; j++)
      sum[j] = parts[0][i + j];
    for (guint p = 1; p < n_parts; p++)
      for (gsize j = 0; j < width; j++)
        sum[j] += parts[p][i + j];
    for (gsize j = 0; j < width; j++)
      dst[i + j] = sum[j];
  }
}

/* What a rank says of itself: as wide as all of them agree on. */
typedef struct {
  gint32 code; /* NevaError; -1: all is well; -2: not heard of */
  char message[508];
} Verdict;

static Verdict
verdict_of (GError *own)
{
  Verdict v = {.code = -1};

  if (!own)
    return v;
  v.code = own->domain == NEVA_ERROR ? own->code : (gint32) NEVA_ERROR_DEVICE;
  g_strlcpy (v.message, own->message, sizeof v.message);
  g_error_free (own);
  return v;
}

gboolean
neva_comm_agree (NevaComm *c, GError *own, GError **error)
{
  const Verdict mine = verdict_of (own);
  g_autofree Verdict *all = g_new0 (Verdict, c->size);

  for (guint r = 0; r < c->size; r++)
    all[r].code = -2;
  neva_comm_all_gather (c, NULL, all, &mine, sizeof mine);
  /* A rank that had an error may be gone already: that is not the news. */
  for (guint r = 0; r < c->size; r++) {
    if (all[r].code < 0)
      continue;
    all[r].message[sizeof all[r].message - 1] = '\0';
    if (r == c->rank)
      g_set_error_literal (error, NEVA_ERROR, all[r].code, all[r].message);
    else
      g_set_error (
          error, NEVA_ERROR, all[r].code, "rank %u: %s", r, all[r].message);
    return FALSE;
  }
  return neva_comm_check (c, error);
}
