/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "runtime/turns.h"

/* Streams come and go: those that had their turn so many turns ago are
 * forgotten, which makes them the next, as it should. */
#define MAX_REMEMBERED 256

struct _NevaTurns {
  GHashTable *last; /* stream -> number of its last turn */
  guint64 now;
};

NevaTurns *
neva_turns_new (void)
{
  NevaTurns *turns = g_new0 (NevaTurns, 1);

  turns->last =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  return turns;
}

void
neva_turns_free (NevaTurns *turns)
{
  g_hash_table_unref (turns->last);
  g_free (turns);
}

static gboolean
is_old (gpointer stream, gpointer last, gpointer now)
{
  (void) stream;
  return *(guint64 *) now - *(guint64 *) last > MAX_REMEMBERED;
}

void
neva_turns_take (NevaTurns *turns, guint64 stream)
{
  turns->now++;
  g_hash_table_insert (turns->last, g_memdup2 (&stream, sizeof stream),
      g_memdup2 (&turns->now, sizeof turns->now));
  if (g_hash_table_size (turns->last) > 2 * MAX_REMEMBERED)
    g_hash_table_foreach_remove (turns->last, is_old, &turns->now);
}

static guint64
last_turn (NevaTurns *turns, guint64 stream)
{
  const guint64 *last = g_hash_table_lookup (turns->last, &stream);

  return last ? *last : 0;
}

gboolean
neva_turns_before (NevaTurns *turns, guint64 a, guint64 b)
{
  return last_turn (turns, a) < last_turn (turns, b);
}

gboolean
neva_turns_may_queue (guint64 stream, guint own, guint total, guint max)
{
  return total < max && (stream == 0 || own < 2 * (max - total));
}
