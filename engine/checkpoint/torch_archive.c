/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tensor in data.pkl is a call
 *   torch._utils._rebuild_tensor_v2 (storage, offset, size, stride, …)
 * whose storage is a persistent id
 *   ("storage", torch.FloatStorage, "0", "cpu", number of elements)
 * that names the member <root>/data/0. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/pickle.h"
#include "checkpoint/tensor_set.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/zip_store.h"

/* state dicts nest by module at most; deeper is a trap */
#define MAX_DEPTH 8
/* Copies of strided tensors, all together, in lengths of the file. Tied weights
 * may share a storage; a thousand tensors that do are a trap. */
#define MAX_COPIES 4

struct _NevaTorchArchive {
  const guint8 *data;
  gsize copies_left; /* bytes */
  char *name, *root; /* file, for messages; folder inside the zip, with '/' */
  GHashTable *members;
  NevaPickle *pickle;
  GPtrArray *tensors;  /* owns NevaTensorView */
  GHashTable *by_name; /* borrows both */
  GPtrArray *owned;    /* tensor names, and copies of strided tensors */
};

typedef struct {
  const char *global, *dtype;
} StorageType;

static const StorageType storage_types[] = {
    {"torch FloatStorage", "F32"},
    {"torch BFloat16Storage", "BF16"},
    {"torch HalfStorage", "F16"},
    {"torch DoubleStorage", "F64"},
    {"torch LongStorage", "I64"},
    {"torch IntStorage", "I32"},
    {"torch ShortStorage", "I16"},
    {"torch CharStorage", "I8"},
    {"torch ByteStorage", "U8"},
    {"torch BoolStorage", "BOOL"},
};

void
neva_torch_archive_free (NevaTorchArchive *archive)
{
  if (!archive)
    return;
  g_clear_pointer (&archive->by_name, g_hash_table_unref);
  g_clear_pointer (&archive->members, g_hash_table_unref);
  g_clear_pointer (&archive->tensors, g_ptr_array_unref);
  g_clear_pointer (&archive->owned, g_ptr_array_unref);
  neva_pickle_free (archive->pickle);
  g_free (archive->name);
  g_free (archive->root);
  g_free (archive);
}

static gboolean
fail (const NevaTorchArchive *a, const char *tensor, const char *what,
    GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: tensor '%s': %s",
      a->name, tensor, what);
  return FALSE;
}

static const StorageType *
storage_type (const NevaPickleValue *value)
{
  if (!value || value->kind != NEVA_PICKLE_GLOBAL)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (storage_types); i++) {
    if (!strcmp (storage_types[i].global, value->string))
      return &storage_types[i];
  }
  return NULL;
}

/* Sizes and strides; *span: elements from the first to the last, plus one. */
static gboolean
read_shape (const NevaTorchArchive *a, NevaTensorView *view,
    const NevaPickleValue *size, const NevaPickleValue *stride,
    gsize strides[NEVA_TENSOR_MAX_DIMS], gsize *span, GError **error)
{
  gboolean empty = FALSE;

  if (!size || size->kind != NEVA_PICKLE_SEQUENCE || !stride ||
      stride->kind != NEVA_PICKLE_SEQUENCE || size->n_items != stride->n_items)
    return fail (a, view->name, "no shape", error);
  if (size->n_items > NEVA_TENSOR_MAX_DIMS)
    return fail (a, view->name, "too many dimensions", error);

  view->n_dims = size->n_items;
  view->n_elements = 1;
  *span = 1;
  for (guint d = 0; d < view->n_dims; d++) {
    gint64 n, s;
    gsize reach;

    if (!neva_pickle_int (size->items[d], &n) || n < 0 ||
        !neva_pickle_int (stride->items[d], &s) || s < 0)
      return fail (a, view->name, "a shape that is no shape", error);
    view->shape[d] = n;
    strides[d] = s;
    empty |= n == 0;
    if (!g_size_checked_mul (&view->n_elements, view->n_elements, n) ||
        !g_size_checked_mul (&reach, n ? n - 1 : 0, s) ||
        !g_size_checked_add (span, *span, reach))
      return fail (a, view->name, "a shape that overflows", error);
  }
  if (empty)
    *span = 0;
  return TRUE;
}

