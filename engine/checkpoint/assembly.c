/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/assembly.h"
#include "checkpoint/file_map.h"
#include "checkpoint/tensor_set.h"

typedef struct {
  NevaTensorView from;
  gsize from_shape[NEVA_TENSOR_MAX_DIMS];
  gsize offsets[NEVA_TENSOR_MAX_DIMS], sizes[NEVA_TENSOR_MAX_DIMS];
} Block;

typedef struct {
  NevaTensorView out, in;
  float scale;
} Product;

struct _NevaAssembly {
  NevaTensorView view; /* without data */
  GArray *blocks, *products;
  GMutex lock;
  guint holders; /* lock */
  void *memory;  /* lock: while there are holders */
};

NevaAssembly *
neva_assembly_new (const char *dtype, guint n_dims, const gsize *shape)
{
  NevaTensorView view = {.dtype = dtype, .n_dims = n_dims, .n_elements = 1};
  NevaAssembly *a;

  if (n_dims > NEVA_TENSOR_MAX_DIMS)
    return NULL;
  for (guint d = 0; d < n_dims; d++) {
    view.shape[d] = shape[d];
    if (!g_size_checked_mul (&view.n_elements, view.n_elements, shape[d]))
      return NULL;
  }
  if (!g_size_checked_mul (
          &view.bytes, view.n_elements, neva_dtype_name_bytes (dtype)))
    return NULL;
  a = g_new0 (NevaAssembly, 1);
  a->view = view;
  a->view.assembly = a;
  a->blocks = g_array_new (FALSE, FALSE, sizeof (Block));
  a->products = g_array_new (FALSE, FALSE, sizeof (Product));
  g_mutex_init (&a->lock);
  return a;
}

void
neva_assembly_free (NevaAssembly *a)
{
  if (!a)
    return;
  g_array_unref (a->blocks);
  g_array_unref (a->products);
  g_mutex_clear (&a->lock);
  g_free (a->memory);
  g_free (a);
}

gboolean
neva_assembly_add (NevaAssembly *a, const NevaTensorView *from,
    const gsize *from_shape, const gsize *offsets, const gsize *sizes)
{
  Block block = {.from = *from};

  if (from->n_dims != a->view.n_dims || strcmp (from->dtype, a->view.dtype))
    return FALSE;
  for (guint d = 0; d < from->n_dims; d++) {
    if (offsets[d] > a->view.shape[d] || sizes[d] > from_shape[d])
      return FALSE;
    block.from_shape[d] = from_shape[d];
    block.offsets[d] = offsets[d];
    block.sizes[d] = sizes[d];
  }
  g_array_append_val (a->blocks, block);
  return TRUE;
}

gboolean
neva_assembly_add_rows (NevaAssembly *a, const NevaTensorView *from, gsize row)
{
  const gsize offsets[NEVA_TENSOR_MAX_DIMS] = {row};

  return neva_assembly_add (a, from, from->shape, offsets, from->shape);
}

static gboolean
is_float (const char *dtype)
{
  static const char *const floats[] = {"F32", "BF16", "F16", NULL};

  return g_strv_contains (floats, dtype);
}

gboolean
neva_assembly_add_product (NevaAssembly *a, const NevaTensorView *out,
    const NevaTensorView *in, float scale)
{
  const Product product = {*out, *in, scale};

  if (a->view.n_dims != 2 || out->n_dims != 2 || in->n_dims != 2 ||
      out->shape[0] != a->view.shape[0] || in->shape[1] != a->view.shape[1] ||
      out->shape[1] != in->shape[0] || !is_float (a->view.dtype) ||
      !is_float (out->dtype) || !is_float (in->dtype))
    return FALSE;
  g_array_append_val (a->products, product);
  return TRUE;
}

NevaTensorView
neva_assembly_view (NevaAssembly *a, const char *name)
{
  NevaTensorView view = a->view;

  view.name = name;
  return view;
}

/* ---- Putting together --------------------------------------------------- */

