/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device memory, copies, and small arrays on their way to kernels. */
#include "config.h"
#include "cuda_backend.h"

#include <string.h>

#define STAGE_BYTES ((gsize) 1 << 20)
/* In a group: more lists than the steps of any model that fits have */
#define STAGE_FIXED_BYTES ((gsize) 8 << 20)
/* In a group: uploads up to this go through the ring */
#define UPLOAD_STAGED_BYTES ((gsize) 256 << 10)
#define STAGE_ALIGN 256u

static void
set_no_memory (NevaBackendCuda *c, gsize bytes, int status, GError **error)
{
  gsize left = 0, total = 0;

  if (status != NEVA_CUDA_OUT_OF_MEMORY ||
      c->api->run.memory_info (&left, &total) != 0)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "GPU %d: %" G_GSIZE_FORMAT " bytes of memory: %s", c->device, bytes,
        c->api->run.error_text (status));
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "GPU %d: %" G_GSIZE_FORMAT " bytes of memory cannot be had (%zu MiB of "
        "%zu MiB are free)",
        c->device, bytes, left >> 20, total >> 20);
}

void *
neva_cuda_alloc (NevaBackend *b, gsize bytes, GError **error)
{
  NevaBackendCuda *c = neva_cuda (b);
  void *memory = NULL;
  int status;

  if (!bytes)
    return NULL;
  status = c->api->run.set_device (c->device);
  if (!status)
    status = c->api->run.alloc (&memory, bytes);
  if (!status)
    status = c->api->run.set (memory, 0, bytes, c->stream);
  if (!status)
    return memory;
  set_no_memory (c, bytes, status, error);
  if (memory)
    c->api->run.release (memory);
  return NULL;
}

void
neva_cuda_release (NevaBackend *b, void *memory, gsize bytes)
{
  NevaBackendCuda *c = neva_cuda (b);

  /* waits for what still uses it */
  if (memory && !c->lost && !c->api->run.set_device (c->device))
    c->api->run.release (memory);
}

void
neva_cuda_clear (NevaBackend *b, void *memory, gsize bytes)
{
  NevaBackendCuda *c = neva_cuda (b);

  if (bytes && neva_cuda_enter (c))
    neva_cuda_check (c, c->api->run.set (memory, 0, bytes, c->stream), "clear");
}

void
neva_cuda_upload (NevaBackend *b, void *dst, const void *host, gsize bytes)
{
  NevaBackendCuda *c = neva_cuda (b);
  const void *staged;

  if (!bytes || !neva_cuda_enter (c))
    return;
  /* a copy of pageable memory may wait for what is in the stream, whose
   * kernels may wait for a rank that is lost */
  if (c->mode == NEVA_CUDA_RUN &&
      (!c->comms->len || bytes > UPLOAD_STAGED_BYTES)) {
    if (c->comms->len && !neva_cuda_wait (c))
      return;
    neva_cuda_check (
        c, c->api->run.upload (dst, host, bytes, c->stream), "upload");
    return;
  }
  /* a graph copies from memory that stays */
  neva_cuda_sign (c, &dst, sizeof dst);
  if ((staged = neva_cuda_stage (c, host, bytes)))
    neva_cuda_check (
        c, c->api->run.copy (dst, staged, bytes, c->stream), "copy");
}

/* Callers look at the numbers before they ask for faults: never garbage. */
void
neva_cuda_download (NevaBackend *b, void *host, const void *src, gsize bytes)
{
  NevaBackendCuda *c = neva_cuda (b);

  if (!bytes)
    return;
  if (!neva_cuda_enter (c) || (c->comms->len && !neva_cuda_wait (c)) ||
      !neva_cuda_check (
          c, c->api->run.download (host, src, bytes, c->stream), "download") ||
      !neva_cuda_wait (c))
    memset (host, 0, bytes);
}

