/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scoring captions with a judge model: the prompt, the reply's scores, the
 * result rows and the summary, as NeMo's mixtral_eval.py has them
 * (spec 7.4-7.8). Pure text work; who answers the prompt is the caller's
 * business. Thread-safe. */
#ifndef NEVA_JUDGE_H
#define NEVA_JUDGE_H

#include <neva/model.h>

G_BEGIN_DECLS

/* The system message that goes with every judge prompt. */
#define NEVA_JUDGE_SYSTEM                                                      \
  "You are a helpful and precise assistant for checking the quality of the "   \
  "answer."

/* Candidates in one comparison; the original always has 2. */
#define NEVA_JUDGE_MAX_CANDIDATES 16

/* answers [n_answers], 1..NEVA_JUDGE_MAX_CANDIDATES; role and rule from the
 * rule file. Returns: (transfer full): the user message. */
char *neva_judge_prompt (const char *context, const char *question,
    const char *const *answers, gsize n_answers, const char *role,
    const char *rule);

/* ---- What to ask it ----------------------------------------------------- */

/* A rule file: {"category": {"role": "…", "prompt": "…"}, …}. Immutable. */
typedef struct _NevaJudgeRules NevaJudgeRules;

/* Returns: (transfer full) */
NevaJudgeRules *neva_judge_rules_load (const char *path, GError **error);
void neva_judge_rules_free (NevaJudgeRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaJudgeRules, neva_judge_rules_free)
/* FALSE when the file has no such category. *role, *prompt: (transfer none). */
gboolean neva_judge_rules_find (const NevaJudgeRules *rules,
    const char *category, const char **role, const char **prompt);

/* A rule of our own, for `n` captions of one part of a video, with or without a
 * context; goes with the role NEVA_JUDGE_CAPTION_ROLE. (transfer full) */
#define NEVA_JUDGE_CAPTION_ROLE "Caption"
char *neva_judge_caption_rule (gsize n);

/* ---- What it says ------------------------------------------------------- */

/* A score, and whether the original would have held it as an integer: failed
 * pairs are the integers -1, which JSON writes without a point. */
typedef struct {
  double value;
  gboolean is_integer;
} NevaScore;

/* The first line's `n` numbers, separated by white space or commas; anything
 * else gives n times -1 and FALSE. Numbers are what Python's float () accepts.
 */
gboolean neva_judge_parse_scores (
    const char *reply, NevaScore *scores, gsize n);

/* ---- Who judges --------------------------------------------------------- */

typedef struct _NevaJudge NevaJudge;

/* Zero-initialise; strings are copied. */
typedef struct {
  const char *judge; /* a model folder or .nemo; openai:<base-url>#<model>; an
                        http(s) URL, posted to as NVIDIA's hosted function */
  const char *key_file;   /* for endpoints; NULL: API_TOKEN, OPENAI_API_KEY */
  guint max_tokens;       /* of a reply; 0: 1024 */
  guint timeout_s;        /* of a request to an endpoint; 0: 120 */
  guint retries;          /* after the first try */
  NevaModelOptions model; /* of a local judge */
} NevaJudgeOptions;

/* Loads a local judge (blocking); an endpoint is not contacted yet.
 * Returns: (transfer full) */
NevaJudge *neva_judge_open (
    const NevaJudgeOptions *options, GCancellable *cancellable, GError **error);
/* NevaModelInfo's, of a local judge; NULL: nothing. (transfer none) */
const char *neva_judge_notice (const NevaJudge *judge);
void neva_judge_close (NevaJudge *judge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaJudge, neva_judge_close)

/* The reply to a prompt of neva_judge_prompt (), with the system message and
 * the sampling of the original (temperature 0.2, top-p 0.7, seed 42). Blocks;
 * may be called by several threads at once, which is how requests run in
 * parallel. Returns: (transfer full) */
char *neva_judge_ask (NevaJudge *judge, const char *prompt,
    GCancellable *cancellable, GError **error);

/* A text as json.dumps writes it, with quotes, ASCII only. (transfer full) */
char *neva_judge_quote (const char *text);

/* ---- Result rows --------------------------------------------------------- */

typedef struct {
  guint id;                      /* 1-based */
  const char *question_id;       /* JSON text: a number as it was written, or a
                                    quoted string */
  const char *const *answer_ids; /* [n] JSON text, as question_id */
  const char *category;
  const char *content;     /* the whole reply */
  const NevaScore *scores; /* [n] */
  gsize n;
} NevaJudgeRow;

/* One line of JSON without the newline, as json.dumps writes it.
 * Returns: (transfer full) */
char *neva_judge_row_to_json (const NevaJudgeRow *row);

/* ---- Summary ------------------------------------------------------------- */

typedef struct _NevaJudgeSummary NevaJudgeSummary;

/* n: candidates in every row. Not thread-safe. */
NevaJudgeSummary *neva_judge_summary_new (gsize n);
void neva_judge_summary_free (NevaJudgeSummary *summary);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaJudgeSummary, neva_judge_summary_free)
/* Counts for `category` (if not NULL) and for "all". */
void neva_judge_summary_add (
    NevaJudgeSummary *summary, const char *category, const double *scores);
/* One line per category in byte order, "category a b …", then a line of 33 '='.
 * Returns: (transfer full) */
char *neva_judge_summary_to_text (const NevaJudgeSummary *summary);
/* Mean of one candidate over "all", before any rounding; NaN without rows. */
double neva_judge_summary_mean (
    const NevaJudgeSummary *summary, gsize candidate);

G_END_DECLS

#endif /* NEVA_JUDGE_H */
