/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tar of media: its index, and the members that it names. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include <neva/eval.h>
#include "fuzz.h"

/* POSIX's ustar header and one block of content, then the end. */
typedef struct {
  char name[100], mode[8], owner[8], group[8], size[12], time[12], checksum[8],
      type, link[100], magic[6], version[2], names[64], device[16], prefix[155],
      rest[12];
  char content[512], end[1024];
} Archive;

#define MEMBER(member, bytes, sum, kind)                                       \
  {                                                                            \
    .name = member, .mode = "0000644", .owner = "0000000", .group = "0000000", \
    .size = bytes, .time = "00000000000", .checksum = sum " ", .type = kind,   \
    .magic = "ustar", .version = {'0', '0'}, .content = "abc"                  \
  }

static const Archive plain = MEMBER ("a.mp4", "00000000003", "@@@@@@\0", '0');
static const Archive lying = MEMBER ("a.mp4", "77777777777", "@@@@@@\0", '0');
static const Archive leaving = MEMBER ("../a", "00000000003", "@@@@@@\0", '0');
static const Archive linked = MEMBER ("a.mp4", "00000000000", "@@@@@@\0", '2');

#define SEED(archive)                                                          \
  {                                                                            \
    (const char *) &archive, sizeof archive                                    \
  }
const FuzzSeed fuzz_seeds[] = {
    SEED (plain), SEED (lying), SEED (leaving), SEED (linked)};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

/* Few inputs would pass a checksum that is not made for them. */
static void
seal (Archive *archive)
{
  guint sum = 0;

  memset (archive->checksum, ' ', sizeof archive->checksum);
  for (gsize i = 0; i < G_STRUCT_OFFSET (Archive, content); i++)
    sum += ((const guint8 *) archive)[i];
  g_snprintf (archive->checksum, sizeof archive->checksum, "%06o", sum);
}

static void
read_members (const NevaMediaStore *store, const guint8 *data, gsize size)
{
  g_autofree char *first =
      g_strndup ((const char *) data, MIN (size, (gsize) 100));
  const char *names[] = {first, "a.mp4", "../a"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_auto (NevaMediaFile) file = {NULL, -1};
    g_autoptr (GError) error = NULL;

    if (neva_media_store_find (store, names[i], &file, &error) == !!error)
      abort ();
    if (file.path && g_str_has_prefix (names[i], "../"))
      abort ();
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree guint8 *bytes = g_memdup2 (data, size);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaMediaStore) store = NULL;

  if (size >= sizeof (Archive))
    seal ((Archive *) (void *) bytes);
  path = g_build_filename (
      fuzz_write_file ("m.tar", bytes ? bytes : data, size), "m.tar", NULL);
  store = neva_media_store_open (path, &error);
  if (!store == !error)
    abort ();
  if (store)
    read_members (store, data, size);
  return 0;
}
