/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Safetensors files as they should be, and every way in which they can lie:
 * each must be refused with an error that names the file and what is wrong. */
#include "config.h"
#include <glib/gstdio.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "checkpoint/file_map.h"
#include "checkpoint/safetensors.h"

static char *folder;

/* Thousands of files, so without the fsync of g_file_set_contents (). */
static void
write_bytes (const char *path, const char *bytes, gssize length)
{
  FILE *file;
  const gsize n = length < 0 ? strlen (bytes) : (gsize) length;

  remove (path); /* ext4 flushes a file that is truncated and rewritten */
  file = fopen (path, "wb");
  CHECK (file && fwrite (bytes, 1, n, file) == n, "cannot write %s", path);
  if (file)
    fclose (file);
}

static char *
write_file (const char *name, const char *header, guint64 length, gsize data)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GString) bytes = g_string_new (NULL);

  length = GUINT64_TO_LE (length);
  g_string_append_len (bytes, (const char *) &length, 8);
  g_string_append (bytes, header);
  for (gsize i = 0; i < data; i++)
    g_string_append_c (bytes, (char) i);
  write_bytes (path, bytes->str, (gssize) bytes->len);
  return path;
}

static void
test_good (void)
{
  const char *header =
      "{\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"x\\n\"},"
      "\"b\" : {\"dtype\":\"F32\",\"shape\":[2, 3],\"data_offsets\":[4,28]},\n"
      "\"a\\\"\\/\":{\"data_offsets\":[0,4],\"shape\":[2],\"dtype\":\"BF16\"},"
      "\"empty\":{\"dtype\":\"F16\",\"shape\":[0,7],\"data_offsets\":[28,28]},"
      "\"scalar\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[28,36]}}  ";
  g_autoptr (GError) error = NULL;
  g_autofree char *path = write_file ("good", header, strlen (header), 36);
  g_autoptr (NevaSafetensors) st = neva_safetensors_open (path, &error);
  const NevaTensorView *v;

  CHECK (st != NULL, "%s", error ? error->message : "");
  if (!st)
    return;
  v = neva_safetensors_find (st, "b");
  CHECK (v && v->n_dims == 2 && v->shape[0] == 2 && v->shape[1] == 3 &&
             v->n_elements == 6 && v->bytes == 24,
      "shape of b");
  CHECK (((const guint8 *) v->data)[0] == 4, "data of b");
  CHECK_STR (v->dtype, "F32");
  CHECK_STR (neva_safetensors_file (st, v), path);
  CHECK (neva_safetensors_find (st, "a\"/") != NULL, "escaped name");
  v = neva_safetensors_find (st, "scalar");
  CHECK (v && v->n_dims == 0 && v->n_elements == 1, "scalar");
  v = neva_safetensors_find (st, "empty");
  CHECK (v && v->n_elements == 0 && v->bytes == 0, "empty");
  CHECK (!neva_safetensors_find (st, "c"), "no such tensor");
  CHECK (!neva_safetensors_find (st, "__metadata__"), "not a tensor");
  v = neva_safetensors_find (st, "b");
  neva_file_map_release (v->data, v->bytes);
  g_autofree const char **names = neva_safetensors_names (st);
  CHECK (names[0] && g_str_equal (names[0], "b") && names[3] && !names[4],
      "names in file order");
}

/* T (fields): one tensor "x" with these fields. */
#define T(fields) "{\"x\":{" fields "}}"

static const struct {
  const char *header, *part; /* of the message */
  gsize data;
  int code;
} lies[] = {
    {"", "header is broken", 0, NEVA_ERROR_BAD_FILE},
    {"[]", "header is broken", 0, NEVA_ERROR_BAD_FILE},
    {"{\"x\"", "header is broken", 0, NEVA_ERROR_BAD_FILE},
    {"{\"x\":1}", "header is broken", 0, NEVA_ERROR_BAD_FILE},
    {"{} {}", "after the closing brace", 0, NEVA_ERROR_BAD_FILE},
    {"{\"x\\q\":{}}", "escape", 0, NEVA_ERROR_BAD_FILE},
    {"{\"x\\u12\":{}}", "\\u", 0, NEVA_ERROR_BAD_FILE},
    {"{\"\\ud800\":{}}", "\\u escape", 0, NEVA_ERROR_BAD_FILE},
    {"{\"\xff\":{}}", "UTF-8", 0, NEVA_ERROR_BAD_FILE},
    {"{\"a\nb\":{}}", "control character", 0, NEVA_ERROR_BAD_FILE},
    {T (""), "header is broken", 0, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1]"), "needs dtype", 0,
        NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]"), "twice", 0,
        NEVA_ERROR_BAD_FILE},
    {T ("\"what\":1"), "unknown key", 0, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]"),
        "'x' has the unknown type 'F33'", 4, NEVA_ERROR_UNSUPPORTED},
    {T ("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"),
        "whole number", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]"),
        "header is broken", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],"
        "\"data_offsets\":[0,4]"),
        "too many", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[99999999999999999999],"
        "\"data_offsets\":[0,4]"),
        "too large", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
        "\"data_offsets\":[0,0]"),
        "'x': its shape is too large", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[4611686018427387905],"
        "\"data_offsets\":[0,4]"),
        "'x': its shape is too large", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]"), "two numbers",
        4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]"),
        "'x': its shape needs 4 bytes", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"),
        "'x': its shape needs 8 bytes", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"),
        "truncated: tensor 'x'", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1],"
        "\"data_offsets\":[18446744073709551612,18446744073709551616]"),
        "too large", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1],"
        "\"data_offsets\":[18446744073709551611,18446744073709551615]"),
        "truncated: tensor 'x'", 4, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"),
        "'x' leaves a hole", 8, NEVA_ERROR_BAD_FILE},
    {T ("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"),
        "4 bytes at the end", 8, NEVA_ERROR_BAD_FILE},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
        "'y' overlaps", 6, NEVA_ERROR_BAD_FILE},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
        "'x' occurs twice", 8, NEVA_ERROR_BAD_FILE},
    {"{\"__metadata__\":{\"a\":1}}", "header is broken", 0,
        NEVA_ERROR_BAD_FILE},
};

