/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "runtime/prefix.h"
#include "runtime/runtime.h"

typedef struct {
  NevaDriverSequence *sequence;
  NevaFed *fed;
  gsize length;
} Prefix;

struct _NevaPrefixes {
  NevaDriver *driver;
  GQueue entries; /* Prefix, oldest first */
};

NevaFed *
neva_fed_new (const NevaPrompt *prompt, NevaEmbedding *const *frames,
    gsize n_frames, gboolean combined)
{
  NevaFed *fed = g_new0 (NevaFed, 1);
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  fed->ids = g_array_copy (prompt->ids);
  fed->frames = g_array_new (FALSE, FALSE, sizeof (guint64));
  /* a row of all frames is known by all of them: FNV-1a */
  for (gsize i = 0; combined && i < n_frames; i++)
    hash = (hash ^ frames[i]->id) * G_GUINT64_CONSTANT (0x100000001b3);
  if (combined)
    g_array_append_val (fed->frames, hash);
  for (gsize i = 0; !combined && i < n_frames; i++)
    g_array_append_val (fed->frames, frames[i]->id);
  fed->media_start = prompt->media_start;
  fed->media_len = prompt->media_len;
  fed->slots = prompt->slots ? g_array_ref (prompt->slots) : NULL;
  return fed;
}

void
neva_fed_free (NevaFed *fed)
{
  g_array_unref (fed->ids);
  g_array_unref (fed->frames);
  g_clear_pointer (&fed->slots, g_array_unref);
  g_free (fed);
}

static void
prefix_free (NevaPrefixes *prefixes, Prefix *prefix)
{
  prefixes->driver->klass->sequence_free (prefixes->driver, prefix->sequence);
  neva_fed_free (prefix->fed);
  g_free (prefix);
}

NevaPrefixes *
neva_prefixes_new (NevaDriver *driver)
{
  NevaPrefixes *prefixes = g_new0 (NevaPrefixes, 1);

  prefixes->driver = driver;
  return prefixes;
}

gboolean
neva_prefixes_drop_all (NevaPrefixes *prefixes)
{
  const gboolean any = prefixes->entries.length > 0;
  Prefix *prefix;

  while ((prefix = g_queue_pop_head (&prefixes->entries)))
    prefix_free (prefixes, prefix);
  return any;
}

void
neva_prefixes_free (NevaPrefixes *prefixes)
{
  neva_prefixes_drop_all (prefixes);
  g_free (prefixes);
}

void
neva_prefixes_put (NevaPrefixes *prefixes, NevaDriverSequence *sequence,
    NevaFed *fed, gsize length)
{
  Prefix *prefix = g_new0 (Prefix, 1);

  *prefix = (Prefix){sequence, fed, length};
  g_queue_push_tail (&prefixes->entries, prefix);
  if (prefixes->entries.length > NEVA_MAX_PREFIXES)
    prefix_free (prefixes, g_queue_pop_head (&prefixes->entries));
}

/* The frame whose row is at `position`, or 0 outside the media run. */
static guint64
frame_at (const NevaFed *fed, gsize position)
{
  const gsize at = position - fed->media_start;

  if (position < fed->media_start || at >= fed->media_len)
    return 0;
  return g_array_index (
      fed->frames, guint64, at / (fed->media_len / fed->frames->len));
}

gsize
neva_fed_common (const NevaFed *a, gsize a_length, const NevaFed *b)
{
  const gsize n = MIN (a_length, b->ids->len - 1);

  for (gsize i = 0; i < n; i++) {
    const guint64 frame = frame_at (a, i);

    if (frame != frame_at (b, i))
      return i;
    /* One frame twice in a row: the rows must be the same ones too. */
    if (frame ? a->media_start != b->media_start
              : g_array_index (a->ids, gint32, i) !=
                    g_array_index (b->ids, gint32, i))
      return i;
  }
  return n;
}

/* The entry that has the longest beginning of `fed`, longer than *length, which
 * becomes that; or NULL. */
static GList *
find_longest (const NevaPrefixes *prefixes, const NevaFed *fed, gsize *length)
{
  GList *best = NULL;

  for (GList *l = prefixes->entries.tail; l; l = l->prev) {
    const Prefix *p = l->data;
    const gsize common = neva_fed_common (p->fed, p->length, fed);

    if (common > *length) {
      best = l;
      *length = common;
    }
  }
  return best;
}

gsize
neva_prefixes_longest (const NevaPrefixes *prefixes, const NevaFed *fed)
{
  gsize length = 0;

  find_longest (prefixes, fed, &length);
  return length;
}

gboolean
neva_prefixes_drop_other (NevaPrefixes *prefixes, const NevaFed *fed)
{
  gsize length = 0;
  const GList *keep = find_longest (prefixes, fed, &length);
  GList *l = prefixes->entries.head;

  if (l && l == keep)
    l = l->next;
  if (!l)
    return FALSE;
  prefix_free (prefixes, l->data);
  g_queue_delete_link (&prefixes->entries, l);
  return TRUE;
}

NevaDriverSequence *
neva_prefixes_take (
    NevaPrefixes *prefixes, const NevaFed *fed, gsize known, gsize *length)
{
  const NevaDriverClass *klass = prefixes->driver->klass;
  gsize best_length = known;
  GList *best = find_longest (prefixes, fed, &best_length);
  NevaDriverSequence *sequence;
  Prefix *prefix;

  if (!best)
    return NULL;
  prefix = best->data;
  *length = best_length;
  /* Little in common: leave it to whoever it was kept for, while there is room
   * for another. */
  if (best_length < prefix->length / 2 &&
      prefixes->entries.length < NEVA_MAX_PREFIXES)
    return klass->sequence_fork (
        prefixes->driver, prefix->sequence, best_length);

  sequence = prefix->sequence;
  klass->sequence_truncate (prefixes->driver, sequence, best_length);
  g_queue_delete_link (&prefixes->entries, best);
  neva_fed_free (prefix->fed);
  g_free (prefix);
  return sequence;
}