void *
neva_cuda_scratch (NevaBackendCuda *c, NevaCudaScratch *s, gsize bytes)
{
  int status;

  neva_cuda_sign (c, &s->data, sizeof s->data);
  if (bytes <= s->bytes)
    return s->data;
  if (c->mode != NEVA_CUDA_RUN) {
    c->broken = TRUE; /* memory cannot be had now */
    return NULL;
  }
  neva_cuda_scratch_free (c->api, s, c->stream);
  status = c->api->run.set_device (c->device);
  if (!status)
    status = neva_cuda_scratch_alloc (c->api, s, bytes, c->stream);
  if (!status)
    status = c->api->run.set (s->data, 0, bytes, c->stream);
  if (!status)
    return s->data;
  if (!c->fault)
    set_no_memory (c, bytes, status, &c->fault);
  return NULL;
}

int
neva_cuda_scratch_alloc (const NevaCudaApi *api, NevaCudaScratch *s,
    gsize bytes, NevaCudaStream stream)
{
  int status;

  s->ordered = neva_cuda_ranks_here ();
  status = s->ordered ? api->run.alloc_ordered (&s->data, bytes, stream)
                      : api->run.alloc (&s->data, bytes);
  s->bytes = status ? 0 : bytes;
  if (status)
    s->data = NULL;
  return status;
}

void
neva_cuda_scratch_free (
    const NevaCudaApi *api, NevaCudaScratch *s, NevaCudaStream stream)
{
  if (s->data && s->ordered)
    api->run.release_ordered (s->data, stream);
  else if (s->data)
    api->run.release (s->data);
  *s = (NevaCudaScratch){0};
}

void
neva_cuda_stage_free (NevaBackendCuda *c, NevaCudaStage *s)
{
  if (s->device)
    c->api->run.release (s->device);
  if (s->host)
    c->api->run.host_release (s->host);
  s->host = s->device = NULL;
  s->bytes = s->used = 0;
}

gboolean
neva_cuda_stage_new (NevaBackendCuda *c, NevaCudaStage *s, gsize bytes)
{
  if (!neva_cuda_check (c, c->api->run.host_alloc ((void **) &s->host, bytes),
          "pinned memory") ||
      !neva_cuda_check (
          c, c->api->run.alloc ((void **) &s->device, bytes), "memory"))
    return FALSE;
  s->bytes = bytes;
  return TRUE;
}

/* The whole ring is free. */
static gboolean
stage_turn (NevaBackendCuda *c, gsize bytes)
{
  NevaCudaStage *s = &c->stage;

  if (c->mode != NEVA_CUDA_RUN) {
    c->broken = TRUE;
    return FALSE;
  }
  if (!neva_cuda_wait (c))
    return FALSE;
  s->used = 0;
  s->laps++;
  if (bytes <= s->bytes)
    return TRUE;
  if (neva_cuda_ranks_here ()) {
    if (!c->fault)
      c->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
          "GPU %d: a list of %" G_GSIZE_FORMAT " bytes for a step; ranks of "
          "one process have room for %" G_GSIZE_FORMAT,
          c->device, bytes, s->bytes);
    return FALSE;
  }
  neva_cuda_stage_free (c, s);
  return neva_cuda_stage_new (c, s, MAX (STAGE_BYTES, bytes * 2));
}

gboolean
neva_cuda_stage_fix (NevaBackendCuda *c)
{
  return c->stage.bytes >= STAGE_FIXED_BYTES ||
         (neva_cuda_enter (c) && stage_turn (c, STAGE_FIXED_BYTES));
}

void *
neva_cuda_stage (NevaBackendCuda *c, const void *host, gsize bytes)
{
  NevaCudaStage *s = &c->stage;
  guint8 *at;

  neva_cuda_sign (c, &bytes, sizeof bytes);
  if (s->used + bytes > s->bytes && !stage_turn (c, bytes))
    return NULL;
  at = s->host + s->used;
  memcpy (at, host, bytes);
  if (!neva_cuda_check (c,
          c->api->run.upload (s->device + s->used, at, bytes, c->stream),
          "upload"))
    return NULL;
  at = s->device + s->used;
  s->used += (bytes + STAGE_ALIGN - 1) / STAGE_ALIGN * STAGE_ALIGN;
  s->used = MIN (s->used, s->bytes);
  return at;
}

void
neva_cuda_memory_free (NevaBackendCuda *c)
{
  neva_cuda_stage_free (c, &c->stage);
  neva_cuda_scratch_free (c->api, &c->xq, c->stream);
  neva_cuda_scratch_free (c->api, &c->sum, c->stream);
}
