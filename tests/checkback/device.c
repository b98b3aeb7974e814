/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "device.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { MARGIN = 256, MAX_BUFFERS = 512 };

const NevaCudaApi *cuda;
NevaCudaStream stream;
NevaCudaBlas *blas;

static struct {
  char *memory;
  size_t bytes;
} buffers[MAX_BUFFERS];
static size_t n_buffers;

const char *
device_open (void)
{
  const char *path = getenv ("NEVA_CUDA_LIBRARY");
  void *library = dlopen (path ? path : "libnevacuda.so", RTLD_NOW);
  NevaCudaApiFunc table =
      library ? (NevaCudaApiFunc) dlsym (library, NEVA_CUDA_SYMBOL) : NULL;
  int count = 0, status;

  cuda = table ? table (sizeof *cuda) : NULL;
  if (!cuda)
    return library ? "a library of another version" : dlerror ();
  status = cuda->run.device_count (&count);
  if (!status)
    status = cuda->run.set_device (0);
  if (!status)
    status = cuda->run.stream_new (&stream);
  if (!status)
    status = cuda->run.blas_new (&blas, stream);
  return status ? cuda->run.error_text (status) : NULL;
}

void
device_close (void)
{
  cuda->run.blas_free (blas);
  cuda->run.stream_free (stream);
}

void
device_status (const char *what, int status)
{
  if (!status)
    return;
  printf ("    %s: %s\n", what, cuda->run.error_text (status));
  check_fail (what, 0, status, 0, 0);
}

void *
to_device (const void *host, size_t bytes)
{
  const size_t total = bytes + 2 * MARGIN;
  char *memory = NULL;

  device_status ("memory", cuda->run.alloc ((void **) &memory, total));
  if (!memory || n_buffers == MAX_BUFFERS) {
    fprintf (stderr, "checkback: no device memory for %zu bytes\n", total);
    exit (EXIT_FAILURE);
  }
  device_status ("margins", cuda->run.set (memory, 0xff, total, stream));
  if (host)
    device_status (
        "upload", cuda->run.upload (memory + MARGIN, host, bytes, stream));
  buffers[n_buffers].memory = memory;
  buffers[n_buffers++].bytes = bytes;
  return memory + MARGIN;
}

void
from_device (void *host, const void *device, size_t bytes)
{
  device_status ("download", cuda->run.download (host, device, bytes, stream));
  device_status ("kernel", cuda->run.stream_wait (stream));
}

void
device_end (void)
{
  unsigned char margins[2 * MARGIN], whole[2 * MARGIN];

  memset (whole, 0xff, sizeof whole);
  while (n_buffers) {
    const char *memory = buffers[--n_buffers].memory;
    const size_t bytes = buffers[n_buffers].bytes;

    from_device (margins, memory, MARGIN);
    from_device (margins + MARGIN, memory + MARGIN + bytes, MARGIN);
    check_same ("device canaries", margins, whole, sizeof margins);
    cuda->run.release ((void *) memory);
  }
}