static void
store (void *to, const char *dtype, gsize i, float x)
{
  guint16 half;

  if (!strcmp (dtype, "F32")) {
    memcpy ((char *) to + 4 * i, &x, 4);
    return;
  }
  half = strcmp (dtype, "BF16") ? neva_f32_to_f16 (x) : neva_f32_to_bf16 (x);
  memcpy ((char *) to + 2 * i, &half, 2);
}

static float
load (const void *from, const char *dtype, gsize i)
{
  guint16 half;
  float x;

  if (!strcmp (dtype, "F32")) {
    memcpy (&x, (const char *) from + 4 * i, 4);
    return x;
  }
  memcpy (&half, (const char *) from + 2 * i, 2);
  return strcmp (dtype, "BF16") ? neva_f16_to_f32 (half)
                                : neva_bf16_to_f32 (half);
}

/* Row by row, in f32. */
static gboolean
add_product (NevaAssembly *a, const Product *p, GError **error)
{
  const gsize n = a->view.shape[0], k = a->view.shape[1], r = p->in.shape[0];
  const void *out = neva_tensor_hold (&p->out, error);
  const void *in = out ? neva_tensor_hold (&p->in, error) : NULL;
  g_autofree float *row = g_new (float, MAX (k, 1));

  for (gsize i = 0; in && i < n; i++) {
    memset (row, 0, k * sizeof *row);
    for (gsize j = 0; j < r; j++) {
      const float x = p->scale * load (out, p->out.dtype, i * r + j);

      for (gsize c = 0; c < k; c++)
        row[c] += x * load (in, p->in.dtype, j * k + c);
    }
    for (gsize c = 0; c < k; c++)
      store (a->memory, a->view.dtype, i * k + c,
          load (a->memory, a->view.dtype, i * k + c) + row[c]);
  }
  if (in)
    neva_tensor_let_go (&p->in);
  if (out)
    neva_tensor_let_go (&p->out);
  return in != NULL;
}

static gboolean
fill (NevaAssembly *a, GError **error)
{
  const gsize element = neva_dtype_name_bytes (a->view.dtype);

  for (guint i = 0; i < a->blocks->len; i++) {
    const Block *b = &g_array_index (a->blocks, Block, i);
    const void *data = neva_tensor_hold (&b->from, error);

    if (!data)
      return FALSE;
    neva_copy_block (a->memory, a->view.n_dims, a->view.shape, b->offsets, data,
        b->from_shape, b->sizes, element);
    neva_tensor_let_go (&b->from);
    if (!b->from.assembly)
      neva_file_map_release (data, b->from.bytes);
  }
  for (guint i = 0; i < a->products->len; i++) {
    if (!add_product (a, &g_array_index (a->products, Product, i), error))
      return FALSE;
  }
  return TRUE;
}

const void *
neva_tensor_hold (const NevaTensorView *view, GError **error)
{
  NevaAssembly *a = view->assembly;
  gboolean ok = TRUE;

  if (!a)
    return view->data;
  g_mutex_lock (&a->lock);
  if (!a->memory) {
    a->memory = g_try_malloc0 (MAX (a->view.bytes, 1));
    if (!a->memory)
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
          "tensor '%s': no memory for %" G_GSIZE_FORMAT " bytes", view->name,
          a->view.bytes);
    if (!a->memory || !fill (a, error)) {
      g_clear_pointer (&a->memory, g_free);
      ok = FALSE;
    }
  }
  a->holders += ok;
  g_mutex_unlock (&a->lock);
  return ok ? (const char *) a->memory + view->assembly_offset : NULL;
}

void
neva_tensor_let_go (const NevaTensorView *view)
{
  NevaAssembly *a = view->assembly;

  if (!a)
    return;
  g_mutex_lock (&a->lock);
  if (a->holders && --a->holders == 0)
    g_clear_pointer (&a->memory, g_free);
  g_mutex_unlock (&a->lock);
}
