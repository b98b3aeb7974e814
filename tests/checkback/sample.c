/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice of tokens: the same id, sum and logits as the CPU's, for rows of
 * settings of their own. Class: exact. */
#include "config.h"
#include <math.h>
#include "device.h"
#include "sample.h"

enum { ROWS = 4, PAD = 5 };

#define COUNT(array) (sizeof array / sizeof array[0])

typedef struct {
  size_t vocab, words, ld;
  float *logits;     /* [ROWS][ld] */
  uint64_t *allowed; /* [ROWS][words] */
  uint64_t *seen;
  NevaSampleRow row[ROWS];
} Case;

static uint64_t
rand64 (void)
{
  return (uint64_t) check_rand () << 32 | check_rand ();
}

/* Logits of many kinds: spread, coarse (ties), nearly all equal, mostly -inf.
 */
static void
fill_logits (float *logits, size_t vocab)
{
  const unsigned kind = check_rand () % 5;
  const float scale = (float) (0.1 + check_uniform () * 6);

  for (size_t i = 0; i < vocab; i++) {
    const float x = (float) check_randn () * scale;

    logits[i] = kind == 1   ? roundf (x * 4) / 4
                : kind == 2 ? (check_rand () % 3 ? 1.0f : -0.0f)
                : kind == 3 ? 7.0f
                            : x;
    if (kind == 4 && check_rand () % 50)
      logits[i] = -INFINITY;
  }
  if (kind == 4)
    logits[check_rand () % vocab] = 0.5f;
}

/* What models do not make, but files that are damaged do. */
static void
break_logits (float *logits, size_t vocab)
{
  const size_t at = check_rand () % vocab;

  switch (check_rand () % 12) {
    case 0:
      logits[at] = NAN;
      break;
    case 1:
      logits[at] = INFINITY;
      break;
    case 2:
      for (size_t i = 0; i < vocab; i++)
        logits[i] = -INFINITY;
      break;
    case 3:
      logits[at] = 3e38f;
      break;
    case 4:
      logits[at] = -3e38f;
      break;
    default:
      break;
  }
}

static NevaSampleRow
random_row (size_t vocab)
{
  static const float ps[] = {-1, -1, 0, 1e-6f, 0.3f, 0.9f, 0.95f, 0.99999f};
  static const float temperatures[] = {0.05f, 0.2f, 0.7f, 1, 1, 3, 1e-38f};
  static const NevaPenalize penalties[] = {NEVA_PENALIZE_NONE,
      NEVA_PENALIZE_NONE, NEVA_PENALIZE_SIGNED, NEVA_PENALIZE_DIVIDE};
  const unsigned last = check_rand () % 8 == 0;
  NevaSampleRow r = {.vocab = (uint32_t) vocab, .forbidden = -1};

  r.greedy = check_rand () % 4 == 0;
  r.penalize = penalties[check_rand () % COUNT (penalties)];
  r.temperature = temperatures[check_rand () % COUNT (temperatures)];
  r.penalty = check_rand () % 2 ? 1.2f : 0.8f;
  r.top_p = ps[check_rand () % COUNT (ps)];
  r.random = last ? ~(uint64_t) 0 : check_rand () % 8 == 0 ? 0 : rand64 ();
  if (check_rand () % 2)
    r.top_k = 1 + check_rand () % (check_rand () % 2 ? vocab : 1 + vocab / 20);
  if (check_rand () % 4 == 0)
    r.forbidden = (int32_t) (check_rand () % vocab);
  return r;
}

static void
fill_bits (uint64_t *bits, size_t words)
{
  const unsigned sparse = check_rand () % 2;

  for (size_t i = 0; i < words; i++)
    bits[i] = sparse ? rand64 () & rand64 () & rand64 () : rand64 ();
}

static void
make_case (Case *c, size_t vocab)
{
  *c = (Case){vocab, (vocab + 63) / 64, vocab + PAD};
  c->logits = check_buf (ROWS * c->ld);
  c->allowed = check_alloc (ROWS * c->words * 8);
  c->seen = check_alloc (ROWS * c->words * 8);
  fill_bits (c->allowed, ROWS * c->words);
  fill_bits (c->seen, ROWS * c->words);
  for (size_t r = 0; r < ROWS; r++) {
    NevaSampleRow *row = &c->row[r];

    fill_logits (c->logits + r * c->ld, vocab);
    break_logits (c->logits + r * c->ld, vocab);
    *row = random_row (vocab - (vocab > 8 ? check_rand () % 3 : 0));
    if (check_rand () % 3 == 0)
      row->allowed = c->allowed + r * c->words;
    row->seen = c->seen + r * c->words;
  }
}

static void
run_device (const Case *c, NevaSampled *got)
{
  const size_t bits = c->words * 8, head = ROWS * sizeof (NevaCudaSampleRow);
  char *list = check_alloc (head + 2 * ROWS * bits);
  NevaSampled *out;

  for (size_t r = 0; r < ROWS; r++) {
    const size_t at = head + 2 * r * bits;
    NevaCudaSampleRow row;

    memset (&row, 0, sizeof row);
    row.row = c->row[r];
    row.allowed_at = row.row.allowed ? at : 0;
    row.seen_at = at + bits;
    row.row.allowed = row.row.seen = NULL;
    memcpy (list + r * sizeof row, &row, sizeof row);
    memcpy (list + at, c->allowed + r * c->words, bits);
    memcpy (list + at + bits, c->seen + r * c->words, bits);
  }
  out = to_device (NULL, ROWS * sizeof *out);
  device_status ("launch",
      cuda->sample (out, to_device (c->logits, ROWS * c->ld * sizeof (float)),
          c->ld, to_device (list, head + 2 * ROWS * bits), ROWS,
          to_device (NULL, 2 * ROWS * c->ld * 4), c->ld, stream));
  from_device (got, out, ROWS * sizeof *out);
  device_end ();
  check_free (list);
}

static void
judge (size_t vocab)
{
  NevaSampleWork work = {check_buf (vocab), check_buf (vocab),
      check_alloc (vocab * sizeof (int32_t))};
  NevaSampled want[ROWS], got[ROWS];
  Case c;

  make_case (&c, vocab);
  if (check_rand () % 4 == 0)
    c.row[ROWS / 2].vocab = 0; /* a row that is not drawn from */
  memset (want, 0xff, sizeof want);
  for (size_t r = 0; r < ROWS; r++)
    if (c.row[r].vocab)
      neva_sample_c (c.logits + r * c.ld, &c.row[r], &work, &want[r]);
  run_device (&c, got);
  check_same ("choices", got, want, sizeof want);
  check_fence (work.values, "values");
  check_free (work.values), check_free (work.weights), check_free (work.ids);
  check_free (c.logits), check_free (c.allowed), check_free (c.seen);
}

void
check_sample (const CheckCtx *ctx)
{
  static const size_t vocabs[] = {1, 2, 7, 63, 64, 65, 1023, 1024, 1025, 5000};

  if (!check_func (ctx, (void *) cuda->sample, NULL, "sample"))
    return;
  for (size_t round = 0; round < 4; round++)
    for (size_t i = 0; i < COUNT (vocabs); i++)
      judge (vocabs[i]);
  judge (32000);
  judge (150000);
}
