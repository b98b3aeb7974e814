/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One rank's end of an NCCL communicator. NCCL's set-up, end and abort wait for
 * other ranks or for kernels, for ever when a rank is lost: they run in threads
 * of their own, and whoever asked gives up within the bound of comm.h. What is
 * given up is left to its thread. Private to backend/. */
#ifndef NEVA_BACKEND_CUDA_NCCL_H
#define NEVA_BACKEND_CUDA_NCCL_H

#include "cuda_backend.h"

typedef struct _NevaNccl NevaNccl;

/* Collective over `inner`, of whose ranks each has a GPU; id: of rank 0's
 * nccl_id (). NULL with error. */
NevaNccl *neva_nccl_new (
    NevaBackendCuda *c, NevaComm *inner, const char *id, GError **error);
/* For calls of the table. */
NevaCudaNccl *neva_nccl_handle (NevaNccl *n);
/* Collective, when all ranks are well and nothing is queued. */
void neva_nccl_free (NevaNccl *n);

/* What is queued ends, without the others. All groups of a stream begin before
 * one is waited for: their kernels stand in each other's way.
 * finish: frees it; FALSE: it has not ended within the bound. */
void neva_nccl_abort_begin (NevaNccl *n);
gboolean neva_nccl_abort_finish (NevaNccl *n);

#endif /* NEVA_BACKEND_CUDA_NCCL_H */
