/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/judge.h>
#include "text/py_text.h"

char *
neva_judge_quote (const char *text)
{
  GString *json = g_string_new (NULL);

  neva_py_append_string (json, text);
  return g_string_free (json, FALSE);
}

char *
neva_judge_row_to_json (const NevaJudgeRow *row)
{
  GString *json = g_string_new (NULL);

  g_string_append_printf (
      json, "{\"id\": %u, \"question_id\": %s", row->id, row->question_id);
  for (gsize i = 0; i < row->n; i++)
    g_string_append_printf (json, ", \"answer%" G_GSIZE_FORMAT "_id\": %s",
        i + 1, row->answer_ids[i]);
  g_string_append (json, ", \"category\": ");
  neva_py_append_string (json, row->category);
  g_string_append (json, ", \"content\": ");
  neva_py_append_string (json, row->content);
  g_string_append (json, ", \"tuple\": [");
  for (gsize i = 0; i < row->n; i++) {
    if (i)
      g_string_append (json, ", ");
    if (row->scores[i].is_integer)
      g_string_append_printf (json, "%d", (int) row->scores[i].value);
    else
      neva_py_append_float (json, row->scores[i].value);
  }
  g_string_append (json, "]}");
  return g_string_free (json, FALSE);
}
