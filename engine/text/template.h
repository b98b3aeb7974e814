/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strings of every prompt template (spec 3.2, 3.3), in one table: prompt.c
 * asks one question with them, conversation.c writes whole conversations. */
#ifndef NEVA_TEMPLATE_H
#define NEVA_TEMPLATE_H

#include <glib.h>

/* NeMo's words for <s> and </s>. */
#define NEVA_BOS_STAND_IN "<extra_id_6>"
#define NEVA_EOS_STAND_IN "<extra_id_7>"
#define NEVA_LABELS "<extra_id_2>"

/* A prompt is
 *   start, [system_before system system_after], user_before question user_after
 *   answer_role label
 * and a conversation goes on with
 *   answer_lead answer answer_after, then user_again for user_before.
 */
typedef struct {
  const char *name;
  gboolean nemo;         /* one of NeMo's: a newline follows <image> */
  gboolean trim;         /* white space around the question goes */
  gboolean named;        /* of NeMo's: turns are "human" and "gpt" by name */
  gboolean whole_system; /* a record's system replaces system_after, too */
  gboolean even_empty;   /* the system block is there even when it is empty */
  const char *start;
  const char *system; /* of the template; NULL: no place for one */
  const char *system_before, *system_after;
  const char *user_before, *user_after, *answer_role;
  const char *label; /* line in front of an answer; NULL: none */
  /* of conversations; NULL: there are none with this template */
  const char *answer_lead, *answer_after, *user_again;
  const char *stops[3]; /* end an answer */
} NevaTemplate;

/* NULL with NEVA_ERROR_BAD_INPUT: there is none of this name. (transfer none)
 */
const NevaTemplate *neva_template_find (const char *name, GError **error);
/* By index; NULL behind the last. (transfer none) */
const NevaTemplate *neva_template_nth (gsize index);

#endif /* NEVA_TEMPLATE_H */
