/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <string.h>
#include "checkpoint/json_file.h"
#include "eval/prompts.h"

#define MAX_BYTES ((gsize) 1 << 30)

const char *
neva_media_type_name (NevaMediaType type)
{
  return type == NEVA_MEDIA_IMAGE ? "image" : "video";
}

/* ---- JSON --------------------------------------------------------------- */

/* Digits of an integer at `at` that does not fit 64 bits; FALSE for all else.
 */
static gboolean
is_huge_integer (const char *text, gsize length, gsize at, gsize digits)
{
  g_autofree char *number = g_strndup (text + at, digits);
  const char next = at + digits < length ? text[at + digits] : '\0';
  gint64 value;

  return digits >= 19 && (at == 0 || text[at - 1] != '.') &&
         !(next && strchr (".eE", next)) &&
         !g_ascii_string_to_signed (number, 10, 0, G_MAXINT64, &value, NULL);
}

/* The 16 bits of a \u escape at text[0], or -1. */
static int
escaped_unit (const char *text, gsize length)
{
  int unit = 0;

  if (length < 6 || text[0] != '\\' || text[1] != 'u')
    return -1;
  for (gsize i = 2; i < 6; i++) {
    if (!g_ascii_isxdigit (text[i]))
      return -1;
    unit = unit * 16 + g_ascii_xdigit_value (text[i]);
  }
  return unit;
}

/* What is wrong with the escape at text[0], a backslash: NULL and *used, its
 * bytes, where nothing is. */
static const char *
find_escape_flaw (const char *text, gsize length, gsize *used)
{
  int unit, next;

  if (length < 2 || !text[1] || !strchr ("\"\\/bfnrtu", text[1]))
    return "a backslash that escapes nothing";
  *used = 2;
  if (text[1] != 'u')
    return NULL;
  unit = escaped_unit (text, length);
  if (unit < 0)
    return "an escape without four hexadecimal digits";
  *used = 6;
  if (unit < 0xd800 || unit > 0xdfff)
    return NULL;
  next = escaped_unit (text + 6, length - 6);
  if (unit >= 0xdc00 || next < 0xdc00 || next > 0xdfff)
    return "half of a surrogate pair";
  *used = 12;
  return NULL;
}

/* What json-glib makes something of without a word: (transfer none) or NULL. */
static const char *
find_flaw (const char *text, gsize length)
{
  gboolean in_string = FALSE;

  for (gsize i = 0; i < length; i++) {
    gsize digits = 0, used = 0;

    if (in_string && text[i] == '\\') {
      const char *flaw = find_escape_flaw (text + i, length - i, &used);

      if (flaw)
        return flaw;
      i += used - 1;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      while (i + digits < length && g_ascii_isdigit (text[i + digits]))
        digits++;
      if (is_huge_integer (text, length, i, digits))
        return "an integer of more than 63 bits";
      i += digits ? digits - 1 : 0;
    }
  }
  return NULL;
}

/* 1e999: Python reads and writes an infinity, which is no JSON. */
static gboolean
is_finite (JsonNode *node)
{
  gboolean finite = TRUE;

  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);

    for (guint i = 0; finite && i < json_array_get_length (array); i++)
      finite = is_finite (json_array_get_element (array, i));
  } else if (JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObjectIter iter;
    JsonNode *member;

    json_object_iter_init (&iter, json_node_get_object (node));
    while (finite && json_object_iter_next (&iter, NULL, &member))
      finite = is_finite (member);
  } else if (JSON_NODE_HOLDS_VALUE (node) &&
             json_node_get_value_type (node) == G_TYPE_DOUBLE) {
    finite = isfinite (json_node_get_double (node));
  }
  return finite;
}

JsonNode *
neva_prompt_json_parse (
    const char *text, gsize length, const char *where, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) json = NULL;
  const char *wrong = NULL;
  JsonNode *root;

  if (!g_utf8_validate (text, (gssize) length, NULL))
    wrong = "not UTF-8 text";
  else if (!neva_json_is_shallow (text, length))
    wrong = "not JSON, or nested too deeply";
  else
    wrong = find_flaw (text, length);
  if (!wrong &&
      !json_parser_load_from_data (parser, text, (gssize) length, &json))
    wrong = json->message;
  root = wrong ? NULL : json_parser_get_root (parser);
  if (root && !is_finite (root)) {
    wrong = "a number that is too large";
    root = NULL;
  }
  if (!root) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", where,
        wrong ? wrong : "empty");
    return NULL;
  }
  return json_node_copy (root);
}

