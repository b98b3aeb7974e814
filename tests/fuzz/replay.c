/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage: fuzz-X-replay                     seeds and mutations of them
 *        fuzz-X-replay --seed N            the same mutations again
 *        fuzz-X-replay FILE|FOLDER…        these inputs
 *        fuzz-X-replay --write FOLDER      write the seeds, for libFuzzer */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"

#define MUTATIONS 3000
#define TIME_LIMIT (4 * G_TIME_SPAN_SECOND)

static guint ran;

static void
run (const guint8 *data, gsize size)
{
  LLVMFuzzerTestOneInput (data, size);
  ran++;
}

static void
run_path (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  g_autofree char *data = NULL;
  const char *name;
  gsize size;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *inner = g_build_filename (path, name, NULL);

    run_path (inner);
  }
  if (dir) {
    g_dir_close (dir);
    return;
  }
  if (!g_file_get_contents (path, &data, &size, NULL)) {
    fprintf (stderr, "%s cannot be read\n", path);
    exit (EXIT_FAILURE);
  }
  /* a copy of its own, so that a sanitizer sees one byte too many */
  g_autofree guint8 *copy = g_memdup2 (data, size);
  run (copy, size);
}

static int
write_seeds (const char *path)
{
  if (g_mkdir_with_parents (path, 0755) != 0)
    return EXIT_FAILURE;

  for (gsize i = 0; i < fuzz_n_seeds; i++) {
    g_autofree char *name = g_strdup_printf ("%s/seed-%02zu", path, i);

    if (!g_file_set_contents (
            name, fuzz_seeds[i].bytes, (gssize) fuzz_seeds[i].length, NULL))
      return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

/* One to four changes: cut short, a byte, a bit, a number, a piece of another
 * seed put in, a piece doubled. */
static void
mutate (GByteArray *b, GRand *rand)
{
  static const guint8 bytes[] = {0, 1, '"', '{', '}', '[', ']', ',', ':', '\\',
      '/', '\'', 0x7f, 0x80, 0xfe, 0xff, '-', '9', 'e'};
  const int n = g_rand_int_range (rand, 1, 5);

  for (int i = 0; i < n && b->len > 0; i++) {
    const guint at = (guint) g_rand_int_range (rand, 0, (gint32) b->len);
    const FuzzSeed *other =
        &fuzz_seeds[g_rand_int_range (rand, 0, (gint32) fuzz_n_seeds)];
    const guint most = (guint) g_rand_int_range (rand, 1, 33);
    const guint length = MIN (b->len - at, most);
    const guint32 number = g_rand_int (rand);

    switch (g_rand_int_range (rand, 0, 7)) {
      case 0:
        g_byte_array_set_size (b, at);
        break;
      case 1:
        b->data[at] ^= (guint8) (1u << g_rand_int_range (rand, 0, 8));
        break;
      case 2:
        memcpy (b->data + at, &number, MIN (4, b->len - at));
        break;
      case 3:
        if (other->length > 0) {
          const gsize from =
              (gsize) g_rand_int_range (rand, 0, (gint32) other->length);

          g_byte_array_append (b, (const guint8 *) other->bytes + from,
              (guint) (other->length - from));
        }
        break;
      case 4: {
        g_autofree guint8 *piece = g_memdup2 (b->data + at, length);

        g_byte_array_append (b, piece, length);
        break;
      }
      case 5:
        g_byte_array_remove_range (b, at, length);
        break;
      default:
        b->data[at] =
            bytes[g_rand_int_range (rand, 0, (gint32) G_N_ELEMENTS (bytes))];
        break;
    }
  }
}

static void
run_mutations (guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const gint64 end = g_get_monotonic_time () + TIME_LIMIT;

  printf ("seed %u\n", seed);
  fflush (stdout);
  for (int i = 0; i < MUTATIONS && g_get_monotonic_time () < end; i++) {
    const FuzzSeed *from =
        &fuzz_seeds[g_rand_int_range (rand, 0, (gint32) fuzz_n_seeds)];
    g_autoptr (GByteArray) b = g_byte_array_new ();
    g_autofree guint8 *copy = NULL;

    g_byte_array_append (b, (const guint8 *) from->bytes, (guint) from->length);
    mutate (b, rand);
    copy = g_memdup2 (b->data, b->len);
    run (copy, b->len);
  }
}

int
main (int argc, char **argv)
{
  guint32 seed = (guint32) g_get_real_time ();
  int i = 1;

  if (argc == 3 && strcmp (argv[1], "--write") == 0)
    return write_seeds (argv[2]);
  if (argc == 3 && strcmp (argv[1], "--seed") == 0) {
    seed = (guint32) strtoul (argv[2], NULL, 0);
    i = argc;
  }
  for (; i < argc; i++)
    run_path (argv[i]);
  if (argc < 2 || strcmp (argv[1], "--seed") == 0) {
    for (gsize s = 0; s < fuzz_n_seeds; s++)
      run ((const guint8 *) fuzz_seeds[s].bytes, fuzz_seeds[s].length);
    run_mutations (seed);
  }
  printf ("%u inputs\n", ran);
  return ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
