/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the leader of several ranks tells the others: a short list of numbers
 * before each call, and with it what became of its sequences since the last
 * one.
 *
 *   words: kind, n_ops, { id, length } …, then by kind; an op FORK is two
 * pairs: { id, FORK }, { id of the other sequence, length } STEP    n_items, {
 * sequence id, n, flags, ids [n] } … ENCODE  n frames, with_hidden
 */
#ifndef NEVA_PLAN_H
#define NEVA_PLAN_H

#include "backend/comm.h"
#include "llava.h"

typedef enum {
  NEVA_PLAN_STEP = 1,
  NEVA_PLAN_ENCODE,
  NEVA_PLAN_ROTARY, /* neva_llava_round_rotary () */
  NEVA_PLAN_ALIVE,  /* nothing to do; the leader lives */
  NEVA_PLAN_LOAD,   /* to processes without a model: one follows */
  NEVA_PLAN_QUIT
} NevaPlanKind;

#define NEVA_PLAN_FREE G_MAXUINT32 /* as length: the sequence is gone */
#define NEVA_PLAN_FORK (G_MAXUINT32 - 1)
#define NEVA_PLAN_WANTED 1u   /* flags: logits of the last token */
#define NEVA_PLAN_WANT_ALL 2u /* of all tokens */

/* ---- Leader ---- */

typedef struct _NevaPlanner NevaPlanner;

NevaPlanner *neva_planner_new (NevaComm *group);
void neva_planner_free (NevaPlanner *planner);
/* A sequence was truncated to `length`, or is gone. Told with the next plan. */
void neva_planner_note (NevaPlanner *planner, guint32 id, guint32 length);
/* A new one begins with `length` tokens of `other`. Likewise. */
void neva_planner_fork (
    NevaPlanner *planner, guint32 id, guint32 other, guint32 length);
void neva_planner_step (NevaPlanner *planner, const NevaStepItem *items,
    const guint32 *ids, gsize n_items);
void neva_planner_encode (
    NevaPlanner *planner, gsize n_frames, gboolean with_hidden);
void neva_planner_tell (NevaPlanner *planner, NevaPlanKind kind);

/* ---- Both ---- */

/* Words of any kind, to and from rank 0. */
void neva_plan_send (NevaComm *group, const GArray *words);
/* (transfer full) (element-type guint32): waits for the next plan; NULL with
 * error when the group is lost. */
GArray *neva_plan_receive (NevaComm *group, GError **error);

#endif /* NEVA_PLAN_H */
