/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/nemo_lora.h"
#include "checkpoint/nemo_ranks.h"
#include "checkpoint/torch_archive.h"

#define MAX_RANKS 1024u
#define LAYERS ".layers."
/* Hugging Face's are whole on each rank, by their names; Megatron's are split,
 * but not over a pipeline. */
#define VISION "vision_encoder."

typedef enum { WHOLE, ROWS, ROWS_GATED, COLUMNS } Split;

typedef struct {
  NevaBundle *bundle;
  NevaTensorSet *set;
  gboolean gated;
  guint tp, pp;
} Ranks;

/* How a tensor is split over tensor-parallel ranks, by the end of its name. */
static Split
split_of (const char *name, gboolean gated)
{
  static const struct {
    const char *part;
    Split split;
  } table[] = {
      /* adapters: narrow, then wide; beside a row-parallel matrix the narrow
         one is split like it */
      {"lora_dense_attention_adapter.linear_in.", COLUMNS},
      {"lora_4htoh_adapter.linear_in.", COLUMNS},
      {"lora_hto4h_adapter.linear_out.", ROWS_GATED},
      {NEVA_LORA_PART, ROWS},
      {"layer_norm", WHOLE},
      {"layernorm", WHOLE},
      {"mm_projector", WHOLE},
      {"router", WHOLE},
      {"word_embeddings.weight", ROWS},
      {"output_layer.weight", ROWS},
      {"linear_qkv.", ROWS},
      {"query_key_value.", ROWS},
      {"linear_fc1.", ROWS_GATED},
      {"dense_h_to_4h_2.", ROWS},
      {"dense_h_to_4h.", ROWS_GATED},
      {"linear_proj.weight", COLUMNS},
      {"linear_fc2.weight", COLUMNS},
      {"dense_4h_to_h.weight", COLUMNS},
      {"attention.dense.weight", COLUMNS},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
    if (!strstr (name, table[i].part))
      continue;
    if (table[i].split == ROWS_GATED && !gated)
      return ROWS;
    return table[i].split;
  }
  return WHOLE;
}

static char *
rank_file (const Ranks *r, guint tp, guint pp)
{
  if (r->pp > 1)
    return g_strdup_printf (
        "tp_rank_%02u_pp_rank_%03u/model_weights.ckpt", tp, pp);
  return g_strdup_printf ("mp_rank_%02u/model_weights.ckpt", tp);
}

/* How many ranks the folder names speak of. */
static gboolean
count_ranks (Ranks *r, GError **error)
{
  const GPtrArray *names = neva_bundle_names (r->bundle);

  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    guint tp, pp = 0;

    if (!g_str_has_suffix (name, "/model_weights.ckpt"))
      continue;
    if (sscanf (name, "tp_rank_%u_pp_rank_%u/", &tp, &pp) != 2 &&
        sscanf (name, "mp_rank_%u/", &tp) != 1)
      continue;
    if (tp >= MAX_RANKS || pp >= MAX_RANKS)
      continue;
    r->tp = MAX (r->tp, tp + 1);
    r->pp = MAX (r->pp, pp + 1);
  }
  if (r->tp)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: no weights in it: neither model_weights.ckpt, nor ranks "
      "(mp_rank_00/…, tp_rank_00_pp_rank_000/…), nor model_weights/",
      neva_bundle_path (r->bundle));
  return FALSE;
}

static NevaTorchArchive *
open_rank (const Ranks *r, guint tp, guint pp, GError **error)
{
  g_autofree char *file = rank_file (r, tp, pp);
  g_autofree char *name =
      g_strconcat (neva_bundle_path (r->bundle), ": ", file, NULL);
  GBytes *bytes = neva_bundle_find (r->bundle, file);
  NevaTorchArchive *archive;
  gsize length;
  const guint8 *data;

  if (!bytes) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: rank missing (of %u tensor-parallel × %u pipeline-parallel)", name,
        r->tp, r->pp);
    return NULL;
  }
  data = g_bytes_get_data (bytes, &length);
  archive = neva_torch_archive_read (data, length, name, error);
  if (archive)
    neva_tensor_set_keep (
        r->set, archive, (GDestroyNotify) neva_torch_archive_free);
  return archive;
}

/* The layer number in a name, or -1; *digits: where it stands. */
static glong
layer_of (const char *name, const char **digits, const char **rest)
{
  const char *layers = strstr (name, LAYERS);
  char *end;
  gulong layer;

  if (!layers || !g_ascii_isdigit (layers[strlen (LAYERS)]))
    return -1;
  *digits = layers + strlen (LAYERS);
  layer = strtoul (*digits, &end, 10);
  *rest = end;
  return layer < 100000 ? (glong) layer : -1;
}

static gboolean
same_shape (const NevaTensorView *a, const NevaTensorView *b)
{
  return a->n_dims == b->n_dims && !strcmp (a->dtype, b->dtype) &&
         !memcmp (a->shape, b->shape, a->n_dims * sizeof *a->shape);
}

