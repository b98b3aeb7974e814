/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program as several processes (neva/parallel.h): who speaks, who leads. */
#ifndef NEVA_COMMON_RANKS_H
#define NEVA_COMMON_RANKS_H

#include <neva/parallel.h>

/* Reads the command line: of several processes the first one speaks, the
 * others' standard output and error go nowhere meanwhile. */
typedef gboolean (*RanksParseFunc) (int argc, char **argv, gpointer data);
gboolean ranks_parse (
    RanksParseFunc parse, int argc, char **argv, gpointer data);

/* Joins the others. FALSE: it was said why, and MPI is left; end with
 * `usage`. */
gboolean ranks_join (guint tensor_parallel, guint pipeline_parallel, int usage,
    NevaParallel *parallel);

/* The life of a process that leads no group, to its end. Returns: what to end
 * with; failed: when another process was lost. */
int ranks_serve (const NevaParallel *parallel, int failed);

#endif /* NEVA_COMMON_RANKS_H */
