/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which part of a decoder a rank holds (spec 4.8):
 *
 *            tensor parallel 2            group rank = stage * tp + part
 *           .--------.--------.
 *   stage 0 | rank 0 | rank 1 |   word table, layers 0 … L/2 - 1
 *   stage 1 | rank 2 | rank 3 |   layers L/2 … L - 1, norm, output matrix
 *           '--------'--------'
 *
 * Ranks of a stage share heads, MLP columns and vocabulary rows; norms, MoE
 * routers, and on the first stage vision tower and projector, are everybody's.
 */
#ifndef NEVA_SHARD_H
#define NEVA_SHARD_H

#include "backend/comm.h"
#include "config.h"

typedef struct {
  guint tp, pp;         /* at least 1 */
  guint part, stage;    /* < tp, < pp */
  NevaComm *group;      /* borrowed; NULL: one rank has it all */
  NevaComm *stage_comm; /* borrowed; the ranks of this stage; NULL if tp = 1 */
} NevaShard;

static inline gboolean
neva_shard_first_stage (const NevaShard *s)
{
  return s->stage == 0;
}

static inline gboolean
neva_shard_last_stage (const NevaShard *s)
{
  return s->stage + 1 == s->pp;
}

/* Rank 0 plans, feeds and samples; the others follow. */
static inline gboolean
neva_shard_leads (const NevaShard *s)
{
  return s->part == 0 && s->stage == 0;
}

/* Can a model be split like that? NEVA_ERROR_BAD_INPUT names the number that
 * does not divide. */
gboolean neva_shard_check (
    const NevaTextConfig *whole, guint tp, guint pp, GError **error);

/* This rank's share: heads, kv_heads, ffn, vocab, layers and their windows. Its
 * layer 0 is the model's layer stage * layers. */
NevaTextConfig neva_shard_config (
    const NevaTextConfig *whole, const NevaShard *shard);

#endif /* NEVA_SHARD_H */
