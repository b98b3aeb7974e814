/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "conversation.h"
#include "py_text.h"
#include "template.h"

static gboolean
fail (GError **error, gsize turn, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "turn %" G_GSIZE_FORMAT " of the conversation: %s", turn + 1, what);
  return FALSE;
}

gsize
neva_conversation_first (const NevaConversation *c)
{
  const NevaTemplate *t = neva_template_find (c->conv_template, NULL);

  return t && t->named && c->n_turns && !g_strcmp0 (c->turns[0].from, "gpt");
}

static gboolean
check (
    const NevaTemplate *t, const NevaConversation *c, gsize first, GError **e)
{
  if (!t->answer_after) {
    g_set_error (e, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the prompt template %s has no conversations", t->name);
    return FALSE;
  }
  if (first == c->n_turns) {
    g_set_error (
        e, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "the conversation is empty");
    return FALSE;
  }
  for (gsize i = first; i < c->n_turns; i++) {
    const gboolean question = (i - first) % 2 == 0;
    const char *who = question ? "human" : "gpt";

    if (t->named && g_strcmp0 (c->turns[i].from, who))
      return fail (e, i,
          question ? "from \"human\" is expected" : "from \"gpt\" is expected");
    if (!*c->turns[i].value && (question || i + 1 < c->n_turns))
      return fail (e, i, question ? "an empty question" : "an empty answer");
  }
  return TRUE;
}

static void
append_start (GString *out, const NevaTemplate *t, const char *system)
{
  g_string_append (out, t->start);
  if (t->whole_system && system) {
    g_string_append (out, system);
  } else if (t->even_empty || *t->system) {
    g_string_append (out, t->system_before);
    g_string_append (out, t->system);
    g_string_append (out, t->system_after);
  }
}

static void
append_question (
    GString *out, const NevaTemplate *t, const char *value, gboolean again)
{
  g_autofree char *text = g_strdup (value);

  g_string_append (out, again ? t->user_again : t->user_before);
  g_string_append (out, t->trim ? neva_py_strip (text) : text);
  g_string_append (out, t->user_after);
}

static void
append_answer (GString *out, const NevaTemplate *t, const NevaTurn *turn)
{
  g_string_append (out, t->answer_role);
  if (t->whole_system && turn->label)
    g_string_append_printf (out, "%s%s\n", NEVA_LABELS, turn->label);
  else if (t->label)
    g_string_append (out, t->label);
  if (*turn->value) {
    g_string_append (out, t->answer_lead);
    g_string_append (out, turn->value);
    g_string_append (out, t->answer_after);
  }
}

/* nvgpt ends a prompt by stripping a set of characters and putting a newline
 * behind, whatever the label's last one is; nv_dpo keeps the end of an empty
 * answer's line behind the label's. */
static void
end_prompt (GString *out, const NevaTemplate *t, const NevaTurn *last)
{
  gsize length = out->len;

  if (!t->label) {
    g_string_append (out, t->whole_system && last->label ? "\n" : "");
    return;
  }
  while (length && strchr ("\n<extra_id_1>", out->str[length - 1]))
    length--;
  g_string_truncate (out, length);
  g_string_append_c (out, '\n');
}

char *
neva_conversation_text (const NevaConversation *c, GError **error)
{
  const NevaTemplate *t = neva_template_find (c->conv_template, error);
  const gsize first = neva_conversation_first (c);
  const NevaTurn *last = &c->turns[c->n_turns - 1];
  GString *out;

  if (!t || !check (t, c, first, error))
    return NULL;
  out = g_string_new (NULL);
  append_start (out, t, c->system);
  for (gsize i = first; i < c->n_turns; i++) {
    if ((i - first) % 2)
      append_answer (out, t, &c->turns[i]);
    else
      append_question (out, t, c->turns[i].value, i > first);
  }
  if (!*last->value)
    end_prompt (out, t, last);
  else if (t->trim)
    neva_py_strip (out->str);
  return g_string_free (out, FALSE);
}
