/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "convert/out_tensor.h"

/* Written between two looks at the cancellable. */
#define STEP_BYTES ((gsize) 64 << 20)

static void
out_tensor_free (gpointer data)
{
  NevaOutTensor *t = data;

  if (!t) /* taken out of the list */
    return;
  g_array_unref (t->parts);
  g_free (t->name);
  g_free (t);
}

NevaOutList *
neva_out_list_new (void)
{
  return g_ptr_array_new_with_free_func (out_tensor_free);
}

guint64
neva_out_list_bytes (const NevaOutList *list)
{
  guint64 bytes = 0;

  for (guint i = 0; i < list->len; i++)
    bytes += ((const NevaOutTensor *) list->pdata[i])->bytes;
  return bytes;
}

NevaOutTensor *
neva_out_add (NevaOutList *list, const char *format, ...)
{
  NevaOutTensor *t = g_new0 (NevaOutTensor, 1);
  va_list args;

  va_start (args, format);
  t->name = g_strdup_vprintf (format, args);
  va_end (args);
  t->parts = g_array_new (FALSE, FALSE, sizeof (NevaOutPart));
  g_ptr_array_add (list, t);
  return t;
}

static gsize
row_elements (const NevaTensorView *view)
{
  return view->shape[0] ? view->n_elements / view->shape[0] : 0;
}

static gboolean
fail (const NevaOutTensor *t, const NevaTensorView *from, const char *what,
    GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s', for '%s': %s", from->name, t->name, what);
  return FALSE;
}

/* Elements in a row of the result. */
static gsize
width (const NevaOutTensor *t)
{
  gsize n = 1;

  for (guint d = 1; d < t->n_dims; d++)
    n *= t->shape[d];
  return n;
}

static void
append (NevaOutTensor *t, const NevaOutPart *part)
{
  t->shape[0] += part->n_rows;
  t->bytes = t->shape[0] * width (t) * neva_dtype_name_bytes (t->dtype);
  g_array_append_val (t->parts, *part);
}

gboolean
neva_out_block (NevaOutTensor *t, const NevaTensorView *from, gsize row,
    gsize n, gsize column, gsize n_columns, GError **error)
{
  const NevaOutPart part = {NEVA_PART_BLOCK, from, row, n, column, n_columns};
  const gsize elements = from->n_dims ? row_elements (from) : 0;

  if (!from->n_dims || row > from->shape[0] || n > from->shape[0] - row ||
      column > elements || n_columns > elements - column)
    return fail (t, from, "is smaller than the configuration says", error);
  if (!neva_dtype_name_bytes (from->dtype))
    return fail (t, from, "has a type that cannot be written", error);
  if (!t->parts->len) {
    t->dtype = from->dtype;
    t->n_dims = from->n_dims;
    memcpy (t->shape, from->shape, sizeof t->shape);
    t->shape[0] = 0;
    if (n_columns != elements) { /* a part of a matrix */
      t->n_dims = 2;
      t->shape[1] = n_columns;
    }
  } else if (strcmp (t->dtype, from->dtype)) {
    return fail (
        t, from, "is of another type than what it is joined with", error);
  } else if (t->n_dims != from->n_dims || width (t) != n_columns) {
    return fail (t, from, "has not the width of what it is joined with", error);
  }
  append (t, &part);
  return TRUE;
}

gboolean
neva_out_rows (NevaOutTensor *t, const NevaTensorView *from, gsize row, gsize n,
    GError **error)
{
  return neva_out_block (
      t, from, row, n, 0, from->n_dims ? row_elements (from) : 0, error);
}

gboolean
neva_out_whole (NevaOutTensor *t, const NevaTensorView *from, GError **error)
{
  return neva_out_rows (t, from, 0, from->n_dims ? from->shape[0] : 0, error);
}

void
neva_out_zeros (NevaOutTensor *t, gsize n)
{
  const NevaOutPart part = {
      .kind = NEVA_PART_ZEROS, .n_rows = n, .n_columns = width (t)};

  if (n)
    append (t, &part);
}

static void
make_up (NevaOutTensor *t, const char *dtype, gsize n, const NevaOutPart *part)
{
  t->dtype = dtype;
  t->n_dims = part->n_columns == 1 ? 1 : 2;
  t->shape[0] = 0;
  t->shape[1] = n;
  append (t, part);
}

