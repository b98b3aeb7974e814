/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention over paged keys and values: spans and their lists of blocks go to
 * the device once for all layers of a pass. */
#include "config.h"
#include "cuda_backend.h"

#include <string.h>

/* Lists have room for whole runs of these: that a sequence has taken one more
 * page does not make the step another one (cuda_step.c). */
#define LIST_BLOCKS 16u
/* Nor is it for every token that there are more keys to divide up. */
#define KEYS_STEP 512u

static gsize
span_blocks (const NevaSpan *s)
{
  return (s->kv_len + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;
}

static gsize
list_bytes (const NevaSpan *s)
{
  return (span_blocks (s) + LIST_BLOCKS - 1) / LIST_BLOCKS * LIST_BLOCKS *
         sizeof (void *);
}

/* [n_spans] spans, then their lists of blocks. */
static GByteArray *
lay_out (const NevaSpan *spans, gsize n_spans)
{
  gsize bytes = n_spans * sizeof (NevaCudaSpan);
  GByteArray *blob;

  for (gsize i = 0; i < n_spans; i++)
    bytes += list_bytes (&spans[i]);
  blob = g_byte_array_sized_new ((guint) bytes);
  g_byte_array_set_size (blob, (guint) bytes);
  bytes = n_spans * sizeof (NevaCudaSpan);
  for (gsize i = 0; i < n_spans; i++) {
    const NevaSpan *s = &spans[i];
    const gsize list = span_blocks (s) * sizeof (void *);
    const gsize room = list_bytes (s);
    NevaCudaSpan to;

    memset (&to, 0, sizeof to);
    to.blocks_at = bytes;
    to.row = (guint32) s->row;
    to.rows = (guint32) s->rows;
    to.pos0 = (guint32) s->pos0;
    to.kv_len = (guint32) s->kv_len;
    memcpy (blob->data + i * sizeof to, &to, sizeof to);
    memcpy (blob->data + bytes, s->blocks, list);
    memset (blob->data + bytes + list, 0, room - list);
    bytes += room;
  }
  return blob;
}

/* The spans on the device, staged unless they are those of the last call. */
static const NevaCudaSpan *
stage_spans (NevaBackendCuda *c, const NevaSpan *spans, gsize n_spans)
{
  g_autoptr (GByteArray) blob = lay_out (spans, n_spans);

  if (!c->spans || c->spans_lap != c->stage.laps ||
      c->spans->len != blob->len ||
      memcmp (c->spans->data, blob->data, blob->len) != 0) {
    g_clear_pointer (&c->spans, g_byte_array_unref);
    c->spans_device = neva_cuda_stage (c, blob->data, blob->len);
    if (!c->spans_device)
      return NULL;
    c->spans_lap = c->stage.laps;
    c->spans = g_steal_pointer (&blob);
  }
  return (const NevaCudaSpan *) c->spans_device;
}

static gboolean
describe (NevaBackendCuda *c, NevaCudaHeads *out, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans)
{
  const gsize page = neva_kv_page_bytes (h->type, h->head_dim);
  gsize rows = 0, keys = 0;

  if (!n_spans || !neva_cuda_enter (c))
    return FALSE;
  for (gsize i = 0; i < n_spans; i++)
    rows = MAX (rows, spans[i].rows), keys = MAX (keys, spans[i].kv_len);
  keys = (keys + KEYS_STEP - 1) / KEYS_STEP * KEYS_STEP;
  memset (out, 0, sizeof *out); /* gaps, too: it is signed */
  *out = (NevaCudaHeads){.spans = stage_spans (c, spans, n_spans),
      .n_spans = (guint32) n_spans,
      .max_rows = (guint32) rows,
      .max_kv = (guint32) keys,
      .heads = (guint32) h->heads,
      .kv_heads = (guint32) h->kv_heads,
      .head_dim = (guint32) h->head_dim,
      .window = (guint32) MIN (h->window, G_MAXUINT32),
      .type = h->type,
      .causal = h->causal != FALSE,
      .scale = h->scale,
      .head_offset = h->layer * h->kv_heads * 2 * page,
      .page_bytes = page};
  /* a graph holds these numbers */
  neva_cuda_sign (c, out, sizeof *out);
  return out->spans != NULL;
}

void
neva_cuda_store_kv (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, const float *k, gsize ldk, const float *v, gsize ldv)
{
  NevaBackendCuda *c = neva_cuda (b);
  NevaCudaHeads heads;

  if (describe (c, &heads, h, spans, n_spans))
    neva_cuda_check (
        c, c->api->kv_store (&heads, k, ldk, v, ldv, c->stream), "kv_store");
}

void
neva_cuda_rotate (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, const NevaRotation *r)
{
  const NevaCudaRotation rotation = {.q = r->q,
      .k = r->k,
      .v = r->v,
      .ldq = r->ldq,
      .ldk = r->ldk,
      .ldv = r->ldv,
      .cosine = r->cosine,
      .sine = r->sine,
      .rot = r->rot};
  NevaBackendCuda *c = neva_cuda (b);
  NevaCudaHeads heads;

  if (describe (c, &heads, h, spans, n_spans))
    neva_cuda_check (
        c, c->api->rope_store (&heads, &rotation, c->stream), "rope_store");
}

void
neva_cuda_attend (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
    gsize n_spans, float *dst, gsize ldd, const float *q, gsize ldq)
{
  NevaBackendCuda *c = neva_cuda (b);
  NevaCudaHeads heads;
  gsize work;

  if (!describe (c, &heads, h, spans, n_spans))
    return;
  work = neva_cuda_attention_work (&heads);
  if (!work || (heads.work = neva_cuda_scratch (c, &c->sum, work)))
    neva_cuda_check (c, c->api->attention (&heads, dst, ldd, q, ldq, c->stream),
        "attention");
}