static gboolean
is_contiguous (
    const NevaTensorView *view, const gsize strides[NEVA_TENSOR_MAX_DIMS])
{
  gsize expected = 1;

  for (guint d = view->n_dims; d-- > 0;) {
    if (view->shape[d] != 1 && strides[d] != expected)
      return FALSE;
    expected *= view->shape[d];
  }
  return TRUE;
}

/* Row-major copy of a strided (e.g. transposed) tensor. */
static gboolean
copy_strided (NevaTorchArchive *a, NevaTensorView *view, const guint8 *from,
    const gsize strides[NEVA_TENSOR_MAX_DIMS], gsize element, GError **error)
{
  gsize at[NEVA_TENSOR_MAX_DIMS] = {0};
  guint8 *to;

  if (view->bytes > a->copies_left)
    return fail (a, view->name,
        "strided tensors share storages until they are many times the file",
        error);
  a->copies_left -= view->bytes;
  to = g_try_malloc (MAX (view->bytes, 1));
  if (!to) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%s: tensor '%s': no memory for %" G_GSIZE_FORMAT " bytes", a->name,
        view->name, view->bytes);
    return FALSE;
  }
  g_ptr_array_add (a->owned, to);
  view->data = to;
  for (gsize i = 0; i < view->n_elements; i++, to += element) {
    gsize offset = 0;

    for (guint d = 0; d < view->n_dims; d++)
      offset += at[d] * strides[d];
    memcpy (to, from + offset * element, element);
    for (guint d = view->n_dims; d-- > 0;) {
      if (++at[d] < view->shape[d])
        break;
      at[d] = 0;
    }
  }
  return TRUE;
}

/* Fills view->data from a persistent id and an offset in elements. */
static gboolean
read_storage (NevaTorchArchive *a, NevaTensorView *view,
    const NevaPickleValue *persistent, const NevaPickleValue *offset_value,
    const gsize strides[NEVA_TENSOR_MAX_DIMS], gsize span, GError **error)
{
  const NevaPickleValue *id = NULL;
  const StorageType *type;
  const NevaZipMember *member;
  const char *key;
  g_autofree char *path = NULL;
  gint64 offset;
  gsize end, element;

  if (persistent && persistent->kind == NEVA_PICKLE_PERSISTENT)
    id = persistent->args;
  type = storage_type (neva_pickle_item (id, 1));
  key = neva_pickle_string (neva_pickle_item (id, 2));
  if (!type || !key || !neva_pickle_int (offset_value, &offset) || offset < 0)
    return fail (a, view->name, "a storage of unknown kind", error);

  element = neva_dtype_name_bytes (type->dtype);
  path = g_strconcat (a->root, "data/", key, NULL);
  member = g_hash_table_lookup (a->members, path);
  if (!member)
    return fail (a, view->name, "its storage is not in the archive", error);
  if (!g_size_checked_add (&end, offset, span) ||
      !g_size_checked_mul (&end, end, element) || end > member->size ||
      !g_size_checked_mul (&view->bytes, view->n_elements, element))
    return fail (a, view->name, "longer than its storage", error);

  view->dtype = type->dtype;
  view->data = a->data + member->offset + (gsize) offset * element;
  if (is_contiguous (view, strides))
    return TRUE;
  if (view->n_elements > member->size / element)
    return fail (a, view->name, "larger than its storage", error);
  return copy_strided (a, view, view->data, strides, element, error);
}

