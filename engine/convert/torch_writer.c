/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zip layout: PKWARE's APPNOTE.TXT, 4.3. Pickle opcodes: Python's
 * Lib/pickletools.py, protocol 2. */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include <neva/error.h>
#include "convert/torch_writer.h"

#define ROOT "model_weights"
#define ALIGNMENT 64u /* of a member's data, so that it can be mapped */
#define LIMIT32 0xffffffffu
#define LIMIT16 0xffffu
#define VERSION_ZIP64 45u

typedef struct {
  char *name;
  guint64 header, size; /* offset of the local header in the archive */
  guint32 crc;
} Member;

typedef struct {
  NevaSink *sink;
  guint64 start;   /* of the archive in the sink */
  GArray *members; /* Member */
} Zip;

/* ---- Zip ---------------------------------------------------------------- */

static void
member_clear (gpointer data)
{
  g_free (((Member *) data)->name);
}

/* The local header, its checksum still zero; the extra fields hold the sizes of
 * a large member, then what aligns the data. */
static void
zip_begin (Zip *z, const char *name, guint64 size)
{
  const gsize length = strlen (name);
  const gboolean wide = size >= LIMIT32;
  Member m = {g_strdup (name), neva_sink_at (z->sink) - z->start, size, 0};
  guint8 head[30 + 20], *p = head;
  gsize extra = wide ? 20 : 0, pad;

  pad = ALIGNMENT - (m.header + 30 + length + extra + 4) % ALIGNMENT;
  pad = pad % ALIGNMENT + 4;
  p = neva_put_le (p, 0x04034b50, 4);
  p = neva_put_le (p, wide ? VERSION_ZIP64 : 0, 2);
  p = neva_put_le (p, 0, 2 + 2); /* flags; stored */
  p = neva_put_le (p, 0, 4);     /* time, date */
  p = neva_put_le (p, 0, 4);     /* checksum */
  p = neva_put_le (p, wide ? LIMIT32 : size, 4);
  p = neva_put_le (p, wide ? LIMIT32 : size, 4);
  p = neva_put_le (p, length, 2);
  p = neva_put_le (p, extra + pad, 2);
  neva_sink_write (z->sink, head, 30);
  neva_sink_write (z->sink, name, length);
  p = head;
  if (wide) {
    p = neva_put_le (p, 1, 2);
    p = neva_put_le (p, 16, 2);
    p = neva_put_le (p, size, 8);
    p = neva_put_le (p, size, 8);
  }
  p = neva_put_le (p, 0x4246, 2); /* torch's own field of padding */
  p = neva_put_le (p, pad - 4, 2);
  neva_sink_write (z->sink, head, (gsize) (p - head));
  neva_sink_zeros (z->sink, pad - 4);
  neva_sink_start_crc (z->sink);
  g_array_append_val (z->members, m);
}

static void
zip_end (Zip *z)
{
  Member *m = &g_array_index (z->members, Member, z->members->len - 1);
  guint8 crc[4];

  m->crc = neva_sink_crc (z->sink);
  neva_put_le (crc, m->crc, 4);
  neva_sink_patch (z->sink, z->start + m->header + 14, crc, 4);
}

static void
zip_add (Zip *z, const char *name, const void *data, gsize length)
{
  zip_begin (z, name, length);
  neva_sink_write (z->sink, data, length);
  zip_end (z);
}

static void
write_entry (Zip *z, const Member *m)
{
  const gsize length = strlen (m->name);
  const gboolean wide = m->size >= LIMIT32, far = m->header >= LIMIT32;
  guint8 head[46 + 28], *p = head, *wide_fields;
  const gsize fields = (wide ? 16u : 0u) + (far ? 8u : 0u);

  p = neva_put_le (p, 0x02014b50, 4);
  p = neva_put_le (p, fields ? VERSION_ZIP64 : 0, 2);
  p = neva_put_le (p, fields ? VERSION_ZIP64 : 0, 2);
  p = neva_put_le (p, 0, 2 + 2);
  p = neva_put_le (p, 0, 4);
  p = neva_put_le (p, m->crc, 4);
  p = neva_put_le (p, wide ? LIMIT32 : m->size, 4);
  p = neva_put_le (p, wide ? LIMIT32 : m->size, 4);
  p = neva_put_le (p, length, 2);
  p = neva_put_le (p, fields ? fields + 4 : 0, 2);
  p = neva_put_le (p, 0, 2 + 2 + 2 + 4); /* comment, disk, attributes */
  p = neva_put_le (p, far ? LIMIT32 : m->header, 4);
  neva_sink_write (z->sink, head, 46);
  neva_sink_write (z->sink, m->name, length);
  if (!fields)
    return;
  wide_fields = head;
  p = neva_put_le (wide_fields, 1, 2);
  p = neva_put_le (p, fields, 2);
  if (wide) {
    p = neva_put_le (p, m->size, 8);
    p = neva_put_le (p, m->size, 8);
  }
  if (far)
    p = neva_put_le (p, m->header, 8);
  neva_sink_write (z->sink, head, (gsize) (p - head));
}

