/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzz target is one file that defines what is below. Linked with libFuzzer
 * it searches; linked with replay.c it runs its seeds, mutations of them, and
 * files, with any compiler. */
#ifndef NEVA_TESTS_FUZZ_H
#define NEVA_TESTS_FUZZ_H

#include <glib.h>

typedef struct {
  const char *bytes;
  gsize length;
} FuzzSeed;

#define FUZZ_SEED(text)                                                        \
  {                                                                            \
    text, sizeof (text) - 1                                                    \
  }

/* Must return 0 for any bytes, without a crash, a leak or a hang. */
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Inputs to start from; small, most of them well-formed. */
extern const FuzzSeed fuzz_seeds[];
extern const gsize fuzz_n_seeds;

/* Where bytes that must be readable are added up. */
extern volatile guint fuzz_sink;

/* A folder of this process, in memory where there is such a place. Parts of
 * the input, which are separated by bytes 0xff, are written as the files
 * `names` (NULL-terminated) in it; a missing part removes the file. If `last`
 * is not NULL it gets what is behind the last file's part: borrowed from
 * `data`. Returns the folder's path. */
const char *fuzz_write_folder (const char *const *names, const guint8 *data,
    gsize size, const guint8 **last, gsize *last_size);
/* The whole input as one file in it. */
const char *fuzz_write_file (const char *name, const guint8 *data, gsize size);

#endif /* NEVA_TESTS_FUZZ_H */
