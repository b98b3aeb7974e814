/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What prompts.c and rows.c know of a prompt file. */
#ifndef NEVA_EVAL_PROMPTS_H
#define NEVA_EVAL_PROMPTS_H

#include <json-glib/json-glib.h>
#include <neva/eval.h>

typedef struct {
  NevaPromptRecord record; /* its strings are owned */
  JsonNode *node;          /* an object, as the file has it */
} NevaPromptEntry;

struct _NevaPromptFile {
  char *path;
  GArray *entries; /* NevaPromptEntry */
};

/* "image" or "video". */
const char *neva_media_type_name (NevaMediaType type);

/* The text as JSON: NULL with error when it is none, nests too deeply, or holds
 * a number that would not come out as it went in. `where` begins the message.
 * (transfer full) */
JsonNode *neva_prompt_json_parse (
    const char *text, gsize length, const char *where, GError **error);

#endif /* NEVA_EVAL_PROMPTS_H */
