/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "scores.h"

static void
append (GValue *array, GValue *item)
{
  gst_value_array_append_and_take_value (array, item);
}

static void
add_tokens (GstStructure *scores, const NevaAnswer *answer)
{
  GValue ids = G_VALUE_INIT, logprobs = G_VALUE_INIT;

  g_value_init (&ids, GST_TYPE_ARRAY);
  g_value_init (&logprobs, GST_TYPE_ARRAY);
  for (guint i = 0; i < answer->generated_tokens; i++) {
    GValue id = G_VALUE_INIT, logprob = G_VALUE_INIT;

    g_value_init (&id, G_TYPE_INT);
    g_value_set_int (&id, answer->tokens[i].id);
    append (&ids, &id);
    g_value_init (&logprob, G_TYPE_DOUBLE);
    g_value_set_double (&logprob, answer->tokens[i].logprob);
    append (&logprobs, &logprob);
  }
  gst_structure_take_value (scores, "token-ids", &ids);
  gst_structure_take_value (scores, "logprobs", &logprobs);
}

GstStructure *
gst_neva_llm_scores_new (const NevaAnswer *answer)
{
  GstStructure *scores = gst_structure_new_empty ("scores");

  if (answer->tokens)
    add_tokens (scores, answer);
  if (answer->full_logprob) {
    GBytes *all = g_bytes_new (answer->full_logprob,
        answer->generated_tokens * answer->n_logprobs * sizeof (float));

    gst_structure_set (scores, "vocabulary", G_TYPE_UINT,
        (guint) answer->n_logprobs, "full-logprobs", G_TYPE_BYTES, all, NULL);
    g_bytes_unref (all);
  }
  return scores;
}

static gboolean
copy_field (GQuark field, const GValue *value, gpointer caption)
{
  gst_structure_id_set_value (caption, field, value);
  return TRUE;
}

void
gst_neva_llm_scores_add (GstStructure *caption, const GstStructure *scores)
{
  if (scores)
    gst_structure_foreach (scores, copy_field, caption);
}