static void
zip_finish (Zip *z)
{
  const guint64 n = z->members->len;
  const guint64 at = neva_sink_at (z->sink) - z->start;
  guint64 size, end;
  guint8 block[56 + 20 + 22], *p = block;

  for (guint i = 0; i < z->members->len; i++)
    write_entry (z, &g_array_index (z->members, Member, i));
  end = neva_sink_at (z->sink) - z->start;
  size = end - at;
  if (n >= LIMIT16 || at >= LIMIT32 || size >= LIMIT32) {
    p = neva_put_le (p, 0x06064b50, 4);
    p = neva_put_le (p, 56 - 12, 8);
    p = neva_put_le (p, VERSION_ZIP64, 2);
    p = neva_put_le (p, VERSION_ZIP64, 2);
    p = neva_put_le (p, 0, 4 + 4); /* disks */
    p = neva_put_le (p, n, 8);
    p = neva_put_le (p, n, 8);
    p = neva_put_le (p, size, 8);
    p = neva_put_le (p, at, 8);
    p = neva_put_le (p, 0x07064b50, 4); /* where that record is */
    p = neva_put_le (p, 0, 4);
    p = neva_put_le (p, end, 8);
    p = neva_put_le (p, 1, 4);
  }
  p = neva_put_le (p, 0x06054b50, 4);
  p = neva_put_le (p, 0, 2 + 2);
  p = neva_put_le (p, MIN (n, LIMIT16), 2);
  p = neva_put_le (p, MIN (n, LIMIT16), 2);
  p = neva_put_le (p, MIN (size, LIMIT32), 4);
  p = neva_put_le (p, MIN (at, LIMIT32), 4);
  p = neva_put_le (p, 0, 2);
  neva_sink_write (z->sink, block, (gsize) (p - block));
}

/* ---- Pickle ------------------------------------------------------------- */

static void
put_op (GByteArray *out, const char *op)
{
  g_byte_array_append (out, (const guint8 *) op, (guint) strlen (op));
}

static void
put_text (GByteArray *out, const char *text)
{
  guint8 length[4];

  neva_put_le (length, strlen (text), 4);
  put_op (out, "X");
  g_byte_array_append (out, length, 4);
  put_op (out, text);
}

static void
put_int (GByteArray *out, guint64 n)
{
  guint8 bytes[8];
  const guint length = n <= G_MAXINT32 ? 4 : 8;

  neva_put_le (bytes, n, length);
  if (length == 4)
    put_op (out, "J");
  else
    put_op (out, "\x8a\x08");
  g_byte_array_append (out, bytes, length);
}

static const char *
storage_of (const char *dtype)
{
  static const char *const table[][2] = {{"F32", "FloatStorage"},
      {"BF16", "BFloat16Storage"}, {"F16", "HalfStorage"},
      {"F64", "DoubleStorage"}, {"I64", "LongStorage"}, {"I32", "IntStorage"},
      {"I16", "ShortStorage"}, {"I8", "CharStorage"}, {"U8", "ByteStorage"},
      {"BOOL", "BoolStorage"}};

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
    if (!strcmp (table[i][0], dtype))
      return table[i][1];
  }
  return NULL;
}

/* torch._utils._rebuild_tensor_v2 (storage, 0, shape, strides, False,
 * OrderedDict ()) */
static void
put_tensor (GByteArray *out, const NevaOutTensor *t, guint key)
{
  g_autofree char *name = g_strdup_printf ("%u", key);
  gsize n = 1, stride;

  for (guint d = 0; d < t->n_dims; d++)
    n *= t->shape[d];
  put_op (out, "ctorch._utils\n_rebuild_tensor_v2\n((");
  put_text (out, "storage");
  put_op (out, "ctorch\n");
  put_op (out, storage_of (t->dtype));
  put_op (out, "\n");
  put_text (out, name);
  put_text (out, "cpu");
  put_int (out, n);
  put_op (out, "tQ"); /* a persistent id */
  put_int (out, 0);
  put_op (out, "(");
  for (guint d = 0; d < t->n_dims; d++)
    put_int (out, t->shape[d]);
  put_op (out, "t(");
  for (guint d = 0; d < t->n_dims; d++) {
    stride = 1;
    for (guint e = d + 1; e < t->n_dims; e++)
      stride *= t->shape[e];
    put_int (out, stride);
  }
  put_op (out, "t\x89"
               "ccollections\nOrderedDict\n)RtR");
}

static GByteArray *
pickle (const NevaOutList *tensors)
{
  GByteArray *out = g_byte_array_new ();

  put_op (out, "\x80\x02}(");
  for (guint i = 0; i < tensors->len; i++) {
    const NevaOutTensor *t = tensors->pdata[i];

    put_text (out, t->name);
    put_tensor (out, t, i);
  }
  put_op (out, "u.");
  return out;
}

/* ---- The archive -------------------------------------------------------- */

gboolean
neva_torch_write (NevaSink *sink, const NevaOutList *tensors,
    NevaTensorSource *source, NevaOutProgress *progress, GError **error)
{
  g_autoptr (GArray) members = g_array_new (FALSE, FALSE, sizeof (Member));
  g_autoptr (GByteArray) structure = NULL;
  Zip z = {sink, neva_sink_at (sink), members};

  g_array_set_clear_func (members, member_clear);
  for (guint i = 0; i < tensors->len; i++) {
    const NevaOutTensor *t = tensors->pdata[i];

    if (storage_of (t->dtype))
      continue;
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "tensor '%s': type %s cannot be written", t->name, t->dtype);
    return FALSE;
  }
  structure = pickle (tensors);
  zip_add (&z, ROOT "/data.pkl", structure->data, structure->len);
  zip_add (&z, ROOT "/byteorder", "little", 6);
  for (guint i = 0; i < tensors->len; i++) {
    const NevaOutTensor *t = tensors->pdata[i];
    g_autofree char *name = g_strdup_printf (ROOT "/data/%u", i);

    zip_begin (&z, name, t->bytes);
    if (!neva_out_write (t, source, sink, progress, error))
      return FALSE;
    zip_end (&z);
  }
  zip_add (&z, ROOT "/version", "3\n", 2);
  zip_finish (&z);
  return !neva_sink_failed (sink);
}