static gboolean
merge (const Ranks *r, const char *name, const NevaTensorView *const *parts,
    Split split, GError **error)
{
  const NevaTensorView *first = parts[0];
  const guint axis = split == COLUMNS ? 1 : 0;
  const guint halves = split == ROWS_GATED ? 2 : 1;
  gsize shape[NEVA_TENSOR_MAX_DIMS], offset[NEVA_TENSOR_MAX_DIMS] = {0}, n;
  g_autoptr (NevaAssembly) whole = NULL;

  if (axis >= first->n_dims || first->shape[axis] % halves) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s' cannot be split over ranks in its shape",
        neva_bundle_path (r->bundle), name);
    return FALSE;
  }
  n = first->shape[axis] / halves;
  memcpy (shape, first->shape, sizeof shape);
  if (g_size_checked_mul (&shape[axis], first->shape[axis], r->tp))
    whole = neva_assembly_new (first->dtype, first->n_dims, shape);
  for (guint t = 0; t < r->tp; t++) {
    if (!whole || !same_shape (parts[t], first)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: tensor '%s' differs in shape between ranks 0 and %u",
          neva_bundle_path (r->bundle), name, t);
      return FALSE;
    }
    for (guint h = 0; h < halves; h++) {
      const NevaTensorView part =
          axis ? *parts[t] : neva_tensor_rows (parts[t], h * n, n);

      offset[axis] = (h * r->tp + t) * n;
      neva_assembly_add (whole, &part, part.shape, offset, part.shape);
    }
  }
  return neva_tensor_set_add_assembly (
      r->set, name, g_steal_pointer (&whole), error);
}

/* "swiglu" of the legacy model has gate and up under two names, so neither is
 * both. */
static gboolean
is_half (const NevaTorchArchive *archive, const char *name)
{
  static const char joined[] = "dense_h_to_4h.";
  const char *at = strstr (name, joined);
  g_autofree char *other =
      at ? g_strdup_printf ("%.*sdense_h_to_4h_2.%s", (int) (at - name), name,
               at + strlen (joined))
         : NULL;

  return other && neva_torch_archive_find (archive, other);
}

static gboolean
add_tensor (const Ranks *r, NevaTorchArchive *const *archives,
    const NevaTensorView *view, glong first_layer, GError **error)
{
  const char *digits, *rest;
  const glong layer = layer_of (view->name, &digits, &rest);
  const Split split =
      split_of (view->name, r->gated && !strstr (view->name, VISION) &&
                                !is_half (archives[0], view->name));
  g_autofree const NevaTensorView **parts =
      g_new (const NevaTensorView *, r->tp);
  g_autofree char *name =
      layer < 0 ? g_strdup (view->name)
                : g_strdup_printf ("%.*s%ld%s", (int) (digits - view->name),
                      view->name, layer + first_layer, rest);

  /* what is on several pipeline ranks (tied embeddings) is the same there */
  if (neva_tensor_set_find (r->set, name))
    return TRUE;
  if (split == WHOLE || r->tp == 1)
    return neva_tensor_set_add (r->set, name, view, error);
  for (guint t = 0; t < r->tp; t++) {
    parts[t] = neva_torch_archive_find (archives[t], view->name);
    if (parts[t])
      continue;
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s' is missing on tensor-parallel rank %u",
        neva_bundle_path (r->bundle), view->name, t);
    return FALSE;
  }
  return merge (r, name, parts, split, error);
}

gboolean
neva_nemo_ranks_read (
    NevaBundle *bundle, gboolean gated, NevaTensorSet *set, GError **error)
{
  Ranks r = {.bundle = bundle, .set = set, .gated = gated};
  g_autofree NevaTorchArchive **archives = NULL;
  glong first_layer = 0;

  if (!count_ranks (&r, error))
    return FALSE;
  archives = g_new (NevaTorchArchive *, r.tp);
  for (guint pp = 0; pp < r.pp; pp++) {
    const GPtrArray *all;
    glong layers = 0;

    for (guint tp = 0; tp < r.tp; tp++) {
      if (!(archives[tp] = open_rank (&r, tp, pp, error)))
        return FALSE;
    }
    all = neva_torch_archive_tensors (archives[0]);
    for (guint i = 0; i < all->len; i++) {
      const NevaTensorView *view = g_ptr_array_index (all, i);
      const char *digits, *rest;

      if (pp && strstr (view->name, VISION) &&
          layer_of (view->name, &digits, &rest) >= 0) {
        g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
            "%s: tensor '%s': a vision tower that is split over a pipeline",
            neva_bundle_path (bundle), view->name);
        return FALSE;
      }
      if (!strstr (view->name, VISION))
        layers = MAX (layers, layer_of (view->name, &digits, &rest) + 1);
      if (!add_tensor (&r, archives, view,
              strstr (view->name, VISION) ? 0 : first_layer, error))
        return FALSE;
    }
    first_layer += layers;
  }
  return TRUE;
}
