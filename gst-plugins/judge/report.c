/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judgements and the summary as structures and as JSON. See judge.h. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "common/gstnevajudgementmeta.h"
#include "judge.h"

static const char *
or_empty (const char *s)
{
  return s ? s : "";
}

static const char *
model_of (const GstNevaJudgeText *text)
{
  return text->caption
             ? or_empty (gst_structure_get_string (text->caption, "model"))
             : "";
}

/* What follows the line with the scores. */
static const char *
reason_of (const GstNevaJudgeClip *clip)
{
  const char *newline = clip->reply ? strchr (clip->reply, '\n') : NULL;

  if (!clip->reply || clip->best < 0)
    return or_empty (clip->reply);
  while (newline && g_ascii_isspace (*newline))
    newline++;
  return or_empty (newline);
}

static void
append (GValue *array, GType type, const GValue *item)
{
  (void) type;
  gst_value_array_append_value (array, item);
}

/* Adds an array that `fill` makes one item of. */
#define SET_ARRAY(structure, field, n, type, setter, expression)               \
  G_STMT_START                                                                 \
  {                                                                            \
    GValue array_ = G_VALUE_INIT, item_ = G_VALUE_INIT;                        \
    g_value_init (&array_, GST_TYPE_ARRAY);                                    \
    g_value_init (&item_, type);                                               \
    for (guint i = 0; i < (n); i++) {                                          \
      setter (&item_, expression);                                             \
      append (&array_, type, &item_);                                          \
    }                                                                          \
    g_value_unset (&item_);                                                    \
    gst_structure_take_value (structure, field, &array_);                      \
  }                                                                            \
  G_STMT_END

GstStructure *
gst_neva_judge_judgement (const GstNevaJudgeClip *clip, const char *judge)
{
  const guint n = clip->texts->len;
  GstNevaJudgeText **texts = (GstNevaJudgeText **) clip->texts->pdata;
  GstStructure *s = gst_structure_new (GST_NEVA_JUDGEMENT_MESSAGE_NAME, "clip",
      G_TYPE_UINT64, clip->judged, "start", G_TYPE_UINT64, clip->start, "end",
      G_TYPE_UINT64, clip->end, "best", G_TYPE_INT, clip->best, "score",
      G_TYPE_DOUBLE, clip->best < 0 ? -1.0 : clip->scores[clip->best], "reason",
      G_TYPE_STRING, reason_of (clip), "reply", G_TYPE_STRING,
      or_empty (clip->reply), "error", G_TYPE_STRING, or_empty (clip->error),
      "complete", G_TYPE_BOOLEAN, clip->complete, "judge", G_TYPE_STRING, judge,
      "judge-time", G_TYPE_UINT64, clip->judge_time, NULL);

  SET_ARRAY (s, "pads", n, G_TYPE_STRING, g_value_set_string, texts[i]->pad);
  SET_ARRAY (
      s, "candidates", n, G_TYPE_STRING, g_value_set_string, texts[i]->text);
  SET_ARRAY (
      s, "models", n, G_TYPE_STRING, g_value_set_string, model_of (texts[i]));
  SET_ARRAY (
      s, "scores", n, G_TYPE_DOUBLE, g_value_set_double, clip->scores[i]);
  SET_ARRAY (
      s, "starts", n, G_TYPE_UINT64, g_value_set_uint64, texts[i]->start);
  SET_ARRAY (s, "ends", n, G_TYPE_UINT64, g_value_set_uint64, texts[i]->end);
  return s;
}

/* ---- JSON ---- */

static void
add_string (GString *json, const char *name, const char *value)
{
  g_autofree char *quoted = neva_judge_quote (value);

  g_string_append_printf (json, ", \"%s\": %s", name, quoted);
}

/* JSON has no infinity, and a judge may say so. */
static void
add_number (GString *json, const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append_printf (json, ", \"%s\": %s", name,
        g_ascii_formatd (text, sizeof text, "%.6g", value));
  else
    g_string_append_printf (json, ", \"%s\": null", name);
}

static void
add_window (GString *json, GstClockTime start, GstClockTime end)
{
  add_number (json, "start", (double) start / GST_SECOND);
  add_number (json, "end", (double) end / GST_SECOND);
}

