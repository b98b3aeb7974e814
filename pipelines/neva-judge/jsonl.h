/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of JSON objects, one a line. */
#ifndef NEVA_JUDGE_JSONL_H
#define NEVA_JUDGE_JSONL_H

#include <json-glib/json-glib.h>

typedef struct {
  JsonNode *node; /* an object */
  guint line;     /* 1-based */
} JsonLine;

/* (transfer full) (element-type JsonLine *): NULL with error naming file and
 * line. Blank lines are left out. */
GPtrArray *jsonl_read (const char *path, GError **error);

/* Member as text: a string, or NULL. (transfer none) */
const char *jsonl_string (const JsonLine *line, const char *name);
/* Member as a whole number, also when it is written as a string. */
gboolean jsonl_integer (const JsonLine *line, const char *name, gint64 *value);
/* Member as it would be written by the original: (transfer full), or NULL. */
char *jsonl_member_json (const JsonLine *line, const char *name);
/* A string member, or a list of strings joined by newlines: (transfer full). */
char *jsonl_joined (const JsonLine *line, const char *name);

#endif /* NEVA_JUDGE_JSONL_H */