/* ---- Records ------------------------------------------------------------ */

static void
clear_entry (gpointer data)
{
  NevaPromptEntry *entry = data;

  g_free ((char *) entry->record.media);
  g_free ((char *) entry->record.prompt);
  g_clear_pointer (&entry->node, json_node_unref);
}

static const char *
string_member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node) &&
                 json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* Spec 3.4, steps 1 and 2. (transfer full) */
static char *
insert_marker (const char *text, const NevaPromptRules *rules)
{
  const char *type = neva_media_type_name (rules->media_type);
  const char *sep = rules->add_media_sep ? " \n" : "";

  switch (rules->insert) {
    case NEVA_INSERT_LEFT:
      return g_strdup_printf ("<%s>%s%s", type, sep, text);
    case NEVA_INSERT_RIGHT:
      return g_strdup_printf ("%s<%s>%s", text, type, sep);
    case NEVA_INSERT_NONE:
      break;
  }
  return g_strdup (text);
}

/* A length in seconds; 0 where there is none. */
static double
duration_of (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "duration");
  const gboolean number = node && JSON_NODE_HOLDS_VALUE (node) &&
                          (json_node_get_value_type (node) == G_TYPE_INT64 ||
                              json_node_get_value_type (node) == G_TYPE_DOUBLE);
  const double seconds = number ? json_node_get_double (node) : 0;

  return seconds > 0 && seconds < 1e9 ? seconds : 0;
}

static gboolean
add_record (NevaPromptFile *file, const NevaPromptRules *rules, JsonNode *node,
    guint line, GError **error)
{
  static const char *const texts[] = {"prompt", "text", "question"};
  const char *type = neva_media_type_name (rules->media_type);
  JsonObject *object =
      JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *media = object ? string_member (object, type) : NULL;
  const char *text = NULL, *key = NULL;
  NevaPromptEntry entry;

  for (gsize i = 0; object && !key && i < G_N_ELEMENTS (texts); i++)
    if (json_object_has_member (object, texts[i]))
      key = texts[i];
  text = key ? string_member (object, key) : NULL;
  if (!object || !media || !*media || !text) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s%s%s",
        !object             ? "an object {…} is expected"
        : !media || !*media ? "there is no file name at '"
        : !key              ? "none of 'prompt', 'text', 'question' is there"
                            : "no text at '",
        !object || (media && *media && !key) ? ""
        : !media || !*media                  ? type
                                             : key,
        !object || (media && *media && !key) ? "" : "'");
    return FALSE;
  }
  entry.record = (NevaPromptRecord){.line = line,
      .media = g_strdup (media),
      .prompt = insert_marker (text, rules),
      .duration = duration_of (object)};
  entry.node = json_node_ref (node);
  g_array_append_val (file->entries, entry);
  return TRUE;
}

static void
report (const NevaPromptFile *file, const char *what, guint number,
    GError *error, NevaProblemFunc problem, gpointer user_data)
{
  g_prefix_error (&error, "%s: %s %u: ", file->path, what, number);
  if (problem)
    problem (error, user_data);
  g_error_free (error);
}

static void
read_line (NevaPromptFile *file, const NevaPromptRules *rules, const char *text,
    gsize length, guint line, NevaProblemFunc problem, gpointer user_data)
{
  g_autoptr (JsonNode) node = NULL;
  GError *error = NULL;

  while (length > 0 && g_ascii_isspace (text[length - 1]))
    length--;
  if (length == 0)
    g_set_error (&error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "an empty line");
  else if ((node = neva_prompt_json_parse (text, length, "no JSON", &error)))
    add_record (file, rules, node, line, &error);
  if (error)
    report (file, "line", line, error, problem, user_data);
}

