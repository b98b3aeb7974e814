/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts checks and failures of a test program. A program that checked nothing
 * ends as a skip (77), never as a success. */
#ifndef NEVA_TESTS_CHECK_H
#define NEVA_TESTS_CHECK_H

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

static guint check_count, check_failures;

/* Where the real clips and reference outputs lie, or NULL. (transfer none) */
static inline const char *
check_shared (void)
{
  const char *dir = g_getenv ("NEVA_SHARED");

  return dir && g_file_test (dir, G_FILE_TEST_IS_DIR) ? dir : NULL;
}

/* argv[1] repeats a run; else a fresh seed. Printed either way. */
static inline guint64
check_seed (int argc, char **argv)
{
  const guint64 seed = argc > 1 ? g_ascii_strtoull (argv[1], NULL, 0)
                                : (guint64) g_get_real_time ();

  printf ("seed %" G_GUINT64_FORMAT "\n", seed);
  return seed;
}

#define CHECK(condition, ...)                                                  \
  G_STMT_START                                                                 \
  {                                                                            \
    g_atomic_int_inc (&check_count);                                           \
    if (!(condition)) {                                                        \
      g_atomic_int_inc (&check_failures);                                      \
      printf ("FAIL %s:%d: %s: ", __FILE__, __LINE__, #condition);             \
      printf (__VA_ARGS__);                                                    \
      printf ("\n");                                                           \
    }                                                                          \
  }                                                                            \
  G_STMT_END

#define CHECK_STR(got, want)                                                   \
  CHECK (g_strcmp0 ((got), (want)) == 0, "got \"%s\", want \"%s\"",            \
      (got) ? (got) : "(null)", (want) ? (want) : "(null)")

/* An error of this code whose message names `part` was set; clears it. */
#define CHECK_ERROR(error, c, part)                                            \
  G_STMT_START                                                                 \
  {                                                                            \
    CHECK ((error) && (error)->domain == NEVA_ERROR &&                         \
               (error)->code == (int) (c) && strstr ((error)->message, part),  \
        "got %s", (error) ? (error)->message : "no error");                    \
    g_clear_error (&(error));                                                  \
  }                                                                            \
  G_STMT_END

static inline int
check_finish (void)
{
  printf ("%u checks, %u failed\n", check_count, check_failures);
  if (check_failures)
    return EXIT_FAILURE;
  if (check_count == 0) {
    printf ("SKIP: nothing was checked\n");
    return 77;
  }
  return EXIT_SUCCESS;
}

#endif /* NEVA_TESTS_CHECK_H */
