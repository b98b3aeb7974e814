/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <neva/error.h>
#include <string.h>
#include "format.h"
#include "journal.h"

static FILE *
fail (const char *path, GError **error)
{
  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
      "%s: %s", path, g_strerror (errno));
  return NULL;
}

/* With its end. (transfer full) */
static char *
first_line (const Options *options)
{
  g_autofree char *settings = options_describe (options);
  GString *line = g_string_new ("{");

  format_json_string (line, "neva-caption", settings);
  g_string_append (line, "}\n");
  return g_string_free (line, FALSE);
}

static gboolean
put (FILE *journal, const char *line)
{
  return fputs (line, journal) != EOF && fflush (journal) != EOF;
}

FILE *
journal_new (const char *path, const Options *options, GError **error)
{
  g_autofree char *line = first_line (options);
  FILE *journal = g_fopen (path, "we");

  if (!journal)
    return fail (path, error);
  if (put (journal, line))
    return journal;
  fail (path, error);
  fclose (journal);
  return NULL;
}

gboolean
journal_add (FILE *journal, guint job, const Job *what, const char *text)
{
  /* names of files may be any bytes, and so may lines of text that begin with
   * them */
  g_autofree char *escaped = g_strescape (text, NULL);
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_append_printf (line, "{\"job\": %u, ", job);
  format_json_string (line, "file", what->file);
  g_string_append (line, ", ");
  format_json_string (line, "prompt", what->prompt);
  g_string_append (line, ", ");
  format_json_string (line, "text", escaped);
  g_string_append (line, "}\n");
  return put (journal, line->str);
}

static const char *
string_of (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

static gboolean
same (const char *found, const char *name, const char *value)
{
  g_autoptr (GString) a = g_string_new (NULL), b = g_string_new (NULL);

  format_json_string (a, name, found);
  format_json_string (b, name, value);
  return found && g_string_equal (a, b);
}

/* NULL: all is well. */
static const char *
take_line (const char *line, const GPtrArray *jobs, char **texts)
{
  g_autoptr (JsonNode) root = json_from_string (line, NULL);
  JsonObject *object = root && JSON_NODE_HOLDS_OBJECT (root)
                           ? json_node_get_object (root)
                           : NULL;
  JsonNode *number = object ? json_object_get_member (object, "job") : NULL;
  const char *text = object ? string_of (object, "text") : NULL;
  const Job *job;
  gint64 i;

  if (!text || !number || json_node_get_value_type (number) != G_TYPE_INT64)
    return "this is no finished video";
  i = json_node_get_int (number);
  if (i < 0 || i >= jobs->len)
    return "there are fewer videos and prompts now";
  job = jobs->pdata[i];
  if (!same (string_of (object, "file"), "file", job->file) ||
      !same (string_of (object, "prompt"), "prompt", job->prompt))
    return "this is another video or prompt now";
  g_free (texts[i]);
  texts[i] = g_strcompress (text);
  return NULL;
}

static gboolean
take_lines (char **lines, const Options *options, char **texts, GError **error)
{
  g_autofree char *first = first_line (options);

  g_strchomp (first);
  if (!lines[0] || strcmp (lines[0], first) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "it is of a run with other options; those were: %s",
        lines[0] ? lines[0] : "none");
    return FALSE;
  }
  for (guint i = 1; lines[i]; i++) {
    const char *wrong = take_line (lines[i], options->jobs, texts);

    if (wrong) {
      g_set_error (
          error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "line %u: %s", i + 1, wrong);
      return FALSE;
    }
  }
  return TRUE;
}

FILE *
journal_resume (
    const char *path, const Options *options, char **texts, GError **error)
{
  g_autofree char *content = NULL;
  g_auto (GStrv) lines = NULL;
  char *end;
  FILE *journal;

  if (!g_file_get_contents (path, &content, NULL, error))
    return NULL;
  end = strrchr (content, '\n');
  if (!end) /* it was killed before it began */
    return journal_new (path, options, error);
  *end = '\0';
  lines = g_strsplit (content, "\n", -1);
  if (!take_lines (lines, options, texts, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  *end = '\n';
  if (!g_file_set_contents (path, content, end + 1 - content, error))
    return NULL;
  journal = g_fopen (path, "ae");
  return journal ? journal : fail (path, error);
}
