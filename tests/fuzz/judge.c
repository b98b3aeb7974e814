/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a judge says, and rule files. */
#include "config.h"
#include <neva/judge.h>
#include "fuzz.h"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED ("8 7\nBoth are good."),
    FUZZ_SEED ("8.5,  9\r\n"),
    FUZZ_SEED ("nan -inf 1e400 1_0"),
    FUZZ_SEED ("8\xc2\xa0\xe2\x80\x83"
               "7"),
    FUZZ_SEED ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"),
    FUZZ_SEED ("{\"a\": {\"role\": \"Assistant\", \"prompt\": \"Rate.\"}, "
               "\"b\": []}"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static void
read_rules (const guint8 *data, gsize size)
{
  const char *path = fuzz_write_file ("rule.json", data, size);
  g_autoptr (NevaJudgeRules) rules = neva_judge_rules_load (path, NULL);
  const char *role, *prompt;

  if (rules && neva_judge_rules_find (rules, "a", &role, &prompt))
    fuzz_sink += (guint) (guint8) *role + (guint8) *prompt;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *reply = g_strndup (size ? (const char *) data : "", size);
  NevaScore scores[NEVA_JUDGE_MAX_CANDIDATES];

  for (gsize n = 1; n <= NEVA_JUDGE_MAX_CANDIDATES; n += 3)
    neva_judge_parse_scores (reply, scores, n);
  read_rules (data, size);
  return 0;
}
