/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the process. A worker whose model was dropped in the middle of a
 * turn frees it when the turn is over, in its own thread; main () may have
 * returned by then, and libraries that the model needs (a GPU's driver) be half
 * gone. So exit () waits for such workers, for LEAVE_US at most. */
#ifndef NEVA_LEAVE_H
#define NEVA_LEAVE_H

#include "runtime/runtime.h"

/* Any thread; a worker from its start until its memory is about to go. */
void neva_leave_add (NevaWorker *worker);
void neva_leave_remove (NevaWorker *worker);
/* Workers that there are. Any thread. */
guint neva_leave_count (void);

#endif /* NEVA_LEAVE_H */
