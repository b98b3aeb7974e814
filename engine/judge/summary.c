/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Means per category. The original rounds twice, to 3 decimals and then ten
 * times that to 1 decimal, and counts failed pairs (-1) like any other. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/judge.h>
#include "text/py_text.h"

typedef struct {
  gsize rows;
  double sum[NEVA_JUDGE_MAX_CANDIDATES]; /* in the order of the rows */
} Sums;

struct _NevaJudgeSummary {
  gsize n;
  GTree *categories; /* char * -> Sums, in byte order */
};

static gint
compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
  return strcmp (a, b);
}

NevaJudgeSummary *
neva_judge_summary_new (gsize n)
{
  NevaJudgeSummary *summary;

  g_return_val_if_fail (n && n <= NEVA_JUDGE_MAX_CANDIDATES, NULL);
  summary = g_new (NevaJudgeSummary, 1);
  summary->n = n;
  summary->categories = g_tree_new_full (compare, NULL, g_free, g_free);
  return summary;
}

void
neva_judge_summary_free (NevaJudgeSummary *summary)
{
  if (!summary)
    return;
  g_tree_unref (summary->categories);
  g_free (summary);
}

static void
add (NevaJudgeSummary *summary, const char *category, const double *scores)
{
  Sums *sums = g_tree_lookup (summary->categories, category);

  if (!sums) {
    sums = g_new0 (Sums, 1);
    g_tree_insert (summary->categories, g_strdup (category), sums);
  }
  sums->rows++;
  for (gsize i = 0; i < summary->n; i++)
    sums->sum[i] += scores[i];
}

void
neva_judge_summary_add (
    NevaJudgeSummary *summary, const char *category, const double *scores)
{
  if (category)
    add (summary, category, scores);
  add (summary, "all", scores);
}

typedef struct {
  const NevaJudgeSummary *summary;
  GString *text;
} Print;

static gboolean
print_category (gpointer category, gpointer value, gpointer user_data)
{
  const Sums *sums = value;
  const Print *p = user_data;

  g_string_append (p->text, category);
  for (gsize i = 0; i < p->summary->n; i++) {
    const double mean = neva_py_round (sums->sum[i] / (double) sums->rows, 3);

    g_string_append_c (p->text, ' ');
    neva_py_append_float (p->text, neva_py_round (mean * 10, 1));
  }
  g_string_append_c (p->text, '\n');
  return FALSE;
}

char *
neva_judge_summary_to_text (const NevaJudgeSummary *summary)
{
  Print p = {summary, g_string_new (NULL)};

  g_tree_foreach (summary->categories, print_category, &p);
  for (guint i = 0; i < 33; i++)
    g_string_append_c (p.text, '=');
  g_string_append_c (p.text, '\n');
  return g_string_free (p.text, FALSE);
}

double
neva_judge_summary_mean (const NevaJudgeSummary *summary, gsize candidate)
{
  const Sums *sums = g_tree_lookup (summary->categories, "all");

  return sums ? sums->sum[candidate] / (double) sums->rows : NAN;
}
