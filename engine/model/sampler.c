/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spec 4.4: options, what was seen and the random numbers. The arithmetic is
 * kernels/sample.h, for the host and for GPUs alike.
 *
 * The draw is the library's own generator (xoshiro256**, seeded by SplitMix64;
 * D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators",
 * 2018), so the same seed gives the same text on every platform. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "sampler.h"

struct _NevaSampler {
  NevaSampling options;
  gsize vocab;
  gint32 eos;
  guint64 rng[4];
  gsize generated;
  guint64 *seen;       /* a bit for each id: the penalty applies */
  NevaSampleWork work; /* [vocab] */
  double norm; /* of the last choice: the logarithm of the sum of the logits'
                  exponentials */
};

static guint64
rotl (guint64 x, int k)
{
  return (x << k) | (x >> (64 - k));
}

static void
rng_seed (guint64 state[4], guint64 seed)
{
  for (int i = 0; i < 4; i++) {
    guint64 z = (seed += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
    state[i] = z ^ (z >> 31);
  }
}

/* Uniform in [0, 1), in 2^-64ths, of 53 bits. */
static guint64
rng_peek (const guint64 s[4])
{
  return rotl (s[1] * 5, 7) * 9 >> 11 << 11;
}

static void
rng_advance (guint64 s[4])
{
  const guint64 t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl (s[3], 45);
}

static gboolean
options_check (const NevaSampling *o, gsize vocab, GError **error)
{
  if (vocab == 0 || vocab > G_MAXINT32) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "vocabulary of %" G_GSIZE_FORMAT " tokens", vocab);
    return FALSE;
  }
  if (o->greedy)
    return TRUE;

  if (!(o->temperature > 0) || !isfinite ((float) o->temperature) ||
      !((float) o->temperature > 0)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "temperature %g: a positive number expected", o->temperature);
  } else if (!(o->repetition_penalty > 0) ||
             !isfinite ((float) o->repetition_penalty) ||
             !((float) o->repetition_penalty > 0)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "repetition penalty %g: a positive number expected",
        o->repetition_penalty);
  } else if (isnan (o->top_p)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "top-p is not a number");
  } else if (o->top_k > 0 && (gsize) o->top_k > vocab) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "top-k %d exceeds the vocabulary of %" G_GSIZE_FORMAT " tokens",
        o->top_k, vocab);
  } else {
    return TRUE;
  }
  return FALSE;
}

NevaSampler *
neva_sampler_new (
    const NevaSampling *sampling, gsize vocab, gint32 eos, GError **error)
{
  NevaSampler *self;

  g_return_val_if_fail (sampling != NULL, NULL);

  if (!options_check (sampling, vocab, error))
    return NULL;

  self = g_new0 (NevaSampler, 1);
  self->options = *sampling;
  self->vocab = vocab;
  self->eos = eos >= 0 && (gsize) eos < vocab ? eos : -1;
  rng_seed (self->rng, sampling->seed);
  self->seen = g_new0 (guint64, (vocab + 63) / 64);
  return self;
}

void
neva_sampler_free (NevaSampler *self)
{
  if (!self)
    return;

  g_free (self->seen);
  g_free (self->work.values);
  g_free (self->work.weights);
  g_free (self->work.ids);
  g_free (self);
}

static void
see (NevaSampler *self, gint32 id)
{
  if (id >= 0 && (gsize) id < self->vocab)
    self->seen[id / 64] |= (guint64) 1 << id % 64;
}

void
neva_sampler_accept_prompt (NevaSampler *self, const gint32 *ids, gsize n_ids)
{
  const gsize first = self->options.penalty_mode == NEVA_PENALTY_NEMO ? 1 : 0;

  g_return_if_fail (self != NULL);

  for (gsize i = first; i < n_ids; i++)
    see (self, ids[i]);
}

static gint32
argmax (const float *logits, gsize n)
{
  gsize best = 0;

  for (gsize i = 1; i < n; i++)
    if (logits[i] > logits[best])
      best = i;
  return (gint32) best;
}

static double
log_sum_exp (const float *logits, gsize n)
{
  const float max = logits[argmax (logits, n)];
  double sum = 0.0;

  for (gsize i = 0; i < n; i++)
    sum += (double) expf (logits[i] - max);
  return max + log (sum);
}

static NevaPenalize
penalize (const NevaSampler *self)
{
  const NevaSampling *o = &self->options;

  if (o->greedy || o->repetition_penalty == 1.0)
    return NEVA_PENALIZE_NONE;
  if (o->penalty_mode == NEVA_PENALTY_DOCUMENTED)
    return NEVA_PENALIZE_SIGNED;
  return o->compute_logprob && self->generated > 0 ? NEVA_PENALIZE_DIVIDE
                                                   : NEVA_PENALIZE_NONE;
}

