/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include "convert/json_out.h"
#include "convert/st_writer.h"

#define HEADER_ALIGNMENT 8u

/* {"name": {"dtype": …, "shape": […], "data_offsets": [begin, end]}, …}; padded
 * with spaces so that the data is aligned. */
static char *
make_header (const NevaOutList *tensors, guint first, guint n, gsize *length)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  guint64 at = 0;
  g_autofree char *text = NULL;
  char *padded;
  gsize used;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "__metadata__");
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "format");
  json_builder_add_string_value (b, "pt");
  json_builder_end_object (b);
  for (guint i = first; i < first + n; i++) {
    const NevaOutTensor *t = tensors->pdata[i];

    json_builder_set_member_name (b, t->name);
    json_builder_begin_object (b);
    json_builder_set_member_name (b, "dtype");
    json_builder_add_string_value (b, t->dtype);
    json_builder_set_member_name (b, "shape");
    json_builder_begin_array (b);
    for (guint d = 0; d < t->n_dims; d++)
      json_builder_add_int_value (b, (gint64) t->shape[d]);
    json_builder_end_array (b);
    json_builder_set_member_name (b, "data_offsets");
    json_builder_begin_array (b);
    json_builder_add_int_value (b, (gint64) at);
    json_builder_add_int_value (b, (gint64) (at + t->bytes));
    json_builder_end_array (b);
    json_builder_end_object (b);
    at += t->bytes;
  }
  json_builder_end_object (b);
  {
    g_autoptr (JsonNode) root = json_builder_get_root (b);

    text = json_to_string (root, FALSE);
  }
  used = strlen (text);
  *length = (used + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
  padded = g_malloc (*length);
  memcpy (padded, text, used);
  memset (padded + used, ' ', *length - used);
  return padded;
}

static gboolean
write_file (const char *path, const NevaOutList *tensors, guint first, guint n,
    NevaTensorSource *source, NevaOutProgress *progress, GError **error)
{
  gsize length;
  g_autofree char *header = make_header (tensors, first, n, &length);
  NevaSink *sink = neva_sink_new (path, error);
  g_autoptr (GError) local = NULL;
  guint8 size[8];
  gboolean ok = TRUE;

  if (!sink)
    return FALSE;
  neva_put_le (size, length, 8);
  neva_sink_write (sink, size, 8);
  neva_sink_write (sink, header, length);
  for (guint i = first; ok && i < first + n; i++)
    ok = neva_out_write (tensors->pdata[i], source, sink, progress, &local);
  if (!local)
    return neva_sink_close (sink, error) && ok;
  neva_sink_abandon (sink);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* How many tensors from `first` on go into one file. */
static guint
take (const NevaOutList *tensors, guint first, guint64 shard_bytes)
{
  guint64 bytes = 0;
  guint n = 0;

  for (guint i = first; i < tensors->len; i++, n++) {
    bytes += ((const NevaOutTensor *) tensors->pdata[i])->bytes;
    if (n && bytes > shard_bytes)
      break;
  }
  return n;
}

static gboolean
write_index (const char *folder, const NevaOutList *tensors, GHashTable *files,
    GError **error)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "metadata");
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "total_size");
  json_builder_add_int_value (b, (gint64) neva_out_list_bytes (tensors));
  json_builder_end_object (b);
  json_builder_set_member_name (b, "weight_map");
  json_builder_begin_object (b);
  for (guint i = 0; i < tensors->len; i++) {
    const NevaOutTensor *t = tensors->pdata[i];

    json_builder_set_member_name (b, t->name);
    json_builder_add_string_value (b, g_hash_table_lookup (files, t));
  }
  json_builder_end_object (b);
  json_builder_end_object (b);
  return neva_json_write (folder, "model.safetensors.index.json", b, error);
}

gboolean
neva_st_write (const char *folder, const NevaOutList *tensors,
    NevaTensorSource *source, guint64 shard_bytes, NevaOutProgress *progress,
    GError **error)
{
  g_autoptr (GHashTable) files =
      g_hash_table_new_full (NULL, NULL, NULL, g_free);
  guint shards = 0, shard = 0;

  for (guint first = 0; first < tensors->len; shards++)
    first += take (tensors, first, shard_bytes);
  for (guint first = 0; first < tensors->len; shard++) {
    const guint n = take (tensors, first, shard_bytes);
    g_autofree char *name =
        shards == 1 ? g_strdup ("model.safetensors")
                    : g_strdup_printf (
                          "model-%05u-of-%05u.safetensors", shard + 1, shards);
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (!write_file (path, tensors, first, n, source, progress, error))
      return FALSE;
    for (guint i = first; i < first + n; i++)
      g_hash_table_insert (files, tensors->pdata[i], g_strdup (name));
    first += n;
  }
  return shards < 2 || write_index (folder, tensors, files, error);
}