static void
test_lies (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = write_file (
        "bad", lies[i].header, strlen (lies[i].header), lies[i].data);
    NevaSafetensors *st = neva_safetensors_open (path, &error);

    CHECK (!st, "row %zu was accepted", i);
    CHECK (error && strstr (error->message, path), "row %zu: no file name", i);
    CHECK_ERROR (error, lies[i].code, lies[i].part);
    neva_safetensors_free (st);
  }
}

static void
test_header_length (void)
{
  static const guint64 lengths[] = {
      3, 1000, 1ull << 40, G_MAXUINT64, G_MAXUINT64 - 7};

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = write_file ("length", "{}", lengths[i], 0);

    CHECK (!neva_safetensors_open (path, &error), "row %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "truncated");
  }
}

/* Every prefix of a good file, and files with one byte changed: an error or a
 * view inside the file, never a crash. */
static void
test_mutations (guint64 seed)
{
  const char *header =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
      "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}}";
  g_autofree char *path = write_file ("whole", header, strlen (header), 32);
  g_autofree char *bytes = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);
  gsize length;

  g_file_get_contents (path, &bytes, &length, NULL);
  for (gsize n = 0; n < length; n++) {
    g_autoptr (GError) error = NULL;

    write_bytes (path, bytes, (gssize) n);
    CHECK (!neva_safetensors_open (path, &error), "%zu bytes", n);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, path);
  }
  for (int i = 0; i < 3000; i++) {
    const gsize at = (gsize) g_rand_int_range (rand, 0, (gint32) length);
    const char old = bytes[at];
    NevaSafetensors *st;
    GError *error = NULL;

    bytes[at] = (char) g_rand_int (rand);
    write_bytes (path, bytes, (gssize) length);
    st = neva_safetensors_open (path, &error);
    CHECK ((st != NULL) != (error != NULL), "either a result or an error");
    neva_safetensors_free (st);
    g_clear_error (&error);
    bytes[at] = old;
  }
}

#define ONE(name)                                                              \
  "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}"

static void
check_index (const char *index, int code, const char *part)
{
  g_autofree char *path =
      g_build_filename (folder, "model.safetensors.index.json", NULL);
  g_autoptr (GError) error = NULL;
  NevaSafetensors *st;

  write_bytes (path, index, -1);
  st = neva_safetensors_open (folder, &error);
  if (part) {
    CHECK (!st, "accepted: %s", index);
    CHECK_ERROR (error, code, part);
  } else {
    CHECK (st && neva_safetensors_find (st, "x") &&
               neva_safetensors_find (st, "y"),
        "%s", error ? error->message : "a tensor is missing");
  }
  neva_safetensors_free (st);
}

static void
test_shards (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *deep = g_strnfill (4000, '[');

  g_free (write_file ("s1", ONE ("x"), strlen (ONE ("x")), 4));
  g_free (write_file ("s2", ONE ("y"), strlen (ONE ("y")), 4));
  g_free (write_file ("s3", ONE ("x"), strlen (ONE ("x")), 4));
  CHECK (!neva_safetensors_open (folder, &error), "no model in the folder");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, "neither");
  check_index ("{\"weight_map\":{\"x\":\"s1\",\"y\":\"s2\"}}", 0, NULL);
  check_index ("{\"weight_map\":{\"x\":\"s1\",\"z\":\"s2\"}}",
      NEVA_ERROR_BAD_FILE, "'z' is in none");
  check_index ("{\"weight_map\":{\"x\":\"s1\",\"y\":\"s3\"}}",
      NEVA_ERROR_BAD_FILE, "'x' is also in another");
  check_index ("{\"weight_map\":{\"x\":\"../s1\"}}", NEVA_ERROR_BAD_FILE,
      "'x' is given no valid file");
  check_index ("{\"weight_map\":{\"x\":7}}", NEVA_ERROR_BAD_FILE,
      "'x' is given no valid file");
  check_index (
      "{\"weight_map\":{\"x\":\"gone\"}}", NEVA_ERROR_NOT_FOUND, "gone");
  check_index ("{\"weight_map\":[]}", NEVA_ERROR_BAD_FILE, "weight_map");
  check_index ("{}", NEVA_ERROR_BAD_FILE, "weight_map");
  check_index ("[1]", NEVA_ERROR_BAD_FILE, "object");
  check_index ("{\"weight_map\"", NEVA_ERROR_BAD_FILE, "index.json");
  check_index (deep, NEVA_ERROR_BAD_FILE, "nested deeper");
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  g_autofree char *clean = NULL;
  int status;

  folder = g_dir_make_tmp ("neva-safetensors-XXXXXX", NULL);
  test_shards (); /* first: the folder holds no model yet */
  test_good ();
  test_lies ();
  test_header_length ();
  test_mutations (seed);
  clean = g_strdup_printf ("rm -r '%s'", folder);
  status = g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL);
  CHECK (status, "cannot clean up %s", folder);
  g_free (folder);
  return check_finish ();
}
