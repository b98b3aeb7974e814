/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kernels/cuda uses of NCCL, in its names and signatures; nccl.cc has the
 * functions. */
#ifndef NEVA_EMU_NCCL_H
#define NEVA_EMU_NCCL_H

#include "cuda_runtime.h"

#define NCCL_UNIQUE_ID_BYTES 128
typedef struct {
  char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;
typedef struct ncclComm *ncclComm_t;

enum ncclResult_t {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6
};
enum ncclDataType_t { ncclUint8 = 1, ncclFloat32 = 7 };
enum ncclRedOp_t { ncclSum = 0 };

extern "C" {
const char *ncclGetErrorString (ncclResult_t result);
ncclResult_t ncclGetUniqueId (ncclUniqueId *id);
ncclResult_t ncclCommInitRank (
    ncclComm_t *comm, int nranks, ncclUniqueId id, int rank);
ncclResult_t ncclCommDestroy (ncclComm_t comm);
ncclResult_t ncclCommAbort (ncclComm_t comm);
ncclResult_t ncclCommGetAsyncError (ncclComm_t comm, ncclResult_t *error);
const char *ncclGetLastError (ncclComm_t comm);
ncclResult_t ncclAllReduce (const void *sendbuff, void *recvbuff, size_t count,
    ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclAllGather (const void *sendbuff, void *recvbuff,
    size_t sendcount, ncclDataType_t type, ncclComm_t comm,
    cudaStream_t stream);
ncclResult_t ncclBroadcast (const void *sendbuff, void *recvbuff, size_t count,
    ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclSend (const void *sendbuff, size_t count, ncclDataType_t type,
    int peer, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclRecv (void *recvbuff, size_t count, ncclDataType_t type,
    int peer, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclGroupStart ();
ncclResult_t ncclGroupEnd ();
}

#endif /* NEVA_EMU_NCCL_H */
