/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.cc, memory.cc and stream.cc, for each other. */
#ifndef NEVA_EMU_RUNTIME_H
#define NEVA_EMU_RUNTIME_H

#include "emu.h"

namespace neva_emu
{
/* All of [p, p + bytes) is memory of a device's primary context; is pinned. */
bool is_device (const void *p, size_t bytes);
bool is_pinned (const void *p, size_t bytes);
/* Of a device, and other GPUs may reach it, too. */
bool is_reachable (const void *p, size_t bytes);
/* Runs what is queued on all streams of the current device. */
void flush_device ();
/* Keeps it for this thread's cudaGetLastError (), and returns it. */
cudaError_t give_error (cudaError_t error);
/* A call that may not be made while this thread captures: whether it does, and
 * then nothing comes of the capture. */
bool unsafe_in_capture ();
} // namespace neva_emu

#endif /* NEVA_EMU_RUNTIME_H */
