/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One prompt asked about one clip. Guarded by the element's lock, like the clip
 * that owns it. */
#ifndef GST_NEVA_LLM_QUESTION_H
#define GST_NEVA_LLM_QUESTION_H

#include <neva/request.h>
#include "common/gstnevaregion.h"
#include "prompts.h"
#include "settings.h"

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_LLM_QUESTION_ASKED,
  GST_NEVA_LLM_QUESTION_ANSWERED,
  GST_NEVA_LLM_QUESTION_FAILED
} GstNevaLlmQuestionState;

/* An object of a frame. */
typedef struct {
  GstNevaRegion *region;
  NevaEmbedding *embedding;
  guint index;      /* among the clip's objects */
  GstClockTime pts; /* of its frame, or NONE */
  char *objects;    /* that were found in it, or NULL */
} GstNevaLlmObject;

typedef struct {
  GstNevaLlmPrompt *prompt; /* owned */
  GstNevaLlmQuestionState state;
  NevaRequest *request;     /* owned; once the model has it */
  char *text;               /* as asked */
  GstNevaLlmObject *object; /* that it is about, owned, or NULL: the clip */
  guint memory;             /* earlier captions in it */
  char *partial;            /* news that were not delivered yet, or NULL */
  gboolean scored;          /* scores are wanted */
  NevaAnswer answer;        /* when ANSWERED; answer.text is owned */
  GstStructure *scores;     /* when ANSWERED, or NULL; see scores.h */
  GError *error;            /* when FAILED */
} GstNevaLlmQuestion;

/* What these settings ask about a clip, in order, at least one. (transfer full)
 * (element-type GstNevaLlmQuestion) */
GPtrArray *gst_neva_llm_questions_new (const GstNevaLlmSettings *settings);

G_END_DECLS

#endif /* GST_NEVA_LLM_QUESTION_H */
