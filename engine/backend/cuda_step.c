/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps that come again as CUDA graphs. A step's first time is plain, so that
 * scratch has its size; the second time it is recorded; from then on the same C
 * code runs with launchers that do nothing, which leaves the new arrays of the
 * host in the graph's pinned memory, and the graph is launched.
 *
 * All that shapes the launches is signed on the way (which operations, the
 * numbers of the attention, where scratch lies). Another signature than the
 * recorded one: the graph is dropped, and the step, of which nothing was
 * launched, recorded again. NEVA_CUDA_GRAPHS=0 keeps everything plain. */
#include "config.h"
#include "cuda_backend.h"

/* Most of it for the masks of 16 answers by grammars of a vocabulary of
 * 150,000, with penalties: 0.6 MB. */
#define STAGE_BYTES ((gsize) 1 << 20)
#define MAX_STEPS 128u
#define TRIES 3u

typedef struct {
  guint64 key, signature;
  guint seen;
  guint failures;
  gboolean never; /* it cannot be a graph */
  NevaCudaGraph graph;
  NevaCudaEvent done; /* of the last launch: its pinned memory is free */
  NevaCudaStage stage;
} Step;

void
neva_cuda_sign (NevaBackendCuda *c, const void *data, gsize bytes)
{
  const guint8 *p = data;

  if (c->mode == NEVA_CUDA_RUN)
    return;
  for (gsize i = 0; i < bytes; i++)
    c->signature = (c->signature ^ p[i]) * G_GUINT64_CONSTANT (0x100000001b3);
}

/* ---- Launchers that do nothing ------------------------------------------ */

#define STUB(field, DECL)                                                      \
  static NEVA_DECL_CUDA_##DECL (replay_##field)                                \
  {                                                                            \
    return 0;                                                                  \
  }
NEVA_CUDA_LAUNCHERS (STUB)
#undef STUB

/* A step begins on its device, and nothing in it leaves it. */
static int
replay_set_device (int device)
{
  return 0;
}

static int
replay_set (void *dst, int value, size_t bytes, NevaCudaStream stream)
{
  return 0;
}

static int
replay_copy (void *dst, const void *src, size_t bytes, NevaCudaStream stream)
{
  return 0;
}

static int
replay_gemm (NevaCudaBlas *blas, float *dst, size_t ldd, const void *x,
    size_t ldx, const void *w, NevaDType type, size_t m, size_t n, size_t k,
    bool add)
{
  return 0;
}

static const NevaCudaApi *
replay_api (const NevaCudaApi *real)
{
  static gsize made;
  static NevaCudaApi api;

  if (g_once_init_enter (&made)) {
    api = *real;
#define FIELD(field, DECL) api.field = replay_##field;
    NEVA_CUDA_LAUNCHERS (FIELD)
#undef FIELD
    api.run.set_device = replay_set_device;
    api.run.set = replay_set;
    api.run.copy = replay_copy;
    api.run.upload = replay_copy;
    api.run.blas_gemm = replay_gemm;
    g_once_init_leave (&made, 1);
  }
  return &api;
}

/* ---- Steps -------------------------------------------------------------- */

static void
drop_graph (NevaBackendCuda *c, Step *s)
{
  if (s->graph)
    c->api->run.graph_free (s->graph);
  s->graph = NULL;
}

static void
step_free (NevaBackendCuda *c, Step *s)
{
  drop_graph (c, s);
  if (s->done)
    c->api->run.event_free (s->done);
  neva_cuda_stage_free (c, &s->stage);
  g_free (s);
}

void
neva_cuda_steps_free (NevaBackendCuda *c)
{
  GHashTableIter i;
  gpointer step;

  if (!c->steps)
    return;
  g_hash_table_iter_init (&i, c->steps);
  while (g_hash_table_iter_next (&i, NULL, &step))
    step_free (c, step);
  g_clear_pointer (&c->steps, g_hash_table_unref);
}

