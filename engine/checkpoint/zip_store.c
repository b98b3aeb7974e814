/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/zip_store.h"

#define END_SIZE 22u
#define END64_SIZE 56u
#define LOCATOR64_SIZE 20u
#define ENTRY_SIZE 46u
#define LOCAL_SIZE 30u
#define MAX_COMMENT 65535u
#define MAX_NAME 4096u

typedef struct {
  const guint8 *data;
  gsize length;
  const char *name;
} Archive;

static guint64
le (const guint8 *p, guint bytes)
{
  guint64 v = 0;

  for (guint i = 0; i < bytes; i++)
    v |= (guint64) p[i] << (8 * i);
  return v;
}

static gboolean
fail (const Archive *a, GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: zip archive: %s",
      a->name, what);
  return FALSE;
}

/* The end record is the last thing in the file but for a comment. */
static const guint8 *
find_end (const Archive *a)
{
  if (a->length < END_SIZE)
    return NULL;
  for (gsize back = END_SIZE; back <= END_SIZE + MAX_COMMENT; back++) {
    if (back > a->length)
      return NULL;
    if (!memcmp (a->data + a->length - back, "PK\5\6", 4))
      return a->data + a->length - back;
  }
  return NULL;
}

static gboolean
find_directory (
    const Archive *a, guint64 *offset, guint64 *entries, GError **error)
{
  const guint8 *end = find_end (a), *locator;
  guint64 end64;

  if (!end)
    return fail (a, error, "no end record (truncated, or no zip file)");
  *entries = le (end + 10, 2);
  *offset = le (end + 16, 4);
  if (*entries != 0xffff && *offset != 0xffffffff)
    return TRUE;

  if ((gsize) (end - a->data) < LOCATOR64_SIZE)
    return fail (a, error, "no zip64 locator");
  locator = end - LOCATOR64_SIZE;
  if (memcmp (locator, "PK\6\7", 4))
    return fail (a, error, "no zip64 locator");
  end64 = le (locator + 8, 8);
  if (end64 > a->length || a->length - end64 < END64_SIZE ||
      memcmp (a->data + end64, "PK\6\6", 4))
    return fail (a, error, "no zip64 end record");
  *entries = le (a->data + end64 + 32, 8);
  *offset = le (a->data + end64 + 48, 8);
  return TRUE;
}

/* Zip64 sizes and offset from the extra field of a directory entry. */
static gboolean
read_extra (const guint8 *extra, gsize length, guint64 *size, guint64 *stored,
    guint64 *offset)
{
  while (length >= 4) {
    const guint id = le (extra, 2);
    gsize bytes = le (extra + 2, 2);
    const guint8 *p = extra + 4;

    if (bytes > length - 4)
      return FALSE;
    length -= 4 + bytes;
    extra += 4 + bytes;
    if (id != 1)
      continue;
    guint64 *const wide[] = {size, stored, offset};

    for (guint i = 0; i < G_N_ELEMENTS (wide); i++) {
      if (*wide[i] != 0xffffffff)
        continue;
      if (bytes < 8)
        return FALSE;
      *wide[i] = le (p, 8);
      p += 8;
      bytes -= 8;
    }
  }
  return TRUE;
}

/* Adds one member; *at moves to the next directory entry. */
static gboolean
read_entry (const Archive *a, guint64 *at, GHashTable *members, GError **error)
{
  const guint8 *e = a->data + *at;
  guint64 stored, size, offset, name_len, extra_len, comment_len, start;
  g_autofree char *name = NULL;
  NevaZipMember *member;

  if (*at > a->length || a->length - *at < ENTRY_SIZE ||
      memcmp (e, "PK\1\2", 4))
    return fail (a, error, "broken directory");
  stored = le (e + 20, 4), size = le (e + 24, 4), offset = le (e + 42, 4);
  name_len = le (e + 28, 2), extra_len = le (e + 30, 2);
  comment_len = le (e + 32, 2);
  if (name_len > MAX_NAME ||
      name_len + extra_len + comment_len > a->length - *at - ENTRY_SIZE)
    return fail (a, error, "broken directory");
  if (!read_extra (
          e + ENTRY_SIZE + name_len, extra_len, &size, &stored, &offset))
    return fail (a, error, "broken zip64 field");
  *at += ENTRY_SIZE + name_len + extra_len + comment_len;

  name = g_strndup ((const char *) e + ENTRY_SIZE, name_len);
  if (le (e + 10, 2) != 0 || size != stored)
    return fail (a, error, "a member is compressed; only stored ones are read");
  if (offset > a->length || a->length - offset < LOCAL_SIZE ||
      memcmp (a->data + offset, "PK\3\4", 4))
    return fail (a, error, "a member's header lies outside of the file");
  start = offset + LOCAL_SIZE + le (a->data + offset + 26, 2) +
          le (a->data + offset + 28, 2);
  if (start > a->length || size > a->length - start)
    return fail (a, error, "a member is longer than the file");

  member = g_new (NevaZipMember, 1);
  member->offset = start;
  member->size = size;
  if (!g_hash_table_insert (members, g_steal_pointer (&name), member))
    return fail (a, error, "two members of the same name");
  return TRUE;
}

GHashTable *
neva_zip_store_read (
    const guint8 *data, gsize length, const char *name, GError **error)
{
  const Archive archive = {data, length, name};
  g_autoptr (GHashTable) members =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  guint64 at, entries;

  if (!find_directory (&archive, &at, &entries, error))
    return NULL;
  if (entries > length / ENTRY_SIZE) {
    fail (&archive, error, "more members than the file has room for");
    return NULL;
  }
  for (guint64 i = 0; i < entries; i++) {
    if (!read_entry (&archive, &at, members, error))
      return NULL;
  }
  return g_steal_pointer (&members);
}
