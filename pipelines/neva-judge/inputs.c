/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/judge.h>
#include "chunk.h"
#include "inputs.h"
#include "normalise.h"

#define CATEGORY_PREFIX "llava_bench_"

typedef struct {
  const Options *o;
  GPtrArray *questions; /* JsonLine: all, in file order */
  GPtrArray *contexts;  /* JsonLine */
  GHashTable *by_media; /* picture or video name -> JsonLine of contexts */
  NevaJudgeRules *rules;
  GPtrArray *answers; /* GPtrArray of Answer, one per model */
} Inputs;

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->question_id);
  g_free (item->category);
  g_free (item->prompt);
  g_ptr_array_unref (item->answer_ids);
  g_free (item);
}

/* The picture or the video that a line is about. */
static const char *
media_of (const JsonLine *line)
{
  const char *image = jsonl_string (line, "image");

  return image ? image : jsonl_string (line, "video");
}

static gboolean
read_contexts (Inputs *in, GError **error)
{
  in->contexts = jsonl_read (in->o->context_file, error);
  if (!in->contexts)
    return FALSE;
  in->by_media = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < in->contexts->len; i++) {
    JsonLine *line = g_ptr_array_index (in->contexts, i);
    const char *media = media_of (line);

    if (!media) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: line %u: neither image nor video", in->o->context_file,
          line->line);
      return FALSE;
    }
    g_hash_table_insert (in->by_media, (gpointer) media, line);
  }
  return TRUE;
}

/* Two files of one name would be joined into the same file. */
static gboolean
check_names (const Options *o, GError **error)
{
  for (guint i = 0; i < o->responses->len; i++) {
    g_autofree char *a =
        g_path_get_basename (g_ptr_array_index (o->responses, i));

    for (guint j = 0; j < i; j++) {
      g_autofree char *b =
          g_path_get_basename (g_ptr_array_index (o->responses, j));

      if (strcmp (a, b))
        continue;
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "--responses-list: two files are called %s: their joined answers "
          "would overwrite each other in %s",
          a, o->answers_dir);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
bad_question (
    const Inputs *in, const JsonLine *q, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: line %u: %s",
      in->o->question_file, q->line, what);
  return FALSE;
}

/* What is in the question's picture: "caption" or "captions". */
static char *
context_of (const Inputs *in, const JsonLine *q, GError **error)
{
  const char *media = media_of (q);
  const JsonLine *context =
      media ? g_hash_table_lookup (in->by_media, media) : NULL;
  char *caption;

  if (!media) {
    bad_question (in, q, "neither image nor video", error);
    return NULL;
  }
  if (!context) {
    g_autofree char *what =
        g_strdup_printf ("'%s' is not in %s", media, in->o->context_file);

    bad_question (in, q, what, error);
    return NULL;
  }
  caption = jsonl_joined (context, "caption");
  if (!caption)
    caption = jsonl_joined (context, "captions");
  if (!caption)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: line %u: no caption", in->o->context_file, context->line);
  return caption;
}

static gboolean
fill_item (const Inputs *in, guint index, const JsonLine *q, Item *item,
    GError **error)
{
  const char *answers[NEVA_JUDGE_MAX_CANDIDATES];
  const char *category = jsonl_string (q, "category");
  const char *text = jsonl_string (q, "text");
  g_autofree char *context = NULL;
  const char *role, *rule;

  if (!category || !text)
    return bad_question (in, q, "no category or no text", error);
  item->question_id = jsonl_member_json (q, "question_id");
  item->category = g_strconcat (CATEGORY_PREFIX, category, NULL);
  if (!item->question_id)
    return bad_question (in, q, "no question_id", error);
  if (!neva_judge_rules_find (in->rules, item->category, &role, &rule)) {
    g_autofree char *what = g_strdup_printf (
        "no rule '%s' in %s", item->category, in->o->rule_file);

    return bad_question (in, q, what, error);
  }
  context = context_of (in, q, error);
  if (!context)
    return FALSE;
  for (guint m = 0; m < in->answers->len; m++) {
    const GPtrArray *of_model = g_ptr_array_index (in->answers, m);
    const Answer *answer = g_ptr_array_index (of_model, index);

    answers[m] = answer->text;
    g_ptr_array_add (item->answer_ids, g_strdup (answer->id));
  }
  item->prompt =
      neva_judge_prompt (context, text, answers, in->answers->len, role, rule);
  return TRUE;
}

/* Questions and answers in step: by id they are joined already, by position the
 * shortest list decides (spec 7.4). */
static GPtrArray *
make_items (const Inputs *in, const GPtrArray *questions, GError **error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (item_free);
  guint n = questions->len;

  for (guint m = 0; m < in->answers->len; m++)
    n = MIN (n, ((const GPtrArray *) g_ptr_array_index (in->answers, m))->len);
  for (guint i = 0; i < n; i++) {
    Item *item = g_new0 (Item, 1);

    item->answer_ids = g_ptr_array_new_with_free_func (g_free);
    g_ptr_array_add (items, item);
    if (!fill_item (in, i, g_ptr_array_index (questions, i), item, error))
      return NULL;
  }
  return g_steal_pointer (&items);
}

static GPtrArray *
read_all (Inputs *in, GError **error)
{
  g_autoptr (GPtrArray) part = NULL;

  in->questions = jsonl_read (in->o->question_file, error);
  if (!in->questions || !read_contexts (in, error))
    return NULL;
  in->rules = neva_judge_rules_load (in->o->rule_file, error);
  if (!in->rules)
    return NULL;
  part = chunk_of (in->questions, in->o->num_chunks, in->o->chunk_idx);
  for (guint m = 0; m < in->o->responses->len; m++) {
    GPtrArray *answers = normalise (in->o, part, m, error);

    if (!answers)
      return NULL;
    g_ptr_array_add (in->answers, answers);
  }
  /* the original judges from question 0 whatever the chunk */
  return make_items (
      in, in->o->join == JOIN_POSITION ? in->questions : part, error);
}

GPtrArray *
inputs_read (const Options *o, GError **error)
{
  Inputs in = {.o = o,
      .answers =
          g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref)};
  GPtrArray *items = NULL;

  if (check_names (o, error))
    items = read_all (&in, error);
  g_ptr_array_unref (in.answers);
  g_clear_pointer (&in.by_media, g_hash_table_unref);
  g_clear_pointer (&in.questions, g_ptr_array_unref);
  g_clear_pointer (&in.contexts, g_ptr_array_unref);
  g_clear_pointer (&in.rules, neva_judge_rules_free);
  return items;
}