static void
read_lines (NevaPromptFile *file, const NevaPromptRules *rules,
    const char *text, gsize length, NevaProblemFunc problem, gpointer user_data)
{
  const char *end = text + length;
  guint line = 0;

  while (text < end) {
    const char *newline = memchr (text, '\n', (gsize) (end - text));
    const char *stop = newline ? newline : end;

    read_line (
        file, rules, text, (gsize) (stop - text), ++line, problem, user_data);
    text = stop + 1;
  }
}

static gboolean
read_array (NevaPromptFile *file, const NevaPromptRules *rules,
    const char *text, gsize length, NevaProblemFunc problem, gpointer user_data,
    GError **error)
{
  g_autoptr (JsonNode) root =
      neva_prompt_json_parse (text, length, file->path, error);
  JsonArray *array;

  if (!root)
    return FALSE;
  if (!JSON_NODE_HOLDS_ARRAY (root)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: an array of objects [{…}, …] is expected", file->path);
    return FALSE;
  }
  array = json_node_get_array (root);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    GError *local = NULL;

    if (!add_record (
            file, rules, json_array_get_element (array, i), i + 1, &local))
      report (file, "record", i + 1, local, problem, user_data);
  }
  return TRUE;
}

NevaPromptFile *
neva_prompt_file_read (const char *path, const NevaPromptRules *rules,
    NevaProblemFunc problem, gpointer user_data, GError **error)
{
  g_autoptr (NevaPromptFile) file = g_new0 (NevaPromptFile, 1);
  const gboolean lines = g_str_has_suffix (path, ".jsonl");
  g_autofree char *text = NULL;
  g_autoptr (GError) io = NULL;
  gsize length;

  file->path = g_strdup (path);
  file->entries = g_array_new (FALSE, FALSE, sizeof (NevaPromptEntry));
  g_array_set_clear_func (file->entries, clear_entry);
  if (!lines && !g_str_has_suffix (path, ".json")) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: a prompt file ends in .json or .jsonl", path);
    return NULL;
  }
  if (!g_file_get_contents (path, &text, &length, &io)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path, io->message);
    return NULL;
  }
  if (length > MAX_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: more than %" G_GSIZE_FORMAT " bytes", path, MAX_BYTES);
    return NULL;
  }
  if (lines)
    read_lines (file, rules, text, length, problem, user_data);
  else if (!read_array (file, rules, text, length, problem, user_data, error))
    return NULL;
  return g_steal_pointer (&file);
}

void
neva_prompt_file_free (NevaPromptFile *file)
{
  g_array_unref (file->entries);
  g_free (file->path);
  g_free (file);
}

gsize
neva_prompt_file_length (const NevaPromptFile *file)
{
  return file->entries->len;
}

const NevaPromptRecord *
neva_prompt_file_get (const NevaPromptFile *file, gsize index)
{
  g_return_val_if_fail (index < file->entries->len, NULL);

  return &g_array_index (file->entries, NevaPromptEntry, index).record;
}

/* ---- The marker --------------------------------------------------------- */

/* Spec 3.4, step 4. */
static gboolean
switches (const char *conv_template, const char *prompt)
{
  static const char *const names[] = {"nvgpt", "nv_steerlm", "nv_dpo", NULL};

  return g_strv_contains (names, conv_template) && !strstr (prompt, "video");
}

gboolean
neva_prompt_check_marker (const NevaModelInfo *info, const char *conv_template,
    const char *prompt, GError **error)
{
  const char *name = conv_template ? conv_template : info->conv_template;
  const char *type = info->media_type;
  g_autofree char *marker = NULL;

  if (!type)
    return TRUE;
  if (switches (name, prompt))
    type = "image";
  marker = g_strdup_printf ("<%s>", type);
  if (strstr (prompt, marker))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "the model would not see the media: its template %s looks for %s, which "
      "is not in the prompt '%s'%s",
      name, marker, prompt,
      strstr (prompt, "<image>") && strstr (prompt, "video")
          ? " (an image is asked about without the word \"video\")"
      : strstr (prompt, "<image>") || strstr (prompt, "<video>")
          ? ""
          : "; inference.insert_media_token=left or right puts it there");
  return FALSE;
}
