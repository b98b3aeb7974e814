/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/json_file.h"
#include "checkpoint/nemo_ranks.h"
#include "checkpoint/nemo_tensors.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/torch_dist.h"
#include "checkpoint/zarr.h"

#define LAYERS ".layers."

/* "…layers.self_attention…" [L, …] becomes L views "…layers.N.self_attention…";
 * everything else is taken as it is. */
static gboolean
unstack (const NevaTensorSet *from, NevaTensorSet *to, GError **error)
{
  const GPtrArray *all = neva_tensor_set_all (from);

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = g_ptr_array_index (all, i);
    const char *layers = strstr (view->name, LAYERS);
    const char *rest = layers ? layers + strlen (LAYERS) : NULL;

    if (!rest || g_ascii_isdigit (*rest) || !view->n_dims) {
      if (!neva_tensor_set_add (to, view->name, view, error))
        return FALSE;
      continue;
    }
    for (gsize layer = 0; layer < view->shape[0]; layer++) {
      g_autofree char *name = g_strdup_printf ("%.*s%" G_GSIZE_FORMAT ".%s",
          (int) (rest - view->name), view->name, layer, rest);
      NevaTensorView slice = neva_tensor_rows (view, layer, 1);

      slice.n_dims--;
      memmove (
          slice.shape, view->shape + 1, slice.n_dims * sizeof *slice.shape);
      if (!neva_tensor_set_add (to, name, &slice, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* "torch_dist" or "zarr" as metadata.json says; (transfer full). */
static char *
read_backend (NevaBundle *bundle, GBytes *bytes, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  g_autoptr (JsonNode) root =
      length < 65536 ? neva_json_parse_object (text, length, "metadata", NULL)
                     : NULL;
  JsonNode *node = NULL;

  if (root)
    node =
        json_object_get_member (json_node_get_object (root), "sharded_backend");
  if (node && JSON_NODE_HOLDS_VALUE (node) &&
      json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_dup_string (node);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: model_weights/metadata.json names no sharded_backend",
      neva_bundle_path (bundle));
  return NULL;
}

static gboolean
read_distributed (
    NevaBundle *bundle, GBytes *metadata, NevaTensorSet *set, GError **error)
{
  g_autofree char *backend = read_backend (bundle, metadata, error);
  NevaTensorSet *stacked;
  gboolean ok;

  if (!backend)
    return FALSE;
  stacked = neva_tensor_set_new (neva_bundle_path (bundle));
  neva_tensor_set_keep (set, stacked, (GDestroyNotify) neva_tensor_set_free);
  if (!strcmp (backend, "torch_dist")) {
    ok = neva_torch_dist_read (bundle, "model_weights", stacked, error);
  } else if (!strcmp (backend, "zarr")) {
    ok = neva_zarr_read (bundle, "model_weights", stacked, error);
  } else {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "%s: distributed checkpoint format '%s' (torch_dist and zarr are read)",
        neva_bundle_path (bundle), backend);
    ok = FALSE;
  }
  return ok && unstack (stacked, set, error);
}

static gboolean
read_single (
    NevaBundle *bundle, GBytes *bytes, NevaTensorSet *set, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);
  g_autofree char *name =
      g_strconcat (neva_bundle_path (bundle), ": model_weights.ckpt", NULL);
  NevaTorchArchive *archive =
      neva_torch_archive_read (data, length, name, error);
  const GPtrArray *all;

  if (!archive)
    return FALSE;
  neva_tensor_set_keep (set, archive, (GDestroyNotify) neva_torch_archive_free);
  all = neva_torch_archive_tensors (archive);
  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = g_ptr_array_index (all, i);

    if (!neva_tensor_set_add (set, view->name, view, error))
      return FALSE;
  }
  return TRUE;
}

NevaTensorSet *
neva_nemo_tensors_read (NevaBundle *bundle, gboolean gated, GError **error)
{
  g_autoptr (NevaTensorSet) set =
      neva_tensor_set_new (neva_bundle_path (bundle));
  GBytes *bytes;
  gboolean ok;

  if ((bytes = neva_bundle_find (bundle, "model_weights/metadata.json")))
    ok = read_distributed (bundle, bytes, set, error);
  else if ((bytes = neva_bundle_find (bundle, "model_weights.ckpt")))
    ok = read_single (bundle, bytes, set, error);
  else
    ok = neva_nemo_ranks_read (bundle, gated, set, error);
  return ok ? g_steal_pointer (&set) : NULL;
}
