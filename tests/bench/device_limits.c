/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "device_limits.h"

#include <dlfcn.h>
#include <stdlib.h>
#include "cuda/api.h"

enum { REPEATS = 5 };

typedef struct {
  const NevaCudaRuntime *run;
  NevaCudaStream stream;
  NevaCudaBlas *blas;
  NevaCudaEvent begin, end;
  void *a, *b, *c;
  size_t bytes, side;
} Bench;

static int
copy (Bench *b)
{
  return b->run->copy (b->b, b->a, b->bytes, b->stream);
}

static int
product (Bench *b)
{
  return b->run->blas_gemm (b->blas, b->c, b->side, b->a, b->side, b->b,
      NEVA_DTYPE_BF16, b->side, b->side, b->side, false);
}

/* Seconds of the fastest; the first one is not counted. */
static int
fastest (Bench *b, int (*call) (Bench *), double *seconds)
{
  float best = 1e30f, ms = 0;
  int status;

  for (int i = 0; i <= REPEATS; i++) {
    if ((status = b->run->event_record (b->begin, b->stream)) ||
        (status = call (b)) ||
        (status = b->run->event_record (b->end, b->stream)) ||
        (status = b->run->event_wait (b->end)) ||
        (status = b->run->event_ms (&ms, b->begin, b->end)))
      return status;
    if (i && ms < best)
      best = ms;
  }
  *seconds = best / 1e3;
  return 0;
}

static int
measure (Bench *b, DeviceLimits *limits)
{
  const double operations = 2.0 * (double) (b->side * b->side * b->side);
  double seconds = 0;
  int status = fastest (b, copy, &seconds);

  if (status)
    return status;
  limits->copy = 2 * (double) b->bytes / 1e9 / seconds;
  if ((status = fastest (b, product, &seconds)))
    return status;
  limits->bf16 = operations / 1e9 / seconds;
  return 0;
}

static int
prepare (Bench *b, int device)
{
  const NevaCudaRuntime *run = b->run;
  const size_t sum = b->side * b->side * sizeof (float);
  int status;

  if ((status = run->set_device (device)) ||
      (status = run->stream_new (&b->stream)) ||
      (status = run->blas_new (&b->blas, b->stream)) ||
      (status = run->event_new (&b->begin)) ||
      (status = run->event_new (&b->end)) ||
      (status = run->alloc (&b->a, b->bytes)) ||
      (status = run->alloc (&b->b, b->bytes)) ||
      (status = run->alloc (&b->c, sum)) ||
      (status = run->set (b->a, 0, b->bytes, b->stream)))
    return status;
  return 0;
}

static void
finish (Bench *b)
{
  const NevaCudaRuntime *run = b->run;

  run->release (b->a);
  run->release (b->b);
  run->release (b->c);
  if (b->begin)
    run->event_free (b->begin);
  if (b->end)
    run->event_free (b->end);
  run->blas_free (b->blas);
  if (b->stream)
    run->stream_free (b->stream);
}

const char *
device_limits_measure (
    DeviceLimits *limits, int device, unsigned megabytes, unsigned side)
{
  const char *path = getenv ("NEVA_CUDA_LIBRARY");
  void *library = dlopen (path ? path : "libnevacuda.so", RTLD_NOW);
  NevaCudaApiFunc table =
      library ? (NevaCudaApiFunc) dlsym (library, NEVA_CUDA_SYMBOL) : NULL;
  const NevaCudaApi *api = table ? table (sizeof *api) : NULL;
  const size_t matrix = (size_t) side * side * 2;
  Bench b = {.bytes = (size_t) megabytes << 20, .side = side};
  int status;

  if (!api)
    return library ? "a library of another version" : dlerror ();
  b.run = &api->run;
  b.bytes = b.bytes < matrix ? matrix : b.bytes;
  status = prepare (&b, device);
  if (!status)
    status = measure (&b, limits);
  finish (&b);
  return status ? api->run.error_text (status) : NULL;
}
