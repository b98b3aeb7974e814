/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program as several processes, started by mpirun or srun:
 *
 *   processes = groups x (tensor parallel x pipeline parallel)
 *
 * The processes of a group run one model together: its first one, the leader,
 * runs the program, the others serve it. Groups share the program's work;
 * group 0's leader is process 0, which alone reads, writes and prints. A
 * program that nobody started like that is the leader of the only group, and
 * its ranks are threads (NevaModelOptions).
 */
#ifndef NEVA_PARALLEL_H
#define NEVA_PARALLEL_H

#include <neva/model.h>

G_BEGIN_DECLS

typedef struct {
  guint rank, size;    /* this process of all */
  guint group, groups; /* its group */
  gboolean leads;      /* its group */
  guint threads;       /* its share of the machine's cores; 0: all of them */
} NevaParallel;

/* Was this process started as one of several, by a launcher of MPI? */
gboolean neva_parallel_launched (void);
/* And as which: 0 is the one that prints. Before start () already. */
guint neva_parallel_launched_rank (void);

/* Joins the others. NEVA_ERROR_UNSUPPORTED: this build has no MPI;
 * NEVA_ERROR_BAD_INPUT: the processes do not divide into groups. All processes
 * get the same. */
gboolean neva_parallel_start (guint tensor_parallel, guint pipeline_parallel,
    NevaParallel *parallel, GError **error);
/* What a process that does not lead does: until its leader stops. FALSE with
 * error when another process was lost. */
gboolean neva_parallel_serve (GError **error);
/* A plugin may have an engine of its own, in the same process and of the same
 * version: what one gives the other uses, from the next model on that is
 * opened. NULL: this process runs its models alone. The team is that of the
 * engine that started, until it stops. */
typedef struct _NevaTeam NevaTeam;
NevaTeam *neva_parallel_get_team (void);
void neva_parallel_use_team (NevaTeam *team);
/* Models are closed. well: the others of the group are sent home; else all
 * processes of all groups end at once, with `code`. */
void neva_parallel_stop (gboolean well, int code);

/* ---- Between the leaders ---- */

/* All leaders: each brings its error (transfer full) or NULL; FALSE for all
 * when there is one, the first group's. */
gboolean neva_parallel_agree (GError *own, GError **error);
/* All leaders: what group 0's has. */
gboolean neva_parallel_share (gpointer data, gsize bytes, GError **error);
/* To leader 0 from another one, in order; one thread at a time. Without bytes
 * it is a sign of life, which is needed several times within the bound on
 * waiting, until watch () returns. */
gboolean neva_parallel_post (gconstpointer data, gsize bytes, GError **error);
/* Leader 0: the next post of a group, empty for a sign of life, which wants an
 * answer (). For each group a thread of its own. (transfer full): NULL with
 * error when the group is lost. */
GBytes *neva_parallel_take (guint group, GError **error);
/* Leader 0, in that group's thread: I live. over: all groups have finished;
 * nothing comes behind it. */
void neva_parallel_answer (guint group, gboolean over);
/* Another leader, in a thread of its own: until leader 0 says that it is over.
 * FALSE with error when leader 0 is lost. */
gboolean neva_parallel_watch (GError **error);

G_END_DECLS

#endif /* NEVA_PARALLEL_H */
