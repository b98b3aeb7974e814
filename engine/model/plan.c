/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "plan.h"

#include <string.h>

/* A decode step of a few answers goes out in one message: a plan's length and
 * its first words. */
#define FIRST_WORDS 255
#define MAX_WORDS (64u << 20)

struct _NevaPlanner {
  NevaComm *group; /* borrowed */
  GArray *ops;     /* guint32 pairs */
  GArray *words;   /* scratch */
};

NevaPlanner *
neva_planner_new (NevaComm *group)
{
  NevaPlanner *p = g_new0 (NevaPlanner, 1);

  p->group = group;
  p->ops = g_array_new (FALSE, FALSE, sizeof (guint32));
  p->words = g_array_new (FALSE, FALSE, sizeof (guint32));
  return p;
}

void
neva_planner_free (NevaPlanner *p)
{
  if (!p)
    return;
  g_array_unref (p->ops);
  g_array_unref (p->words);
  g_free (p);
}

static void
put (GArray *words, guint32 word)
{
  g_array_append_val (words, word);
}

void
neva_planner_note (NevaPlanner *p, guint32 id, guint32 length)
{
  put (p->ops, id);
  put (p->ops, length);
}

void
neva_planner_fork (NevaPlanner *p, guint32 id, guint32 other, guint32 length)
{
  neva_planner_note (p, id, NEVA_PLAN_FORK);
  neva_planner_note (p, other, length);
}

/* A plan begins with what happened to the sequences. */
static GArray *
begin (NevaPlanner *p, NevaPlanKind kind)
{
  g_array_set_size (p->words, 0);
  put (p->words, kind);
  put (p->words, p->ops->len / 2);
  g_array_append_vals (p->words, p->ops->data, p->ops->len);
  g_array_set_size (p->ops, 0);
  return p->words;
}

void
neva_planner_step (NevaPlanner *p, const NevaStepItem *items,
    const guint32 *ids, gsize n_items)
{
  GArray *words = begin (p, NEVA_PLAN_STEP);

  put (words, (guint32) n_items);
  for (gsize i = 0; i < n_items; i++) {
    const NevaStepItem *item = &items[i];

    put (words, ids[i]);
    put (words, (guint32) item->n);
    put (words, (item->logits ? NEVA_PLAN_WANTED : 0) |
                    (item->all_logits ? NEVA_PLAN_WANT_ALL : 0));
    for (gsize t = 0; t < item->n; t++)
      put (words,
          item->rows && item->rows[t] ? (guint32) -1 : (guint32) item->ids[t]);
  }
  neva_plan_send (p->group, words);
}

void
neva_planner_encode (NevaPlanner *p, gsize n_frames, gboolean with_hidden)
{
  GArray *words = begin (p, NEVA_PLAN_ENCODE);

  put (words, (guint32) n_frames);
  put (words, with_hidden ? 1 : 0);
  neva_plan_send (p->group, words);
}

void
neva_planner_tell (NevaPlanner *p, NevaPlanKind kind)
{
  neva_plan_send (p->group, begin (p, kind));
}

void
neva_plan_send (NevaComm *group, const GArray *words)
{
  guint32 first[1 + FIRST_WORDS] = {words->len};
  const guint n = MIN (words->len, FIRST_WORDS);

  memcpy (first + 1, words->data, n * sizeof *first);
  neva_comm_broadcast (group, NULL, first, sizeof first, 0, TRUE);
  if (words->len > n)
    neva_comm_broadcast (group, NULL, words->data + n * sizeof *first,
        (words->len - n) * sizeof *first, 0, FALSE);
}

GArray *
neva_plan_receive (NevaComm *group, GError **error)
{
  guint32 first[1 + FIRST_WORDS] = {0};
  GArray *words = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint n;

  neva_comm_broadcast (group, NULL, first, sizeof first, 0, TRUE);
  n = MIN (first[0], FIRST_WORDS);
  if (first[0] > MAX_WORDS)
    neva_comm_abort (group, "a plan is longer than any can be");
  g_array_append_vals (words, first + 1, n);
  if (first[0] > n && neva_comm_check (group, NULL)) {
    g_array_set_size (words, first[0]);
    neva_comm_broadcast (group, NULL, words->data + n * sizeof *first,
        (first[0] - n) * sizeof *first, 0, FALSE);
  }
  if (neva_comm_check (group, error))
    return words;
  g_array_unref (words);
  return NULL;
}
