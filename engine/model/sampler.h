/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The next token from logits (spec 4.4): min-tokens mask, vocabulary mask,
 * greedy, or temperature -> penalty -> top-k -> top-p -> one seeded draw.
 * Not thread-safe: one sampler per answer. */
#ifndef NEVA_SAMPLER_H
#define NEVA_SAMPLER_H

#include <glib.h>
#include <neva/sampling.h>
#include "sample.h"

typedef struct _NevaSampler NevaSampler;

/* vocab: ids from here on are never chosen (padding rows of the output matrix).
 * eos: forbidden while fewer than min_tokens were generated; -1: none.
 * NEVA_ERROR_BAD_INPUT names the option: temperature or penalty not a positive
 * number, top_p not a number, top_k beyond vocab (all unread when greedy). */
NevaSampler *neva_sampler_new (
    const NevaSampling *sampling, gsize vocab, gint32 eos, GError **error);
void neva_sampler_free (NevaSampler *sampler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaSampler, neva_sampler_free)

/* Tokens that the penalty counts as seen: the prompt (NEMO mode leaves out
 * position 0 and everything before the second generated token). Ids outside
 * the vocabulary are ignored. Call once. */
void neva_sampler_accept_prompt (
    NevaSampler *sampler, const gint32 *ids, gsize n_ids);

/* Chooses from logits [n] (n >= vocab; what is forbidden becomes -inf) and
 * counts the choice as seen. *logprob, if not NULL: natural log of the chosen
 * token's probability before temperature, penalty and truncation.
 * Among equal logits the lower id goes first.
 * Returns -1 when a logit below vocab is NaN or +inf, or none is finite. */
gint32 neva_sampler_next (
    NevaSampler *sampler, float *logits, gsize n, double *logprob);

/* The same in two halves, for logits that are elsewhere: what the next choice
 * is made by, valid until the commit; and the choice that was made by it, which
 * counts from then on. allowed: bits of the ids that may come, or NULL,
 * borrowed until the commit. */
void neva_sampler_prepare (
    const NevaSampler *sampler, const guint64 *allowed, NevaSampleRow *row);
gint32 neva_sampler_commit (
    NevaSampler *sampler, const NevaSampled *sampled, double *logprob);

/* Natural log of the probability of `id` by logits [n]; -inf for an id beyond.
 */
double neva_sampler_logprob (const float *logits, gsize n, gint32 id);

/* Natural logs of all probabilities [vocab] before the last choice,
 * temperature, penalty and truncation; logits: as next () left them. */
void neva_sampler_logprobs (
    const NevaSampler *sampler, const float *logits, float *logprobs);

/* The distribution that next () would draw from, for tests: ids and
 * probabilities, most probable first; returns how many (0: no choice). */
gsize neva_sampler_distribution (NevaSampler *sampler, float *logits, gsize n,
    gint32 *ids, double *probabilities, gsize max);

#endif /* NEVA_SAMPLER_H */
