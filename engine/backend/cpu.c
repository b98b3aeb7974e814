/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory, errors and set-up of the CPU backend.
 *
 * NEVA_CPU=ref|avx2|avx512|amx|auto limits the kernel tiers (tests, support).
 */
#include "config.h"
#include "cpu_backend.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* From here on memory comes straight from the OS: zero, and not touched before
 * it is used. */
#define MAP_FROM (256u << 10)

/* Some 10 us of one thread: as long as it takes to wake another. */
#define MIN_OPERATIONS (128u << 10)

/* Weights are read from end to end for every token; large pages make that
 * faster. A block is aligned to them. */
#define LARGE_PAGE ((gsize) 2 << 20)

static void
set_fault (NevaBackendCpu *c, gsize bytes)
{
  if (!c->fault)
    c->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%" G_GSIZE_FORMAT " bytes of memory cannot be had", bytes);
}

typedef struct {
  NevaPoolFunc func;
  void *data;
  gsize n_tasks;
} SmallJob;

static void
small_task (void *data, gsize task, void *work)
{
  const SmallJob *j = data;

  for (gsize i = 0; i < j->n_tasks; i++)
    j->func (j->data, i, work);
}

void
neva_cpu_run (NevaBackendCpu *c, NevaPoolFunc func, void *data, gsize n_tasks,
    gsize work_bytes, gsize operations)
{
  SmallJob small = {func, data, n_tasks};

  if (operations < MIN_OPERATIONS && n_tasks > 1) {
    func = small_task;
    data = &small;
    n_tasks = 1;
  }
  if (!c->fault && !neva_pool_run (c->pool, func, data, n_tasks, work_bytes))
    set_fault (c, work_bytes * neva_pool_threads (c->pool));
}

static void *
map_memory (gsize bytes)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE);
  const gsize used = (bytes + page - 1) / page * page;
  const gsize slack = bytes >= LARGE_PAGE ? LARGE_PAGE : 0;
  guint8 *map = mmap (NULL, used + slack, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  gsize before;

  if (map == MAP_FAILED)
    return NULL;
  if (!slack)
    return map;
  before = (LARGE_PAGE - (gsize) map % LARGE_PAGE) % LARGE_PAGE;
  if (before)
    munmap (map, before);
  if (before < slack)
    munmap (map + before + used, slack - before);
  /* where it is refused, small pages work too */
  madvise (map + before, used, MADV_HUGEPAGE);
  return map + before;
}

void *
neva_cpu_alloc (NevaBackend *b, gsize bytes, GError **error)
{
  void *memory = NULL;

  if (!bytes)
    return NULL;
  if (bytes < MAP_FROM) {
    memory = aligned_alloc (64, (bytes + 63) / 64 * 64);
    if (memory)
      memset (memory, 0, bytes);
  } else if (bytes < G_MAXSSIZE - LARGE_PAGE) {
    memory = map_memory (bytes);
  }
  if (!memory)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%" G_GSIZE_FORMAT " bytes of memory cannot be had", bytes);
  return memory;
}

void
neva_cpu_release (NevaBackend *b, void *memory, gsize bytes)
{
  if (!memory)
    return;
  if (bytes < MAP_FROM)
    free (memory);
  else
    munmap (memory, bytes);
}

static void
cpu_clear (NevaBackend *b, void *memory, gsize bytes)
{
  memset (memory, 0, bytes);
}

static void
cpu_copy (NevaBackend *b, void *dst, const void *src, gsize bytes)
{
  memcpy (dst, src, bytes);
}

static gboolean
cpu_synchronize (NevaBackend *b, GError **error)
{
  NevaBackendCpu *c = neva_cpu (b);

  if (!c->fault)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&c->fault));
  return FALSE;
}

static gboolean
cpu_supports (NevaBackend *b, NevaOp op, NevaDType type)
{
  switch (op) {
    case NEVA_OP_LINEAR:
      return neva_cpu (b)->kernels.matmul[type] != NULL;
    case NEVA_OP_GATHER:
      return type == NEVA_DTYPE_F32 || type == NEVA_DTYPE_BF16 ||
             type == NEVA_DTYPE_F16;
    case NEVA_OP_KV_STORE:
    case NEVA_OP_ATTENTION:
      return type == NEVA_DTYPE_F32 || type == NEVA_DTYPE_BF16;
  }
  return FALSE;
}

static void
cpu_step (NevaBackend *b, guint64 key, NevaStepFunc func, gpointer data)
{
  func (data);
}

static void
cpu_free (NevaBackend *b)
{
  NevaBackendCpu *c = neva_cpu (b);

  neva_pool_unref (c->pool);
  neva_cpu_release (b, c->xq, c->xq_bytes);
  g_clear_error (&c->fault);
  g_free (c);
}

static const NevaBackendClass cpu_class = {
    .name = "cpu",
    .free = cpu_free,
    .supports = cpu_supports,
    .alloc = neva_cpu_alloc,
    .release = neva_cpu_release,
    .clear = cpu_clear,
    .upload = cpu_copy,
    .download = cpu_copy,
    .synchronize = cpu_synchronize,
    .matrix_init = neva_cpu_matrix_init,
    .matrix_codes = neva_cpu_matrix_codes,
    .matrix_clear = neva_cpu_matrix_clear,
    .linear = neva_cpu_linear,
    .gated = neva_cpu_gated,
    .gather = neva_cpu_gather,
    .copy_rows = neva_cpu_copy_rows,
    .rms_norm = neva_cpu_rms_norm,
    .layer_norm = neva_cpu_layer_norm,
    .rope = neva_cpu_rope,
    .add = neva_cpu_add,
    .add_rows = neva_cpu_add_rows,
    .patches = neva_cpu_patches,
    .sample = neva_cpu_sample,
    .kv_store = neva_cpu_kv_store,
    .rope_store = neva_cpu_rope_store,
    .attention = neva_cpu_attention,
    .step = cpu_step,
};

/* A tier and all below it. */
static unsigned
allowed_flags (void)
{
  static const struct {
    const char *name;
    unsigned flags;
  } tiers[] = {{"auto", ~0u}, {"amx", ~0u},
      {"avx512", ~(unsigned) NEVA_CPU_AMX}, {"avx2", NEVA_CPU_AVX2},
      {"ref", 0}};
  const char *name = g_getenv ("NEVA_CPU");

  if (!name || !*name)
    return ~0u;
  for (gsize i = 0; i < G_N_ELEMENTS (tiers); i++) {
    if (g_str_equal (tiers[i].name, name))
      return tiers[i].flags;
  }
  neva_warning ("NEVA_CPU=%s is unknown (ref, avx2, avx512, amx, auto)", name);
  return ~0u;
}

NevaBackend *
neva_backend_cpu_new (guint threads, guint part, guint parts)
{
  NevaBackendCpu *c = g_new0 (NevaBackendCpu, 1);

  c->base.klass = &cpu_class;
  neva_cpu_kernels_init (&c->kernels, neva_cpu_flags () & allowed_flags ());
  c->pool = neva_pool_get_part (threads, part, parts);
  return &c->base;
}
