/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The restricted pickle reader: what torch.save writes is read, everything that
 * could run code or exhaust memory is an error that names it. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/pickle.h"

typedef struct {
  const char *what;
  const char *bytes;
  gsize length;
  const char *message; /* part of the error */
} Hostile;

#define BYTES(s) s, sizeof (s) - 1

static const Hostile hostile[] = {
    {"os.system",
        BYTES ("\x80\x02"
               "cposix\nsystem\nX\4\0\0\0true\x85R."),
        "'posix.system' is not allowed"},
    {"eval by stack",
        BYTES ("\x80\x04\x8c\x08"
               "builtins\x8c\x04"
               "eval\x93\x8c\x01"
               "1\x85R."),
        "'builtins.eval' is not allowed"},
    {"INST", BYTES ("(ios\nsystem\n."), "opcode 0x69 is not allowed"},
    {"EXT1", BYTES ("\x82\x01."), "opcode 0x82 is not allowed"},
    {"text persistent id", BYTES ("Pfile\n."), "opcode 0x50 is not allowed"},
    {"a call of a string", BYTES ("X\1\0\0\0f)R."), "no global"},
    {"string longer than the file",
        BYTES ("X\xff\xff\xff\x7f"
               "a."),
        "truncated"},
    {"string of 2^63 bytes", BYTES ("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."),
        "truncated"},
    {"not UTF-8", BYTES ("X\1\0\0\0\xff."), "not UTF-8"},
    {"memo of 4 G", BYTES ("Nr\xff\xff\xff\xff."), "memo of more than"},
    {"memo never put", BYTES ("h\x05."), "never put"},
    {"no mark", BYTES ("t."), "no mark"},
    {"key without value", BYTES ("}(NNNu."), "key without a value"},
    {"items for a number",
        BYTES ("K\1N"
               "a."),
        "holds none"},
    {"state for a number", BYTES ("K\1Nb."), "no object"},
    {"pop below the mark", BYTES ("N(00."), "underflow"},
    {"two values left", BYTES ("NN."), "ends with 2"},
    {"nothing", BYTES (""), "truncated"},
    {"protocol 9", BYTES ("\x80\x09N."), "protocol 9"},
    {"integer of 200 bytes", BYTES ("\x8a\xc8N."), "integer of 200 bytes"},
};

static void
test_hostile (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hostile); i++) {
    const Hostile *h = &hostile[i];
    g_autoptr (GError) error = NULL;
    NevaPickle *pickle = neva_pickle_read (
        (const guint8 *) h->bytes, h->length, "trap.pkl", NULL, &error);

    g_assert_null (pickle);
    g_assert_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE);
    if (!strstr (error->message, h->message) ||
        !strstr (error->message, "trap.pkl"))
      g_error ("%s: %s", h->what, error->message);
  }
}

static void
test_deep_nesting_is_an_error (void)
{
  g_autofree guint8 *marks = g_malloc (100000);
  g_autoptr (GError) error = NULL;

  memset (marks, '(', 100000);
  g_assert_null (neva_pickle_read (marks, 100000, "deep", NULL, &error));
  g_assert_nonnull (strstr (error->message, "nested deeper"));
}

/* {"a": OrderedDict([("n", -3)]), "b": (1, 2.5, True)}, a shared memo value */
static const char good[] = "\x80\x02}q\0(X\1\0\0\0aq\1"
                           "ccollections\nOrderedDict\nq\2)Rq\3X\1\0\0\0nJ"
                           "\xfd\xff\xff\xff"
                           "sX\1\0\0\0b(K\1G\x40\4\0\0\0\0\0\0\x88t"
                           "X\1\0\0\0"
                           "ch\3u.";

static void
test_structure_is_read (void)
{
  gsize used = 0;
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaPickle) pickle = neva_pickle_read (
      (const guint8 *) good, sizeof good - 1, "good", &used, &error);
  const NevaPickleValue *root, *b;
  gint64 n = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (used, ==, sizeof good - 1);
  root = neva_pickle_root (pickle);
  g_assert_true (
      neva_pickle_is (neva_pickle_get (root, "a"), "collections OrderedDict"));
  g_assert_true (
      neva_pickle_int (neva_pickle_get (neva_pickle_get (root, "a"), "n"), &n));
  g_assert_cmpint (n, ==, -3);
  b = neva_pickle_get (root, "b");
  g_assert_cmpfloat (neva_pickle_item (b, 1)->real, ==, 2.5);
  g_assert_true (neva_pickle_item (b, 2)->integer);
  g_assert_null (neva_pickle_item (b, 3));
  g_assert_true (neva_pickle_get (root, "c") == neva_pickle_get (root, "a"));
  g_assert_null (neva_pickle_get (root, "d"));
}

static void
test_every_truncation_is_an_error (void)
{
  for (gsize length = 0; length < sizeof good - 1; length++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (
        neva_pickle_read ((const guint8 *) good, length, "cut", NULL, &error));
    g_assert_nonnull (error);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pickle/hostile", test_hostile);
  g_test_add_func ("/pickle/deep", test_deep_nesting_is_an_error);
  g_test_add_func ("/pickle/structure", test_structure_is_read);
  g_test_add_func ("/pickle/truncated", test_every_truncation_is_an_error);
  return g_test_run ();
}