char *
gst_neva_judge_clip_json (const GstNevaJudgeClip *clip, const char *judge)
{
  GString *json = g_string_new ("{\"type\": \"judgement\"");

  g_string_append_printf (json, ", \"clip\": %" G_GUINT64_FORMAT, clip->judged);
  add_window (json, clip->start, clip->end);
  g_string_append (json, ", \"scores\": [");
  for (guint i = 0; i < clip->texts->len; i++) {
    GString *number = g_string_new (NULL);

    add_number (number, "", clip->scores[i]);
    g_string_append_printf (
        json, "%s%s", i ? ", " : "", number->str + strlen (", \"\": "));
    g_string_free (number, TRUE);
  }
  g_string_append_printf (json, "], \"best\": %d", clip->best);
  add_string (json, "reason", reason_of (clip));
  if (clip->error)
    add_string (json, "error", clip->error);
  g_string_append_printf (
      json, ", \"complete\": %s", clip->complete ? "true" : "false");
  g_string_append (json, ", \"candidates\": [");
  for (guint i = 0; i < clip->texts->len; i++) {
    const GstNevaJudgeText *text = clip->texts->pdata[i];
    g_autofree char *pad = neva_judge_quote (text->pad);

    g_string_append_printf (json, "%s{\"pad\": %s", i ? ", " : "", pad);
    add_string (json, "model", model_of (text));
    add_string (json, "text", text->text);
    add_number (json, "score", clip->scores[i]);
    add_window (json, text->start, text->end);
    g_string_append_c (json, '}');
  }
  g_string_append_c (json, ']');
  if (clip->reference)
    add_string (json, "reference", clip->reference->text);
  add_string (json, "judge", judge);
  add_number (json, "judge_time", (double) clip->judge_time / GST_SECOND);
  g_string_append (json, "}\n");
  return g_string_free (json, FALSE);
}

/* ---- The summary ---- */

/* (transfer container) */
static GPtrArray *
candidates (GstNevaJudge *self)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < self->inputs->len; i++) {
    GstNevaJudgeInput *in = self->inputs->pdata[i];

    if (in->role == GST_NEVA_JUDGE_CANDIDATE)
      g_ptr_array_add (list, in);
  }
  return list;
}

GstStructure *
gst_neva_judge_summary (GstNevaJudge *self, const char *judge)
{
  g_autoptr (GPtrArray) list = candidates (self);
  GstNevaJudgeInput **in = (GstNevaJudgeInput **) list->pdata;
  const GstNevaJudgeCounts *c = &self->counts;
  GstStructure *s = gst_structure_new ("neva-judge-summary", "judge",
      G_TYPE_STRING, judge, "judged", G_TYPE_UINT64, c->judged, "failed",
      G_TYPE_UINT64, c->failed, "unscored", G_TYPE_UINT64, c->unscored,
      "dropped", G_TYPE_UINT64, c->dropped, "late", G_TYPE_UINT64, c->late,
      "incomplete", G_TYPE_UINT64, c->incomplete, NULL);

  SET_ARRAY (s, "pads", list->len, G_TYPE_STRING, g_value_set_string,
      GST_OBJECT_NAME (in[i]->pad));
  SET_ARRAY (s, "models", list->len, G_TYPE_STRING, g_value_set_string,
      or_empty (in[i]->model));
  SET_ARRAY (s, "counts", list->len, G_TYPE_UINT64, g_value_set_uint64,
      in[i]->n_judged);
  SET_ARRAY (s, "means", list->len, G_TYPE_DOUBLE, g_value_set_double,
      neva_judge_summary_mean (in[i]->scores, 0));
  SET_ARRAY (
      s, "bests", list->len, G_TYPE_UINT64, g_value_set_uint64, in[i]->n_best);
  return s;
}

char *
gst_neva_judge_summary_json (GstNevaJudge *self, const char *judge)
{
  g_autoptr (GPtrArray) list = candidates (self);
  const GstNevaJudgeCounts *c = &self->counts;
  GString *json = g_string_new ("{\"type\": \"summary\"");

  g_string_append_printf (json,
      ", \"judged\": %" G_GUINT64_FORMAT ", \"failed\": %" G_GUINT64_FORMAT
      ", \"unscored\": %" G_GUINT64_FORMAT ", \"dropped\": %" G_GUINT64_FORMAT
      ", \"late\": %" G_GUINT64_FORMAT ", \"incomplete\": %" G_GUINT64_FORMAT
      ", \"candidates\": [",
      c->judged, c->failed, c->unscored, c->dropped, c->late, c->incomplete);
  for (guint i = 0; i < list->len; i++) {
    const GstNevaJudgeInput *in = list->pdata[i];
    g_autofree char *pad = neva_judge_quote (GST_OBJECT_NAME (in->pad));

    g_string_append_printf (json, "%s{\"pad\": %s", i ? ", " : "", pad);
    add_string (json, "model", or_empty (in->model));
    add_number (json, "mean", neva_judge_summary_mean (in->scores, 0));
    g_string_append_printf (json,
        ", \"judged\": %" G_GUINT64_FORMAT ", \"best\": %" G_GUINT64_FORMAT "}",
        in->n_judged, in->n_best);
  }
  g_string_append_c (json, ']');
  add_string (json, "judge", judge);
  g_string_append (json, "}\n");
  return g_string_free (json, FALSE);
}
