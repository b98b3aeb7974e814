/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "jsonl.h"
#include "rows.h"

struct _Rows {
  char *path;
  int fd;
  guint n_models, present;
};

static gboolean
fail (const Rows *r, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", r->path, what);
  return FALSE;
}

static gboolean
fail_errno (const Rows *r, GError **error)
{
  return fail (r, g_strerror (errno), error);
}

/* Cuts off what follows the last newline. */
static gboolean
repair (Rows *r, GError **error)
{
  off_t end = lseek (r->fd, 0, SEEK_END);

  while (end > 0) {
    char c;

    if (pread (r->fd, &c, 1, end - 1) != 1)
      return fail_errno (r, error);
    if (c == '\n')
      break;
    end--;
  }
  return ftruncate (r->fd, end) == 0 ? TRUE : fail_errno (r, error);
}

static gboolean
same_member (const JsonLine *line, const char *name, const char *json)
{
  g_autofree char *found = jsonl_member_json (line, name);

  return !g_strcmp0 (found, json);
}

static gboolean
belongs (const Rows *r, const JsonLine *line, const Item *item)
{
  if (!same_member (line, "question_id", item->question_id))
    return FALSE;
  for (guint m = 0; m < r->n_models; m++) {
    g_autofree char *name = g_strdup_printf ("answer%u_id", m + 1);

    if (!same_member (line, name, g_ptr_array_index (item->answer_ids, m)))
      return FALSE;
  }
  return TRUE;
}

/* "tuple", or "score" of other tools. */
static gboolean
read_scores (const Rows *r, const JsonLine *line, double *scores)
{
  JsonObject *object = json_node_get_object (line->node);
  JsonNode *node = json_object_get_member (object, "tuple");
  JsonArray *array;

  if (!node)
    node = json_object_get_member (object, "score");
  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  array = json_node_get_array (node);
  if (json_array_get_length (array) != r->n_models)
    return FALSE;
  for (guint m = 0; m < r->n_models; m++)
    scores[m] = json_array_get_double_element (array, m);
  return TRUE;
}

static gboolean
take_present (Rows *r, const GPtrArray *items, gboolean by_position,
    NevaJudgeSummary *summary, GError **error)
{
  g_autoptr (GPtrArray) lines = jsonl_read (r->path, error);

  if (!lines)
    return FALSE;
  for (guint i = 0; i < lines->len; i++) {
    const JsonLine *line = g_ptr_array_index (lines, i);
    double scores[NEVA_JUDGE_MAX_CANDIDATES];

    if (!by_position &&
        (i >= items->len || !belongs (r, line, g_ptr_array_index (items, i)))) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "%s: line %u is of other questions or answers: name another "
          "--output, or remove the file to judge again",
          r->path, line->line);
      return FALSE;
    }
    if (!read_scores (r, line, scores)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: line %u: no scores of %u models", r->path, line->line,
          r->n_models);
      return FALSE;
    }
    neva_judge_summary_add (summary, jsonl_string (line, "category"), scores);
  }
  r->present = lines->len;
  return TRUE;
}

Rows *
rows_open (const char *path, const GPtrArray *items, guint n_models,
    gboolean by_position, NevaJudgeSummary *summary, GError **error)
{
  Rows *r = g_new0 (Rows, 1);
  gboolean ok;

  r->path = g_strdup (path);
  r->n_models = n_models;
  r->fd = open (path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  ok = r->fd >= 0 ? repair (r, error) : fail_errno (r, error);
  if (ok && take_present (r, items, by_position, summary, error))
    return r;
  rows_close (r);
  return NULL;
}

void
rows_close (Rows *r)
{
  if (!r)
    return;
  if (r->fd >= 0)
    close (r->fd);
  g_free (r->path);
  g_free (r);
}

guint
rows_present (const Rows *r)
{
  return r->present;
}

gboolean
rows_append (Rows *r, const GPtrArray *items, guint index, const char *reply,
    const NevaScore *scores, GError **error)
{
  const Item *item = g_ptr_array_index (items, index);
  const NevaJudgeRow row = {.id = index + 1,
      .question_id = item->question_id,
      .answer_ids = (const char *const *) item->answer_ids->pdata,
      .category = item->category,
      .content = reply,
      .scores = scores,
      .n = r->n_models};
  g_autofree char *json = neva_judge_row_to_json (&row);
  g_autofree char *line = g_strconcat (json, "\n", NULL);
  const gsize length = strlen (line);

  if (write (r->fd, line, length) == (gssize) length)
    return TRUE;
  return fail_errno (r, error);
}
