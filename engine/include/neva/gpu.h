/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames that lie in a GPU's memory (NevaFrame.memory), for programs that make
 * them there, with CUDA. GPUs have CUDA's numbers, those of `cuda:N`. */
#ifndef NEVA_GPU_H
#define NEVA_GPU_H

#include <neva/model.h>

G_BEGIN_DECLS

/* Does the model look at frames on a GPU? FALSE: frames must lie in the host's
 * memory. gpu: out, of which GPU the memory may be; may be NULL. */
gboolean neva_model_get_gpu (NevaModel *model, guint *gpu);

/* The GPU that a NevaModelOptions.device names, "auto" being the first one;
 * FALSE: none, or it is no device. Asks no driver. */
gboolean neva_gpu_of_device (const char *device, guint *gpu);

/* The context (CUcontext) in which models use that GPU, its primary one, made
 * if it was not there. Frames of it are read where they lie; those of another
 * context are copied on the GPU first. It lives as long as the process.
 * NULL with NEVA_ERROR_DEVICE or NEVA_ERROR_UNSUPPORTED: no such GPU, no
 * driver, no CUDA in this build. Any thread; on that one it is then CUDA's
 * current context. */
gpointer neva_gpu_get_context (guint gpu, GError **error);

G_END_DECLS

#endif /* NEVA_GPU_H */