void
neva_out_identity (NevaOutTensor *t, const char *dtype, gsize n)
{
  make_up (t, dtype, n,
      &(NevaOutPart){.kind = NEVA_PART_IDENTITY, .n_rows = n, .n_columns = n});
}

void
neva_out_vector (NevaOutTensor *t, const char *dtype, gsize n)
{
  make_up (t, dtype, n,
      &(NevaOutPart){.kind = NEVA_PART_ZEROS, .n_rows = n, .n_columns = 1});
}

void
neva_out_made (NevaOutTensor *t, const char *dtype, gsize rows, gsize columns,
    NevaOutFunc make, gpointer data)
{
  t->dtype = dtype;
  t->n_dims = columns ? 2 : 1;
  t->shape[0] = rows;
  t->shape[1] = columns;
  t->bytes = rows * MAX (columns, 1) * neva_dtype_name_bytes (dtype);
  t->make = make;
  t->make_data = data;
}

/* ---- Writing ------------------------------------------------------------ */

static void
write_identity (const NevaOutPart *part, const char *dtype, NevaSink *sink)
{
  static const struct {
    const char *dtype;
    guint8 one[4];
  } ones[] = {
      {"F32", {0, 0, 0x80, 0x3f}}, {"BF16", {0x80, 0x3f}}, {"F16", {0, 0x3c}}};
  const gsize element = neva_dtype_name_bytes (dtype);
  const guint8 *one = ones[0].one;

  for (gsize i = 0; i < G_N_ELEMENTS (ones); i++) {
    if (!strcmp (ones[i].dtype, dtype))
      one = ones[i].one;
  }
  for (gsize r = 0; r < part->n_rows; r++) {
    neva_sink_zeros (sink, r * element);
    neva_sink_write (sink, one, element);
    neva_sink_zeros (sink, (part->n_columns - r - 1) * element);
  }
}

static gboolean
step (NevaOutProgress *p, NevaSink *sink, gsize bytes, GError **error)
{
  p->done += bytes;
  if (p->progress && p->total)
    p->progress (MIN (1.0, (double) p->done / (double) p->total), p->user_data);
  if (p->cancellable && g_cancellable_is_cancelled (p->cancellable)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED, "cancelled");
    return FALSE;
  }
  return !neva_sink_failed (sink); /* close () says why */
}

static gboolean
write_block (const NevaOutPart *part, NevaTensorSource *source, NevaSink *sink,
    NevaOutProgress *p, GError **error)
{
  const gsize element = neva_dtype_name_bytes (part->from->dtype);
  const gsize pitch = row_elements (part->from) * element;
  const gsize run = part->n_columns * element;
  const guint8 *data = neva_tensor_source_data (source, part->from, error);
  gboolean ok = TRUE;

  if (!data)
    return FALSE;
  data += part->row * pitch + part->column * element;
  if (run == pitch) {
    const gsize total = part->n_rows * pitch;

    for (gsize at = 0; ok && at < total; at += STEP_BYTES) {
      const gsize n = MIN (STEP_BYTES, total - at);

      neva_sink_write (sink, data + at, n);
      ok = step (p, sink, n, error);
    }
  } else {
    for (gsize r = 0; r < part->n_rows; r++)
      neva_sink_write (sink, data + r * pitch, run);
    ok = step (p, sink, part->n_rows * run, error);
  }
  neva_tensor_source_release (source, part->from);
  return ok;
}

gboolean
neva_out_write (const NevaOutTensor *t, NevaTensorSource *source,
    NevaSink *sink, NevaOutProgress *p, GError **error)
{
  const gsize element = neva_dtype_name_bytes (t->dtype);

  if (t->make)
    return t->make (t->make_data, sink, error) &&
           step (p, sink, t->bytes, error);
  for (guint i = 0; i < t->parts->len; i++) {
    const NevaOutPart *part = &g_array_index (t->parts, NevaOutPart, i);
    const gsize bytes = part->n_rows * part->n_columns * element;

    switch (part->kind) {
      case NEVA_PART_BLOCK:
        if (!write_block (part, source, sink, p, error))
          return FALSE;
        continue;
      case NEVA_PART_ZEROS:
        neva_sink_zeros (sink, bytes);
        break;
      case NEVA_PART_IDENTITY:
        write_identity (part, t->dtype, sink);
        break;
    }
    if (!step (p, sink, bytes, error))
      return FALSE;
  }
  return TRUE;
}
