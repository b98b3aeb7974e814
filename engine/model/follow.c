/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "llava_private.h"

typedef struct {
  NevaLlava *llava;
  GHashTable *sequences; /* id -> NevaSequence */
  const guint32 *words;
  gsize n, at; /* words of the plan; read so far */
  gboolean bad;
} Follower;

static guint32
next (Follower *f)
{
  if (f->at < f->n)
    return f->words[f->at++];
  f->bad = TRUE;
  return 0;
}

/* The leader's sequences have counterparts from their first step on. */
static NevaSequence *
sequence_of (Follower *f, guint32 id)
{
  gpointer key = GUINT_TO_POINTER (id);
  NevaSequence *s = g_hash_table_lookup (f->sequences, key);

  if (!s) {
    s = neva_sequence_new (f->llava, NULL);
    g_hash_table_insert (f->sequences, key, s);
  }
  return s;
}

static void
take_fork (Follower *f, guint32 id)
{
  const guint32 other = next (f), length = next (f);
  NevaSequence *s =
      g_hash_table_lookup (f->sequences, GUINT_TO_POINTER (other));

  if (!s || length > neva_sequence_length (s))
    f->bad = TRUE;
  else
    g_hash_table_insert (
        f->sequences, GUINT_TO_POINTER (id), neva_sequence_fork (s, length));
}

static void
take_ops (Follower *f)
{
  for (guint32 n = next (f); n && !f->bad; n--) {
    const guint32 id = next (f), length = next (f);
    NevaSequence *s = g_hash_table_lookup (f->sequences, GUINT_TO_POINTER (id));

    if (length == NEVA_PLAN_FORK) {
      take_fork (f, id);
      n = MAX (n, 2) - 1;
    } else if (s && length == NEVA_PLAN_FREE) {
      g_hash_table_remove (f->sequences, GUINT_TO_POINTER (id));
    } else if (s) {
      neva_sequence_truncate (s, length);
    }
  }
}

/* Errors are the leader's to report: all ranks have the same. */
static void
take_step (Follower *f)
{
  const guint32 n = next (f);
  g_autofree NevaStepItem *items = NULL;

  if (n > f->n - f->at) {
    f->bad = TRUE;
    return;
  }
  items = g_new0 (NevaStepItem, n);
  for (guint32 i = 0; i < n && !f->bad; i++) {
    NevaStepItem *item = &items[i];
    guint32 flags;

    item->sequence = sequence_of (f, next (f));
    item->n = next (f);
    flags = next (f);
    item->wanted = flags & NEVA_PLAN_WANTED;
    item->all_logits = flags & NEVA_PLAN_WANT_ALL;
    item->ids = (const gint32 *) (f->words + f->at);
    f->bad = f->bad || item->n > f->n - f->at;
    f->at += item->n;
  }
  if (!f->bad)
    neva_llava_run_items (f->llava, items, n, NULL);
}

static void
take_encode (Follower *f)
{
  const guint32 n = next (f), with_hidden = next (f);

  if (!f->bad)
    neva_llava_encode_share (
        f->llava, NULL, n, NULL, NULL, with_hidden != 0, NULL);
}

/* FALSE when the leader quits. */
static gboolean
take_plan (Follower *f, const GArray *words)
{
  NevaPlanKind kind;

  f->words = (const guint32 *) (gconstpointer) words->data;
  f->n = words->len;
  f->at = 0;
  kind = next (f);
  take_ops (f);
  switch (kind) {
    case NEVA_PLAN_STEP:
      take_step (f);
      break;
    case NEVA_PLAN_ENCODE:
      take_encode (f);
      break;
    case NEVA_PLAN_ROTARY:
      neva_llava_round_rotary (f->llava);
      break;
    case NEVA_PLAN_ALIVE:
      break;
    case NEVA_PLAN_QUIT:
      return FALSE;
    case NEVA_PLAN_LOAD:
      f->bad = TRUE;
      break;
  }
  if (f->bad)
    neva_comm_abort (f->llava->shard.group, "a plan makes no sense");
  return TRUE;
}

gboolean
neva_llava_follow (NevaLlava *l, GError **error)
{
  Follower f = {.llava = l,
      .sequences = g_hash_table_new_full (
          NULL, NULL, NULL, (GDestroyNotify) neva_sequence_free)};
  gboolean more = TRUE;
  GArray *words = NULL;

  while (more && (words = neva_plan_receive (l->shard.group, error))) {
    more = take_plan (&f, words);
    g_array_unref (words);
  }
  g_hash_table_unref (f.sequences);
  return words != NULL;
}
