/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libnvcuvid.so.1 of the emulation, without which GStreamer's nvcodec plugin
 * has no elements at all, cudaupload and cudadownload neither: a video engine
 * that decodes nothing. */
#include "config.h"

#define CUDA_ERROR_NOT_SUPPORTED 801

#define NOT_HERE(name)                                                         \
  __attribute__ ((visibility ("default"))) int name (void);                    \
  int name (void)                                                              \
  {                                                                            \
    return CUDA_ERROR_NOT_SUPPORTED;                                           \
  }
NOT_HERE (cuvidCtxLockCreate)
NOT_HERE (cuvidCtxLockDestroy)
NOT_HERE (cuvidCtxLock)
NOT_HERE (cuvidCtxUnlock)
NOT_HERE (cuvidCreateDecoder)
NOT_HERE (cuvidDestroyDecoder)
NOT_HERE (cuvidDecodePicture)
NOT_HERE (cuvidCreateVideoParser)
NOT_HERE (cuvidParseVideoData)
NOT_HERE (cuvidDestroyVideoParser)
NOT_HERE (cuvidMapVideoFrame64)
NOT_HERE (cuvidUnmapVideoFrame64)
NOT_HERE (cuvidGetDecoderCaps)