static Step *
find_step (NevaBackendCuda *c, guint64 key)
{
  Step *s;

  if (c->steps && g_hash_table_size (c->steps) >= MAX_STEPS &&
      !g_hash_table_contains (c->steps, &key)) {
    neva_cuda_wait (c);
    neva_cuda_steps_free (c);
  }
  if (!c->steps)
    c->steps = g_hash_table_new (g_int64_hash, g_int64_equal);
  if ((s = g_hash_table_lookup (c->steps, &key)))
    return s;
  s = g_new0 (Step, 1);
  s->key = key;
  g_hash_table_insert (c->steps, &s->key, s);
  return s;
}

/* Calls func with the step's own pinned memory. FALSE: it cannot be a graph, or
 * not this one. */
static gboolean
pass_through (NevaBackendCuda *c, Step *s, NevaCudaMode mode, NevaStepFunc func,
    gpointer data)
{
  const NevaCudaApi *real = c->api;
  const NevaCudaStage ring = c->stage;

  c->mode = mode;
  c->broken = FALSE;
  c->signature = s->key;
  c->stage = s->stage;
  c->stage.used = 0;
  g_clear_pointer (&c->spans, g_byte_array_unref);
  if (mode == NEVA_CUDA_REPLAY)
    c->api = replay_api (real);
  func (data);
  c->api = real;
  c->mode = NEVA_CUDA_RUN;
  c->stage = ring;
  g_clear_pointer (&c->spans, g_byte_array_unref);
  return !c->broken && !c->fault;
}

static void
launch (NevaBackendCuda *c, Step *s)
{
  if (neva_cuda_check (
          c, c->api->run.graph_launch (s->graph, c->stream), "graph"))
    neva_cuda_check (c, c->api->run.event_record (s->done, c->stream), "event");
}

static gboolean
replay (NevaBackendCuda *c, Step *s, NevaStepFunc func, gpointer data)
{
  if (!neva_cuda_check (c, c->api->run.event_wait (s->done), "event"))
    return TRUE; /* there is nothing left to do */
  if (pass_through (c, s, NEVA_CUDA_REPLAY, func, data) &&
      c->signature == s->signature)
    launch (c, s);
  else
    drop_graph (c, s);
  return s->graph != NULL;
}

static gboolean
record (NevaBackendCuda *c, Step *s, NevaStepFunc func, gpointer data)
{
  gboolean ok;
  int status;

  if (!s->done &&
      (!neva_cuda_stage_new (c, &s->stage, STAGE_BYTES) ||
          !neva_cuda_check (c, c->api->run.event_new (&s->done), "event")))
    return TRUE;
  if (!neva_cuda_check (c, c->api->run.capture_begin (c->stream), "capture"))
    return TRUE;
  ok = pass_through (c, s, NEVA_CUDA_RECORD, func, data);
  status = c->api->run.capture_end (c->stream, &s->graph);
  if (!ok || status) {
    if (!status)
      drop_graph (c, s);
    s->graph = NULL;
    return c->fault != NULL;
  }
  s->signature = c->signature;
  launch (c, s);
  return TRUE;
}

static gboolean
graphs_allowed (void)
{
  const char *text = g_getenv ("NEVA_CUDA_GRAPHS");

  return !text || !g_str_equal (text, "0");
}

void
neva_cuda_step (NevaBackend *b, guint64 key, NevaStepFunc func, gpointer data)
{
  NevaBackendCuda *c = neva_cuda (b);
  Step *s;

  if (!neva_cuda_enter (c))
    return;
  if (c->comms->len || !graphs_allowed ()) {
    func (data);
    return;
  }
  s = find_step (c, key);
  if (s->never || s->seen++ == 0) {
    func (data);
    return;
  }
  if (s->graph && replay (c, s, func, data))
    return;
  if (c->fault || record (c, s, func, data))
    return;
  /* another thread's call may spoil a recording; the step itself each one */
  s->never = ++s->failures >= TRIES;
  func (data);
}
