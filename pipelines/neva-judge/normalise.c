/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <neva/judge.h>
#include "chunk.h"
#include "normalise.h"

static void
answer_free (gpointer data)
{
  Answer *answer = data;

  g_free (answer->text);
  g_free (answer->id);
  g_free (answer);
}

/* A response file's line in one of three forms: {"response_id", "response"}, a
 * row of neva-eval (pred_answer; its "text" is the question), an answer row. */
static const char *
response_text (const JsonLine *line)
{
  const char *text = jsonl_string (line, "response");

  if (!text)
    text = jsonl_string (line, "pred_answer");
  return text ? text : jsonl_string (line, "text");
}

static gboolean
response_id (const JsonLine *line, gint64 *id)
{
  return jsonl_integer (line, "response_id", id) ||
         jsonl_integer (line, "question_id", id);
}

static gboolean
bad_line (
    const char *file, const JsonLine *line, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: line %u: %s", file,
      line->line, what);
  return FALSE;
}

/* The original draws a random short UUID for each answer. Ours depend on what
 * is answered, so that a resumed run knows its own rows again. */
static char *
answer_id (const char *model, gint64 question, const char *text)
{
  static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
                                 "abcdefghijkmnopqrstuvwxyz";
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *number = g_strdup_printf ("%" G_GINT64_FORMAT, question);
  guint8 digest[32];
  gsize length = sizeof digest;
  char id[25] = "\"";

  g_checksum_update (sum, (const guchar *) model, strlen (model) + 1);
  g_checksum_update (sum, (const guchar *) number, strlen (number) + 1);
  g_checksum_update (sum, (const guchar *) text, strlen (text));
  g_checksum_get_digest (sum, digest, &length);
  for (guint i = 0; i < 22; i++)
    id[i + 1] = alphabet[digest[i] % (sizeof alphabet - 1)];
  id[23] = '"';
  return g_strdup (id);
}

static void
add_answer (GPtrArray *answers, const char *model, const JsonLine *question,
    gint64 id, const char *text)
{
  Answer *answer = g_new0 (Answer, 1);

  answer->question = question;
  answer->text = g_strdup (text);
  answer->id = answer_id (model, id, text);
  g_ptr_array_add (answers, answer);
}

static gboolean
join_by_position (const char *file, const char *model,
    const GPtrArray *questions, const GPtrArray *lines, GPtrArray *answers,
    GError **error)
{
  for (guint i = 0; i < MIN (questions->len, lines->len); i++) {
    const JsonLine *question = g_ptr_array_index (questions, i);
    const JsonLine *line = g_ptr_array_index (lines, i);
    const char *text = response_text (line);
    gint64 asked, answered;

    if (!response_id (line, &answered) || !text)
      return bad_line (file, line, "neither a response nor an answer", error);
    if (!jsonl_integer (question, "question_id", &asked))
      return bad_line ("question file", question, "no question_id", error);
    if (asked == answered)
      add_answer (answers, model, question, asked, text);
  }
  return TRUE;
}

static gboolean
join_by_id (const char *file, const char *model, const GPtrArray *questions,
    const GPtrArray *lines, GPtrArray *answers, GError **error)
{
  g_autoptr (GHashTable) by_id =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (guint i = 0; i < lines->len; i++) {
    JsonLine *line = g_ptr_array_index (lines, i);
    gint64 id;

    if (!response_id (line, &id) || !response_text (line))
      return bad_line (file, line, "neither a response nor an answer", error);
    if (!g_hash_table_insert (by_id, g_memdup2 (&id, sizeof id), line))
      return bad_line (file, line, "its question was answered before", error);
  }
  for (guint i = 0; i < questions->len; i++) {
    const JsonLine *question = g_ptr_array_index (questions, i), *line;
    gint64 id;

    if (!jsonl_integer (question, "question_id", &id))
      return bad_line ("question file", question, "no question_id", error);
    line = g_hash_table_lookup (by_id, &id);
    if (!line) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: no answer to question %" G_GINT64_FORMAT, file, id);
      return FALSE;
    }
    add_answer (answers, model, question, id, response_text (line));
  }
  return TRUE;
}

static void
append_member (GString *json, const char *name, const char *text)
{
  g_autofree char *quoted = neva_judge_quote (text);

  g_string_append_printf (json, ", \"%s\": %s", name, quoted);
}

static gboolean
write_answers (
    const Options *o, guint model, const GPtrArray *answers, GError **error)
{
  const char *file = g_ptr_array_index (o->responses, model);
  g_autofree char *base = g_path_get_basename (file);
  char *dot = strrchr (base, '.');
  g_autofree char *name =
      dot && dot != base
          ? g_strdup_printf ("%.*s_answer%s", (int) (dot - base), base, dot)
          : g_strconcat (base, "_answer", NULL);
  g_autofree char *path = g_build_filename (o->answers_dir, name, NULL);
  g_autoptr (GString) json = g_string_new (NULL);
  g_autoptr (GError) local = NULL;

  for (guint i = 0; i < answers->len; i++) {
    const Answer *a = g_ptr_array_index (answers, i);
    g_autofree char *id = jsonl_member_json (a->question, "question_id");
    const char *prompt = jsonl_string (a->question, "text");

    g_string_append_printf (json, "{\"question_id\": %s", id);
    append_member (json, "prompt", prompt ? prompt : "");
    append_member (json, "text", a->text);
    g_string_append_printf (json, ", \"answer_id\": %s", a->id);
    append_member (json, "model_id", g_ptr_array_index (o->models, model));
    g_string_append (json, ", \"metadata\": {}}\n");
  }
  if (g_mkdir_with_parents (o->answers_dir, 0777) == 0 &&
      g_file_set_contents (path, json->str, json->len, &local))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path,
      local ? local->message : g_strerror (errno));
  return FALSE;
}

GPtrArray *
normalise (
    const Options *o, const GPtrArray *questions, guint model, GError **error)
{
  const char *file = g_ptr_array_index (o->responses, model);
  const char *name = g_ptr_array_index (o->models, model);
  g_autoptr (GPtrArray) lines = jsonl_read (file, error);
  g_autoptr (GPtrArray) part = NULL;
  g_autoptr (GPtrArray) answers = g_ptr_array_new_with_free_func (answer_free);
  gboolean ok;

  if (!lines)
    return NULL;
  if (o->join == JOIN_POSITION) {
    /* the original cuts both files into chunks of their own lengths */
    part = chunk_of (lines, o->num_chunks, o->chunk_idx);
    ok = join_by_position (file, name, questions, part, answers, error);
  } else {
    ok = join_by_id (file, name, questions, lines, answers, error);
  }
  if (!ok || !write_answers (o, model, answers, error))
    return NULL;
  return g_steal_pointer (&answers);
}