static gboolean
add_tensor (NevaTorchArchive *a, const char *name, const NevaPickleValue *call,
    GError **error)
{
  gsize strides[NEVA_TENSOR_MAX_DIMS], span;
  NevaTensorView *view = g_new0 (NevaTensorView, 1);
  char *copy = g_strdup (name);

  g_ptr_array_add (a->owned, copy);
  g_ptr_array_add (a->tensors, view);
  view->name = copy;
  if (!read_shape (a, view, neva_pickle_item (call, 2),
          neva_pickle_item (call, 3), strides, &span, error) ||
      !read_storage (a, view, neva_pickle_item (call, 0),
          neva_pickle_item (call, 1), strides, span, error))
    return FALSE;
  if (!g_hash_table_insert (a->by_name, copy, view))
    return fail (a, name, "is there twice", error);
  return TRUE;
}

static gboolean
add_values (NevaTorchArchive *a, const char *prefix,
    const NevaPickleValue *value, guint depth, GError **error)
{
  /* torch.nn.Parameter: _rebuild_parameter (tensor, …) */
  if (neva_pickle_is (value, "torch._utils _rebuild_parameter"))
    value = neva_pickle_item (value, 0);
  if (neva_pickle_is (value, "torch._utils _rebuild_tensor_v2"))
    return add_tensor (a, prefix, value, error);

  if (!value || depth > MAX_DEPTH ||
      (value->kind != NEVA_PICKLE_DICT &&
          !neva_pickle_is (value, "collections OrderedDict")))
    return TRUE; /* a number, a version, extra state: no tensor */

  for (gsize i = 0; i + 1 < value->n_items; i += 2) {
    const char *key = neva_pickle_string (value->items[i]);
    g_autofree char *name = NULL;

    if (!key || g_str_has_suffix (key, "_extra_state"))
      continue;
    name = *prefix ? g_strconcat (prefix, ".", key, NULL) : g_strdup (key);
    if (!add_values (a, name, value->items[i + 1], depth + 1, error))
      return FALSE;
  }
  return TRUE;
}

/* The one folder that holds data.pkl. */
static const NevaZipMember *
find_structure (NevaTorchArchive *a)
{
  GHashTableIter iter;
  gpointer key, member;

  g_hash_table_iter_init (&iter, a->members);
  while (g_hash_table_iter_next (&iter, &key, &member)) {
    if (!g_str_has_suffix (key, "/data.pkl"))
      continue;
    a->root = g_strndup (key, strlen (key) - strlen ("data.pkl"));
    return member;
  }
  return NULL;
}

NevaTorchArchive *
neva_torch_archive_read (
    const guint8 *data, gsize length, const char *name, GError **error)
{
  g_autoptr (NevaTorchArchive) a = g_new0 (NevaTorchArchive, 1);
  const NevaZipMember *structure, *order;
  g_autofree char *order_path = NULL;

  a->data = data;
  a->copies_left =
      length > G_MAXSIZE / MAX_COPIES ? G_MAXSIZE : length * MAX_COPIES;
  a->name = g_strdup (name);
  a->tensors = g_ptr_array_new_with_free_func (g_free);
  a->owned = g_ptr_array_new_with_free_func (g_free);
  a->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  a->members = neva_zip_store_read (data, length, name, error);
  if (!a->members)
    return NULL;
  structure = find_structure (a);
  if (!structure) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: no data.pkl in it: not written by torch.save", name);
    return NULL;
  }
  order_path = g_strconcat (a->root, "byteorder", NULL);
  order = g_hash_table_lookup (a->members, order_path);
  if (order &&
      (order->size != 6 || memcmp (data + order->offset, "little", 6))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "%s: written on a big-endian machine", name);
    return NULL;
  }
  a->pickle = neva_pickle_read (
      data + structure->offset, structure->size, name, NULL, error);
  if (!a->pickle || !add_values (a, "", neva_pickle_root (a->pickle), 0, error))
    return NULL;
  return g_steal_pointer (&a);
}

const NevaTensorView *
neva_torch_archive_find (const NevaTorchArchive *archive, const char *name)
{
  return g_hash_table_lookup (archive->by_name, name);
}

const GPtrArray *
neva_torch_archive_tensors (const NevaTorchArchive *archive)
{
  return archive->tensors;
}
