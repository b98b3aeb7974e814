/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/judge.h>

char *
neva_judge_prompt (const char *context, const char *question,
    const char *const *answers, gsize n_answers, const char *role,
    const char *rule)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (
      text, "[Context]\n%s\n\n[Question]\n%s\n\n", context, question);
  for (gsize i = 0; i < n_answers; i++)
    g_string_append_printf (text,
        "[%s %" G_GSIZE_FORMAT "]\n%s\n\n[End of %s %" G_GSIZE_FORMAT "]\n\n",
        role, i + 1, answers[i], role, i + 1);
  g_string_append_printf (text, "[System]\n%s\n\n", rule);
  return g_string_free (text, FALSE);
}
