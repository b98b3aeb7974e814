/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "chunk.h"

GPtrArray *
chunk_of (const GPtrArray *list, guint n, guint k)
{
  const guint64 size = ((guint64) list->len + n - 1) / n;
  const guint64 from = k * size;
  GPtrArray *part = g_ptr_array_new ();

  for (guint64 i = from; i < MIN (from + size, list->len); i++)
    g_ptr_array_add (part, g_ptr_array_index (list, i));
  return part;
}
