/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors and devices. NEVA_CUDAEMU_DEVICES=N says how many there are (1); 0 is
 * a machine with a driver and no GPU, -1 one without a driver.
 * NEVA_CUDAEMU_DRIVER=12040 is a driver for CUDA 12.4. */
#include "runtime.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>

enum { CUDA_13 = 13000 };

namespace neva_emu
{
/* Never destroyed: at exit other threads may still run. */
static std::mutex &sticky_lock = *new std::mutex;
static cudaError_t sticky_error;
static std::string &sticky_what = *new std::string;
static thread_local cudaError_t last_error;

void
set_sticky (cudaError_t error, const std::string &text)
{
  const std::lock_guard<std::mutex> guard (sticky_lock);

  if (sticky_error)
    return;
  sticky_error = error;
  sticky_what = text;
  if (!getenv ("NEVA_CUDAEMU_QUIET"))
    fprintf (stderr, "cudaemu: %s\n", text.c_str ());
}

cudaError_t
sticky ()
{
  const std::lock_guard<std::mutex> guard (sticky_lock);

  return sticky_error;
}

std::string
sticky_text ()
{
  const std::lock_guard<std::mutex> guard (sticky_lock);

  return sticky_what;
}

void
reset ()
{
  const std::lock_guard<std::mutex> guard (sticky_lock);

  sticky_error = last_error = cudaSuccess;
  sticky_what.clear ();
}

cudaError_t
give_error (cudaError_t error)
{
  if (error)
    last_error = error;
  return error;
}

int
current_device ()
{
  return device_of (current_context ());
}

static int
number_of (const char *variable, int otherwise)
{
  const char *text = getenv (variable);

  return text ? atoi (text) : otherwise;
}

int
device_count ()
{
  return number_of ("NEVA_CUDAEMU_DEVICES", 1);
}

static int
driver ()
{
  return device_count () < 0 ? 0 : number_of ("NEVA_CUDAEMU_DRIVER", CUDA_13);
}

/* 90: 9.0 */
static int
capability ()
{
  return number_of ("NEVA_CUDAEMU_CAPABILITY", 90);
}
} // namespace neva_emu

using namespace neva_emu;

const char *
cudaGetErrorName (cudaError_t error)
{
  switch (error) {
#define CASE(e)                                                                \
  case e:                                                                      \
    return #e
    CASE (cudaSuccess);
    CASE (cudaErrorInvalidValue);
    CASE (cudaErrorMemoryAllocation);
    CASE (cudaErrorInvalidConfiguration);
    CASE (cudaErrorInsufficientDriver);
    CASE (cudaErrorNoDevice);
    CASE (cudaErrorInvalidDevice);
    CASE (cudaErrorInvalidResourceHandle);
    CASE (cudaErrorNotReady);
    CASE (cudaErrorLaunchFailure);
    CASE (cudaErrorNotSupported);
    CASE (cudaErrorStreamCaptureUnsupported);
    CASE (cudaErrorStreamCaptureInvalidated);
#undef CASE
  }
  return "unknown error";
}

const char *
cudaGetErrorString (cudaError_t error)
{
  return cudaGetErrorName (error);
}

/* Of this thread, whichever call it was. */
cudaError_t
cudaGetLastError ()
{
  const cudaError_t error = last_error;

  last_error = cudaSuccess;
  return sticky () ? sticky () : error;
}

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = driver ();
  return cudaSuccess;
}

cudaError_t
cudaGetDeviceCount (int *count)
{
  *count = 0;
  if (driver () < CUDA_13)
    return give_error (cudaErrorInsufficientDriver);
  if (device_count () == 0)
    return give_error (cudaErrorNoDevice);
  *count = device_count ();
  return cudaSuccess;
}

cudaError_t
cudaSetDevice (int number)
{
  if (number < 0 || number >= device_count ())
    return give_error (cudaErrorInvalidDevice);
  set_context (primary_context (number));
  return cudaSuccess;
}

cudaError_t
cudaGetDevice (int *number)
{
  *number = current_device ();
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *value, cudaDeviceAttr attr, int)
{
  switch (attr) {
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = capability () / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = capability () % 10;
      break;
  }
  return cudaSuccess;
}
