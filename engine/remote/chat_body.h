/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a chat request and its replies look like as JSON. */
#ifndef NEVA_CHAT_BODY_H
#define NEVA_CHAT_BODY_H

#include "remote/chat.h"

/* Returns: (transfer full): the request's JSON. */
char *neva_chat_body_new (const char *model, const NevaChatMessage *messages,
    gsize n_messages, const NevaChatParameters *parameters);

/* Appends the text of one server-sent line ("data: {…}") to `text`. Lines that
 * hold no JSON, comments and [DONE] add nothing. *done is set by [DONE],
 * *finished by a finish_reason, too: the answer is whole.
 * *error_text: (transfer full), what an error object in it said. */
void neva_chat_parse_line (const char *line, GString *text, gboolean *done,
    gboolean *finished, char **error_text);

/* The text of a whole, unstreamed reply. Returns: (transfer full) or NULL; then
 * *error_text may say what the server's error object said. */
char *neva_chat_parse_reply (const char *json, gsize length, char **error_text);

#endif /* NEVA_CHAT_BODY_H */
