/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spec 4.4 step by step. Temperature, penalty and probabilities are computed in
 * f32 and the cumulative sum in f64 rounded to f32, as the original's tensors
 * are, so that a candidate exactly at the top-p boundary falls the same way.
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
  guint8 *seen;      /* [vocab] 1: the penalty applies */
  gint32 *seen_list; /* [n_seen] distinct ids with seen = 1 */
  gsize n_seen;
  gint32 *candidates; /* [vocab] survivors of a step */
  float *scratch;     /* [vocab] */
  float *raw;         /* [vocab] logits as they came, for the log-probability */
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

/* Uniform in [0, 1), 53 bits. */
static double
rng_uniform (guint64 s[4])
{
  const guint64 result = rotl (s[1] * 5, 7) * 9, t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl (s[3], 45);
  return (double) (result >> 11) * 0x1p-53;
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
  self->seen = g_new0 (guint8, vocab);
  self->seen_list = g_new (gint32, vocab);
  self->candidates = g_new (gint32, vocab);
  self->scratch = g_new (float, vocab);
  self->raw = g_new (float, vocab);
  return self;
}

void
neva_sampler_free (NevaSampler *self)
{
  if (!self)
    return;

  g_free (self->seen);
  g_free (self->seen_list);
  g_free (self->candidates);
  g_free (self->scratch);
  g_free (self->raw);
  g_free (self);
}

static void
see (NevaSampler *self, gint32 id)
{
  if (id < 0 || (gsize) id >= self->vocab || self->seen[id])
    return;

  self->seen[id] = 1;
  self->seen_list[self->n_seen++] = id;
}

void
neva_sampler_accept_prompt (NevaSampler *self, const gint32 *ids, gsize n_ids)
{
  const gsize first = self->options.penalty_mode == NEVA_PENALTY_NEMO ? 1 : 0;

  g_return_if_fail (self != NULL);

  for (gsize i = first; i < n_ids; i++)
    see (self, ids[i]);
}