void
neva_sampler_prepare (
    const NevaSampler *self, const guint64 *allowed, NevaSampleRow *row)
{
  const NevaSampling *o = &self->options;
  const gboolean early = self->generated < o->min_tokens;

  *row = (NevaSampleRow){.vocab = (uint32_t) self->vocab,
      .forbidden = early ? self->eos : -1,
      .greedy = o->greedy != FALSE,
      .top_p = -1,
      .temperature = 1,
      .penalty = 1,
      .allowed = allowed};
  if (o->greedy)
    return;
  row->temperature = (float) o->temperature;
  row->penalty = (float) o->repetition_penalty;
  row->penalize = penalize (self);
  row->seen = row->penalize != NEVA_PENALIZE_NONE ? self->seen : NULL;
  row->top_k = o->top_k > 0 ? (uint32_t) o->top_k : 0;
  if (o->top_p > 0.0 && o->top_p < 1.0)
    row->top_p = (float) o->top_p;
  row->random = rng_peek (self->rng);
}

static double
log_sum (const NevaSampler *self, const NevaSampled *sampled)
{
  const int bits = (int) neva_sample_bits ((uint32_t) self->vocab);

  return sampled->max + log (ldexp ((double) sampled->sum, -bits));
}

gint32
neva_sampler_commit (
    NevaSampler *self, const NevaSampled *sampled, double *logprob)
{
  if (sampled->id < 0)
    return -1;
  self->norm = log_sum (self, sampled);
  if (logprob)
    *logprob = sampled->logit - self->norm;
  if (!self->options.greedy)
    rng_advance (self->rng);
  see (self, sampled->id);
  self->generated++;
  return sampled->id;
}

static const NevaSampleWork *
get_work (NevaSampler *self)
{
  if (!self->work.values) {
    self->work.values = g_new (float, self->vocab);
    self->work.weights = g_new (float, self->vocab);
    self->work.ids = g_new (gint32, self->vocab);
  }
  return &self->work;
}

gint32
neva_sampler_next (NevaSampler *self, float *logits, gsize n, double *logprob)
{
  NevaSampleRow row;
  NevaSampled sampled;

  g_return_val_if_fail (self != NULL && logits != NULL, -1);
  g_return_val_if_fail (n >= self->vocab, -1);

  neva_sampler_prepare (self, NULL, &row);
  neva_sample_c (logits, &row, get_work (self), &sampled);
  if (row.forbidden >= 0)
    logits[row.forbidden] = -INFINITY;
  return neva_sampler_commit (self, &sampled, logprob);
}

double
neva_sampler_logprob (const float *logits, gsize n, gint32 id)
{
  return id >= 0 && (gsize) id < n ? logits[id] - log_sum_exp (logits, n)
                                   : -INFINITY;
}

void
neva_sampler_logprobs (
    const NevaSampler *self, const float *logits, float *logprobs)
{
  for (gsize i = 0; i < self->vocab; i++)
    logprobs[i] = (float) (logits[i] - self->norm);
}

static int
by_value (gconstpointer a, gconstpointer b, gpointer data)
{
  const gint32 x = *(const gint32 *) a, y = *(const gint32 *) b;
  const float *values = data;

  if (values[x] != values[y])
    return values[x] > values[y] ? -1 : 1;
  return x < y ? -1 : 1;
}

gsize
neva_sampler_distribution (NevaSampler *self, float *logits, gsize n,
    gint32 *ids, double *probabilities, gsize max)
{
  const NevaSampleWork *work;
  NevaSampleRow row;
  NevaSampled sampled;
  guint64 total;
  gsize count;
  double unit;

  g_return_val_if_fail (self != NULL && n >= self->vocab, 0);

  work = get_work (self);
  neva_sampler_prepare (self, NULL, &row);
  neva_sample_c (logits, &row, work, &sampled);
  if (sampled.id < 0 || max == 0)
    return 0;
  if (self->options.greedy) {
    ids[0] = sampled.id;
    probabilities[0] = 1.0;
    return 1;
  }
  count = neva_sample_survivors (logits, &row, work, &total);
  unit = ldexp (1.0, (int) neva_sample_bits (row.vocab)) / (double) total;
  memcpy (logits, work->values, self->vocab * sizeof *logits);
  g_qsort_with_data (
      work->ids, (gint) count, sizeof *work->ids, by_value, work->values);
  for (gsize i = 0; i < MIN (count, max); i++) {
    ids[i] = work->ids[i];
    probabilities[i] = neva_sample_exp (logits[ids[i]] - logits[ids[0]]) * unit;
  }
  return MIN (count, max);
}
