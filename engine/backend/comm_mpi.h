/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks as processes of an MPI job, on one machine or many. Any thread may
 * call; MPI itself is entered by one at a time. */
#ifndef NEVA_COMM_MPI_H
#define NEVA_COMM_MPI_H

#include "comm.h"

/* Starts MPI. Returns: (transfer full): all processes of the job; NULL with
 * error. */
NevaComm *neva_comm_mpi_start (int *argc, char ***argv, GError **error);
/* (transfer full): another end of the same group, with faults of its own, for
 * messages. Free it before `comm`. */
NevaComm *neva_comm_mpi_link (NevaComm *comm);
/* Processes of the job that are on this machine. */
guint neva_comm_mpi_local_size (void);
/* All groups are freed. well: wait for the others, which come now, and leave in
 * good order; else the job ends now, everywhere, and so does the caller. When
 * that takes longer than the bound on waiting, this process ends with `code`.
 */
void neva_comm_mpi_stop (gboolean well, int code);

#endif /* NEVA_COMM_MPI_H */
