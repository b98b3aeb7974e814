/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As cuda.h, of its part for OpenGL. */
#ifndef NEVA_DRIVER_CUDA_GL_H
#define NEVA_DRIVER_CUDA_GL_H

typedef enum { CU_GL_DEVICE_LIST_ALL = 1 } CUGLDeviceList;

#endif /* NEVA_DRIVER_CUDA_GL_H */
