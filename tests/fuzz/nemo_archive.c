/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A .nemo file as such: names and contents of a tar, plain or gzip. */
#include "config.h"
#include <stdlib.h>
#include "checkpoint/bundle.h"
#include "fuzz.h"

/* POSIX's ustar header and one block of content, then the end. */
typedef struct {
  char name[100], mode[8], owner[8], group[8], size[12], time[12], checksum[8],
      type, link[100], magic[6], version[2], names[64], device[16], prefix[155],
      rest[12];
  char content[512], end[1024];
} Archive;

#define MEMBER(member, bytes, sum)                                             \
  {                                                                            \
    .name = member, .mode = "0000644", .owner = "0000000", .group = "0000000", \
    .size = bytes, .time = "00000000000", .checksum = sum " ", .type = '0',    \
    .magic = "ustar", .version = {'0', '0'}, .content = "abc"                  \
  }

static const Archive plain =
    MEMBER ("./model_config.yaml", "00000000003", "011404\0");
static const Archive lying = MEMBER ("../etc/x", "77777777777", "007230\0");

const FuzzSeed fuzz_seeds[] = {
    {(const char *) &plain, sizeof plain},
    {(const char *) &lying, sizeof lying},
    FUZZ_SEED ("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00"
               "\x00\x00\x00\x00\x00"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const char *folder = fuzz_write_file ("x.nemo", data, size);
  g_autofree char *path = g_build_filename (folder, "x.nemo", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaBundle) bundle = neva_bundle_open (path, &error);
  const GPtrArray *names = bundle ? neva_bundle_names (bundle) : NULL;

  if (!bundle == !error)
    abort ();
  for (guint i = 0; names && i < names->len; i++) {
    GBytes *content = neva_bundle_find (bundle, names->pdata[i]);
    gsize length = 0;
    const guint8 *bytes = content ? g_bytes_get_data (content, &length) : NULL;

    for (gsize k = 0; k < length; k++)
      fuzz_sink += bytes[k];
  }
  return 0;
}
