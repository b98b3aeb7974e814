/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/nemo_qkv.h"

/* Rows of one letter: runs of `rows`, `step` apart, the first at `from`. */
typedef struct {
  gsize from, rows, step, runs;
} Runs;

static Runs
find_runs (const NevaQkv *q, guint letter)
{
  const gsize per_group = q->heads / q->groups, d = q->head_dim;

  if (q->apart)
    return (Runs){letter * q->heads * d, q->heads * d, 0, 1};
  return (Runs){(letter ? per_group + letter - 1 : 0) * d,
      (letter ? 1 : per_group) * d, (per_group + 2) * d, q->groups};
}

static gboolean
add_letter (NevaTensorSet *to, const NevaTensorView *view, const Runs *runs,
    const char *name, GError **error)
{
  gsize shape[NEVA_TENSOR_MAX_DIMS];
  g_autoptr (NevaAssembly) part = NULL;

  memcpy (shape, view->shape, sizeof shape);
  shape[0] = runs->runs * runs->rows;
  part = neva_assembly_new (view->dtype, view->n_dims, shape);
  if (!part) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s': impossible shape", view->name);
    return FALSE;
  }
  for (gsize i = 0; i < runs->runs; i++) {
    const NevaTensorView from =
        neva_tensor_rows (view, runs->from + i * runs->step, runs->rows);

    neva_assembly_add_rows (part, &from, i * runs->rows);
  }
  return neva_tensor_set_add_assembly (
      to, name, g_steal_pointer (&part), error);
}

gboolean
neva_nemo_qkv_split (NevaTensorSet *to, const NevaTensorView *view,
    const NevaQkv *q, const char *prefix, const char *suffix, GError **error)
{
  const gsize total = (q->heads + 2 * q->groups) * q->head_dim;

  if (!view->n_dims || view->shape[0] != total) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s': %" G_GSIZE_FORMAT " rows expected, %" G_GSIZE_FORMAT
        " found",
        view->name, total, view->n_dims ? view->shape[0] : 0);
    return FALSE;
  }
  for (guint i = 0; i < 3; i++) {
    const Runs runs = find_runs (q, i);
    g_autofree char *name =
        g_strdup_printf ("%s%c_proj%s", prefix, "qkv"[i], suffix);

    if (!add_letter (to, view, &runs, name, error))
      return FALSE;
  }
  return TRUE;
}
