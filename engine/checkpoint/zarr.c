/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/json_file.h"
#include "checkpoint/zarr.h"

typedef struct {
  char *path; /* of the array's folder in the bundle */
  const char *dtype;
  guint n_dims;
  gsize shape[NEVA_TENSOR_MAX_DIMS], chunk[NEVA_TENSOR_MAX_DIMS];
  gsize element;
  char separator;
} Array;

static gboolean
fail (NevaBundle *bundle, const Array *a, GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s: %s",
      neva_bundle_path (bundle), a->path, what);
  return FALSE;
}

static gboolean
read_sizes (JsonObject *object, const char *key, guint *n, gsize *sizes)
{
  JsonNode *node = json_object_get_member (object, key);
  JsonArray *array;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  array = json_node_get_array (node);
  *n = json_array_get_length (array);
  if (*n > NEVA_TENSOR_MAX_DIMS)
    return FALSE;
  for (guint i = 0; i < *n; i++) {
    JsonNode *item = json_array_get_element (array, i);
    const gint64 v =
        JSON_NODE_HOLDS_VALUE (item) ? json_node_get_int (item) : -1;

    if (v < 1)
      return FALSE;
    sizes[i] = v;
  }
  return TRUE;
}

static const char *
dtype_of (JsonObject *object)
{
  static const struct {
    const char *zarr, *ours;
  } table[] = {{"<f4", "F32"}, {"bfloat16", "BF16"}, {"<f2", "F16"},
      {"<f8", "F64"}, {"<i8", "I64"}, {"<i4", "I32"}, {"|u1", "U8"},
      {"|i1", "I8"}, {"|b1", "BOOL"}};
  JsonNode *node = json_object_get_member (object, "dtype");
  const char *text =
      node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;

  for (gsize i = 0; text && i < G_N_ELEMENTS (table); i++) {
    if (!strcmp (table[i].zarr, text))
      return table[i].ours;
  }
  return NULL;
}

static gboolean
is_null (JsonObject *object, const char *key)
{
  JsonNode *node = json_object_get_member (object, key);

  return !node || JSON_NODE_HOLDS_NULL (node);
}

static gboolean
read_header (NevaBundle *bundle, GBytes *bytes, Array *a, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  g_autoptr (JsonNode) root =
      length < 65536 ? neva_json_parse_object (text, length, ".zarray", NULL)
                     : NULL;
  JsonObject *object;
  guint n_chunk;

  if (!root)
    return fail (bundle, a, error, ".zarray is no JSON object");
  object = json_node_get_object (root);
  if (!is_null (object, "compressor") || !is_null (object, "filters"))
    return fail (
        bundle, a, error, "a compressed array; only plain ones are read");
  if (!is_null (object, "order") &&
      g_strcmp0 (json_object_get_string_member (object, "order"), "C"))
    return fail (bundle, a, error, "an array that is not in C order");
  a->dtype = dtype_of (object);
  if (!a->dtype)
    return fail (bundle, a, error, "an unknown dtype");
  if (!read_sizes (object, "shape", &a->n_dims, a->shape) ||
      !read_sizes (object, "chunks", &n_chunk, a->chunk) ||
      n_chunk != a->n_dims)
    return fail (bundle, a, error, "no usable shape");
  a->element = neva_dtype_name_bytes (a->dtype);
  a->separator = '.';
  if (!is_null (object, "dimension_separator") &&
      !g_strcmp0 (
          json_object_get_string_member (object, "dimension_separator"), "/"))
    a->separator = '/';
  return TRUE;
}

/* The bytes of one chunk, checked for its full (padded) size. */
static gboolean
find_chunk (NevaBundle *bundle, const Array *a, const gsize *index,
    const void **data, GError **error)
{
  g_autoptr (GString) name = g_string_new (a->path);
  gsize length, want = a->element;
  GBytes *bytes;

  g_string_append_c (name, '/');
  for (guint d = 0; d < a->n_dims; d++) {
    if (d)
      g_string_append_c (name, a->separator);
    g_string_append_printf (name, "%" G_GSIZE_FORMAT, index[d]);
    if (!g_size_checked_mul (&want, want, a->chunk[d]))
      return fail (bundle, a, error, "a chunk size that overflows");
  }
  if (!a->n_dims)
    g_string_append_c (name, '0');
  bytes = neva_bundle_find (bundle, name->str);
  if (!bytes) {
    g_autofree char *what =
        g_strdup_printf ("chunk '%s' is missing", name->str);

    return fail (bundle, a, error, what);
  }
  *data = g_bytes_get_data (bytes, &length);
  return length == want
             ? TRUE
             : fail (bundle, a, error, "a chunk that is not of the chunk size");
}

static gboolean
read_array (NevaBundle *bundle, Array *a, NevaTensorSet *set, GError **error)
{
  const char *slash = strrchr (a->path, '/');
  const char *name = slash ? slash + 1 : a->path;
  gsize index[NEVA_TENSOR_MAX_DIMS] = {0}, offset[NEVA_TENSOR_MAX_DIMS];
  g_autoptr (NevaAssembly) whole =
      neva_assembly_new (a->dtype, a->n_dims, a->shape);
  NevaTensorView chunk = {.dtype = a->dtype, .n_dims = a->n_dims};

  if (!whole)
    return fail (bundle, a, error, "a shape that overflows");
  for (;;) {
    guint d;

    /* no array is larger than its chunks are many */
    if (!find_chunk (bundle, a, index, &chunk.data, error))
      return FALSE;
    for (d = 0; d < a->n_dims; d++)
      offset[d] = index[d] * a->chunk[d];
    neva_assembly_add (whole, &chunk, a->chunk, offset, a->chunk);
    for (d = a->n_dims; d-- > 0;) {
      if (++index[d] * a->chunk[d] < a->shape[d])
        break;
      index[d] = 0;
    }
    if (d == (guint) -1)
      return neva_tensor_set_add_assembly (
          set, name, g_steal_pointer (&whole), error);
  }
}

gboolean
neva_zarr_read (
    NevaBundle *bundle, const char *folder, NevaTensorSet *set, GError **error)
{
  const GPtrArray *names = neva_bundle_names (bundle);
  g_autofree char *prefix = g_strconcat (folder, "/", NULL);

  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    Array a = {0};
    gboolean ok;

    if (!g_str_has_prefix (name, prefix) ||
        !g_str_has_suffix (name, "/.zarray"))
      continue;
    a.path = g_strndup (name, strlen (name) - strlen ("/.zarray"));
    if (g_str_has_suffix (a.path, "_extra_state"))
      ok = TRUE;
    else
      ok = read_header (bundle, neva_bundle_find (bundle, name), &a, error) &&
           read_array (bundle, &a, set, error);
    g_free (a.path);
    if (!ok)
      return FALSE;
  }
  return TRUE;
}