/* FALSE when the logits hold NaN or +inf, or nothing finite is left. */
static gboolean
mask (const NevaSampler *self, float *logits)
{
  gsize finite = 0;

  for (gsize i = 0; i < self->vocab; i++) {
    if (isnan (logits[i]) || logits[i] == INFINITY)
      return FALSE;
    finite += isfinite (logits[i]) ? 1 : 0;
  }
  if (self->eos >= 0 && self->generated < self->options.min_tokens) {
    finite -= isfinite (logits[self->eos]) ? 1 : 0;
    logits[self->eos] = -INFINITY;
  }
  return finite > 0;
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

static gboolean
penalty_applies (const NevaSampler *self)
{
  const NevaSampling *o = &self->options;

  if (o->repetition_penalty == 1.0)
    return FALSE;
  return o->penalty_mode == NEVA_PENALTY_DOCUMENTED ||
         (o->compute_logprob && self->generated > 0);
}

static void
scale (const NevaSampler *self, float *logits)
{
  const float temperature = (float) self->options.temperature;
  const float penalty = (float) self->options.repetition_penalty;
  const gboolean nemo = self->options.penalty_mode == NEVA_PENALTY_NEMO;

  for (gsize i = 0; i < self->vocab; i++)
    logits[i] /= temperature;
  if (!penalty_applies (self))
    return;

  for (gsize i = 0; i < self->n_seen; i++) {
    float *logit = &logits[self->seen_list[i]];

    *logit = nemo || *logit > 0 ? *logit / penalty : *logit * penalty;
  }
}

/* Partially orders v [n] by Hoare's selection and returns the value that
 * would be at `k` (0-based) in descending order. */
static float
select_kth (float *v, gsize n, gsize k)
{
  gsize lo = 0, hi = n - 1;

  while (lo < hi) {
    const float pivot = v[lo + (hi - lo) / 2];
    gsize i = lo, j = hi;

    for (;;) {
      while (v[i] > pivot)
        i++;
      while (v[j] < pivot)
        j--;
      if (i >= j)
        break;
      const float t = v[i];
      v[i++] = v[j];
      v[j--] = t;
    }
    if (k <= j)
      hi = j;
    else
      lo = j + 1;
  }
  return v[k];
}

/* A tiny temperature or penalty overflows f32; what overflowed then has all the
 * probability, instead of making it NaN. */
static void
tame (float *logits, gsize n)
{
  if (logits[argmax (logits, n)] != INFINITY)
    return;

  for (gsize i = 0; i < n; i++)
    logits[i] = logits[i] == INFINITY ? 0.0f : -INFINITY;
}

static void
top_k (NevaSampler *self, float *logits)
{
  float limit;

  if (self->options.top_k <= 0)
    return;

  memcpy (self->scratch, logits, self->vocab * sizeof *logits);
  limit =
      select_kth (self->scratch, self->vocab, (gsize) self->options.top_k - 1);
  for (gsize i = 0; i < self->vocab; i++)
    if (logits[i] < limit)
      logits[i] = -INFINITY;
}

/* TRUE when a comes before b: larger logit, then lower id. */
static gboolean
before (const float *logits, gint32 a, gint32 b)
{
  return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static void
sift_down (gint32 *heap, gsize n, gsize at, const float *logits)
{
  for (;;) {
    gsize child = 2 * at + 1;
    gint32 t;

    if (child >= n)
      return;
    if (child + 1 < n && before (logits, heap[child + 1], heap[child]))
      child++;
    if (!before (logits, heap[child], heap[at]))
      return;
    t = heap[at];
    heap[at] = heap[child];
    heap[child] = t;
    at = child;
  }
}

/* Moves candidates out of a heap, most probable first, as long as the mass of
 * those before does not exceed p. A step needs few of a large vocabulary, so
 * nothing is sorted that is not kept. Returns how many survive, in order. */
static gsize
top_p (NevaSampler *self, const float *logits, gsize n, double limit)
{
  gint32 *heap = self->candidates;
  float *prob = self->scratch;
  float max, total;
  double sum = 0.0, mass = 0.0;
  gsize left = n, kept = 0;

  for (gsize i = n / 2; i-- > 0;)
    sift_down (heap, n, i, logits);
  max = logits[heap[0]];
  for (gsize i = 0; i < n; i++)
    sum += (double) (prob[heap[i]] = expf (logits[heap[i]] - max));
  total = (float) sum;

  /* The popped ids gather behind the shrinking heap, last one first. */
  while (left > 0 && !(kept > 0 && (float) mass > (float) limit)) {
    const gint32 id = heap[0];

    heap[0] = heap[--left];
    heap[left] = id;
    sift_down (heap, left, 0, logits);
    mass += (double) (prob[id] / total);
    kept++;
  }
  for (gsize i = 0; i < kept / 2; i++) {
    const gint32 t = heap[left + i];

    heap[left + i] = heap[n - 1 - i];
    heap[n - 1 - i] = t;
  }
  memmove (heap, heap + left, kept * sizeof *heap);
  return kept;
}

/* Fills self->candidates and, at the same places of self->scratch, their
 * weights relative to the most probable one. Returns how many; 0: no choice. */
static gsize
survivors (NevaSampler *self, float *logits, double *total)
{
  const double p = self->options.top_p;
  gsize n = 0;
  float max = -INFINITY;

  scale (self, logits);
  tame (logits, self->vocab);
  top_k (self, logits);
  for (gsize i = 0; i < self->vocab; i++)
    if (isfinite (logits[i]))
      self->candidates[n++] = (gint32) i;
  if (n > 0 && p > 0.0 && p < 1.0)
    n = top_p (self, logits, n, p);

  for (gsize i = 0; i < n; i++)
    max = MAX (max, logits[self->candidates[i]]);
  *total = 0.0;
  for (gsize i = 0; i < n; i++)
    *total +=
        (double) (self->scratch[i] = expf (logits[self->candidates[i]] - max));
  return n;
}

static gint32
draw (NevaSampler *self, float *logits)
{
  double total, target, sum = 0.0;
  const gsize n = survivors (self, logits, &total);
  gint32 last = -1;

  if (n == 0)
    return -1;

  target = rng_uniform (self->rng) * total;
  for (gsize i = 0; i < n; i++) {
    if (self->scratch[i] > 0)
      last = self->candidates[i];
    sum += (double) self->scratch[i];
    if (sum > target)
      break;
  }
  return last;
}

gint32
neva_sampler_next (NevaSampler *self, float *logits, gsize n, double *logprob)
{
  double norm = 0.0;
  gint32 id;

  g_return_val_if_fail (self != NULL && logits != NULL, -1);
  g_return_val_if_fail (n >= self->vocab, -1);

  if (!mask (self, logits))
    return -1;
  if (logprob) {
    norm = log_sum_exp (logits, self->vocab);
    memcpy (self->raw, logits, self->vocab * sizeof *logits);
  }
  id =
      self->options.greedy ? argmax (logits, self->vocab) : draw (self, logits);
  if (id >= 0 && logprob)
    *logprob = self->raw[id] - norm;
  if (id >= 0) {
    see (self, id);
    self->generated++;
  }
  return id;
}

double
neva_sampler_logprob (const float *logits, gsize n, gint32 id)
{
  return id >= 0 && (gsize) id < n ? logits[id] - log_sum_exp (logits, n)
                                   : -INFINITY;
}

void
neva_sampler_logprobs (const NevaSampler *self, float *logprobs)
{
  const double norm = log_sum_exp (self->raw, self->vocab);

  for (gsize i = 0; i < self->vocab; i++)
    logprobs[i] = (float) (self->raw[i] - norm);
}

gsize
neva_sampler_distribution (NevaSampler *self, float *logits, gsize n,
    gint32 *ids, double *probabilities, gsize max)
{
  double total;
  gsize count;

  g_return_val_if_fail (self != NULL && n >= self->vocab, 0);

  if (!mask (self, logits) || max == 0)
    return 0;
  if (self->options.greedy) {
    ids[0] = argmax (logits, self->vocab);
    probabilities[0] = 1.0;
    return 1;
  }
  count = survivors (self, logits, &total);
  for (gsize i = count / 2; i-- > 0;)
    sift_down (self->candidates, count, i, logits);
  for (gsize i = 0; i < MIN (count, max); i++) {
    const gint32 top = self->candidates[0];

    ids[i] = top;
    probabilities[i] = (double) expf (logits[top] - logits[ids[0]]) / total;
    self->candidates[0] = self->candidates[count - 1 - i];
    sift_down (self->candidates, count - 1 - i, 0, logits);
  }
  return MIN (count, max);
}
