/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conversation of several turns as one text (spec 3.3): what a model is
 * trained on, and, where the last answer is empty, what it is asked with. */
#ifndef NEVA_CONVERSATION_H
#define NEVA_CONVERSATION_H

#include <glib.h>

typedef struct {
  const char *from;  /* "human" or "gpt"; read by v1, llama_2, llama_3, mistral
                        alone, the others go by position */
  const char *value; /* never NULL */
  const char *label; /* of an answer, without <extra_id_2>; nvgpt has a line of
                        its own for NULL, nv_dpo none, the others never any */
} NevaTurn;

typedef struct {
  const char *conv_template; /* one of NeMo's */
  const char *system;        /* of the record, in nvgpt's family in place of the
                                template's, newlines and all; NULL: none */
  const NevaTurn *turns;     /* [n_turns], the first a question */
  gsize n_turns;
} NevaConversation;

/* NEVA_ERROR_BAD_INPUT: no such template, turns in the wrong order, an empty
 * question, an empty answer that is not the last. (transfer full) */
char *neva_conversation_text (
    const NevaConversation *conversation, GError **error);

/* Where the template's names of the speakers ask for it: a first turn of "gpt"
 * is left out. Returns the index of the first turn that counts. */
gsize neva_conversation_first (const NevaConversation *conversation);

#endif /* NEVA_CONVERSATION_H */
