/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What launchers of MPI tell a process, known without MPI. */
#ifndef NEVA_LAUNCHED_H
#define NEVA_LAUNCHED_H

#include <glib.h>

/* How many processes were started together; 1: this one. */
guint neva_parallel_launched_size (void);

#endif /* NEVA_LAUNCHED_H */
