/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* torch.save files made here: a transposed tensor comes out row by row, and
 * many that share one storage do not take memory without end. */
#include "config.h"
#include <neva/error.h>
#include <string.h>
#include "check.h"
#include "checkpoint/torch_archive.h"

#define SIDE 64
#define N_FLOATS (SIDE * SIDE)

static void
put (GByteArray *a, const void *bytes, gsize length)
{
  g_byte_array_append (a, bytes, (guint) length);
}

static void
put_text (GByteArray *a, const char *text)
{
  put (a, text, strlen (text));
}

static void
put_le (GByteArray *a, guint32 value, guint bytes)
{
  for (guint i = 0; i < bytes; i++) {
    const guint8 byte = (guint8) (value >> 8 * i);

    put (a, &byte, 1);
  }
}

static void
put_string (GByteArray *a, const char *text)
{
  put (a, "X", 1);
  put_le (a, (guint32) strlen (text), 4);
  put_text (a, text);
}

/* storage "0", transposed: shape [SIDE][SIDE], strides 1 and SIDE */
static void
put_tensor (GByteArray *a, guint number)
{
  g_autofree char *name = g_strdup_printf ("t%u", number);

  put_string (a, name);
  put_text (a, "ctorch._utils\n_rebuild_tensor_v2\n((");
  put_string (a, "storage");
  put_text (a, "ctorch\nFloatStorage\n");
  put_string (a, "0");
  put_string (a, "cpu");
  put (a, "J", 1);
  put_le (a, N_FLOATS, 4);
  put (a, "tQK\0K", 5);
  put_le (a, SIDE, 1);
  put (a, "K", 1);
  put_le (a, SIDE, 1);
  put (a, "\x86K\1K", 4);
  put_le (a, SIDE, 1);
  put_text (a, "\x86\x89"
               "ccollections\nOrderedDict\n)RtR");
}

/* One member of a stored zip, and its line of the directory. */
static void
put_member (
    GByteArray *zip, GByteArray *list, const char *name, const GByteArray *data)
{
  const guint32 at = zip->len;

  put (zip, "PK\3\4\x14\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
  put_le (zip, data->len, 4);
  put_le (zip, data->len, 4);
  put_le (zip, (guint32) strlen (name), 4);
  put_text (zip, name);
  put (zip, data->data, data->len);

  put (list, "PK\1\2\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  put_le (list, data->len, 4);
  put_le (list, data->len, 4);
  put_le (list, (guint32) strlen (name), 2);
  put (list, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
  put_le (list, at, 4);
  put_text (list, name);
}

static GByteArray *
make_archive (guint n_tensors)
{
  GByteArray *zip = g_byte_array_new ();
  g_autoptr (GByteArray) list = g_byte_array_new ();
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_autoptr (GByteArray) storage = g_byte_array_new ();
  guint32 at;

  put (pickle, "\x80\2}(", 4);
  for (guint i = 0; i < n_tensors; i++)
    put_tensor (pickle, i);
  put (pickle, "u.", 2);
  for (guint i = 0; i < N_FLOATS; i++) {
    const float value = (float) i;

    put (storage, &value, 4);
  }
  put_member (zip, list, "a/data.pkl", pickle);
  put_member (zip, list, "a/data/0", storage);
  at = zip->len;
  put (zip, list->data, list->len);
  put (zip, "PK\5\6\0\0\0\0\2\0\2\0", 12);
  put_le (zip, list->len, 4);
  put_le (zip, at, 4);
  put_le (zip, 0, 2);
  return zip;
}

static void
test_transposed (void)
{
  g_autoptr (GByteArray) zip = make_archive (2);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaTorchArchive) a =
      neva_torch_archive_read (zip->data, zip->len, "two.pt", &error);
  const NevaTensorView *view = a ? neva_torch_archive_find (a, "t1") : NULL;

  CHECK (view && view->n_elements == N_FLOATS && view->shape[1] == SIDE, "%s",
      error ? error->message : "no tensor");
  for (guint i = 0; view && i < N_FLOATS; i++) {
    float value;

    memcpy (&value, (const char *) view->data + i * 4, 4);
    CHECK (value == (float) (i % SIDE * SIDE + i / SIDE), "[%u] is %g", i,
        (double) value);
  }
}

static void
test_copies_are_bounded_together (void)
{
  g_autoptr (GByteArray) zip = make_archive (100);
  g_autoptr (GError) error = NULL;
  NevaTorchArchive *a =
      neva_torch_archive_read (zip->data, zip->len, "many.pt", &error);

  CHECK (!a, "accepted");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "many.pt: tensor 't");
}

int
main (void)
{
  test_transposed ();
  test_copies_are_bounded_together ();
  return check_finish ();
}
