/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "stop.h"

struct _NevaStop {
  GPtrArray *strings;
  GString *held; /* may be the start of a stop string */
  gboolean stopped;
};

NevaStop *
neva_stop_new (const char *const *strings)
{
  NevaStop *self = g_new0 (NevaStop, 1);

  self->strings = g_ptr_array_new_with_free_func (g_free);
  self->held = g_string_new (NULL);
  for (; strings && *strings; strings++)
    if (**strings)
      g_ptr_array_add (self->strings, g_strdup (*strings));
  return self;
}

void
neva_stop_free (NevaStop *self)
{
  if (!self)
    return;

  g_ptr_array_unref (self->strings);
  g_string_free (self->held, TRUE);
  g_free (self);
}

/* Length of the longest stop string that ends at held [end]; 0: none. */
static gsize
complete_at (const NevaStop *self, gsize end)
{
  gsize longest = 0;

  for (guint i = 0; i < self->strings->len; i++) {
    const char *s = self->strings->pdata[i];
    const gsize n = strlen (s);

    if (n > longest && n <= end &&
        memcmp (self->held->str + end - n, s, n) == 0)
      longest = n;
  }
  return longest;
}

/* Length of the longest end of `held` with which a stop string begins. */
static gsize
begun (const NevaStop *self)
{
  gsize longest = 0;

  for (guint i = 0; i < self->strings->len; i++) {
    const char *s = self->strings->pdata[i];
    gsize n = MIN (strlen (s) - 1, self->held->len);

    for (; n > longest; n--)
      if (memcmp (self->held->str + self->held->len - n, s, n) == 0)
        longest = n;
  }
  return longest;
}

gboolean
neva_stop_push (NevaStop *self, const char *piece, gssize length, GString *out)
{
  const gsize before = self->held->len;
  gsize keep;

  if (self->stopped)
    return TRUE;

  g_string_append_len (self->held, piece, length);
  for (gsize end = before + 1; end <= self->held->len; end++) {
    const gsize found = complete_at (self, end);

    if (found == 0)
      continue;
    g_string_append_len (out, self->held->str, (gssize) (end - found));
    g_string_truncate (self->held, 0);
    self->stopped = TRUE;
    return TRUE;
  }
  keep = begun (self);
  g_string_append_len (out, self->held->str, (gssize) (self->held->len - keep));
  g_string_erase (self->held, 0, (gssize) (self->held->len - keep));
  return FALSE;
}

void
neva_stop_flush (NevaStop *self, GString *out)
{
  g_string_append_len (out, self->held->str, (gssize) self->held->len);
  g_string_truncate (self->held, 0);
}
