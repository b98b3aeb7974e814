/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of OpenAI-compatible chat endpoints and of NVIDIA's hosted
 * functions: one question, one answer, streamed or not, with bounded retries. A
 * client is used by one thread; make one per request in flight. */
#ifndef NEVA_CHAT_H
#define NEVA_CHAT_H

#include <gio/gio.h>
#include <neva/error.h>

typedef struct _NevaChat NevaChat;

/* Zero-initialise; strings are copied. */
typedef struct {
  const char *url;      /* posted to as it is */
  const char *model;    /* NULL: the body has no "model" (hosted functions) */
  const char *key_file; /* its first line is the key; NULL: API_TOKEN, then
                           OPENAI_API_KEY of the environment, then no key */
  guint timeout_s;      /* for a whole request; 0: 120 */
  guint retries;        /* after the first try, on 408, 429, 5xx and network
                           faults */
} NevaChatOptions;

typedef struct {
  double temperature, top_p;
  guint max_tokens;
  gint64 seed;             /* < 0: not sent */
  const char *const *stop; /* strings that end the answer, or NULL */
  gboolean stream;
} NevaChatParameters;

typedef struct {
  const char *role; /* "system", "user", "assistant" */
  const char *text;
  GBytes *const *images; /* JPEG files, sent as data URLs after the text */
  gsize n_images;
} NevaChatMessage;

/* Called for each piece of a streamed answer, on the calling thread. */
typedef void (*NevaChatFunc) (const char *piece, gpointer user_data);

/* spec: "openai:<base-url>#<model>" (posts to <base-url>/chat/completions) or
 * an http(s) URL, posted to as it is. Fills url and model (transfer full). */
gboolean neva_chat_parse_spec (
    const char *spec, char **url, char **model, GError **error);

/* Returns: (transfer full); NEVA_ERROR_UNSUPPORTED without HTTP in the build.
 */
NevaChat *neva_chat_new (const NevaChatOptions *options, GError **error);
void neva_chat_free (NevaChat *chat);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaChat, neva_chat_free)

/* Blocks until the answer is complete. The error names the host and what it
 * said, never the key. Returns: (transfer full): the answer's text. */
char *neva_chat_complete (NevaChat *chat, const NevaChatMessage *messages,
    gsize n_messages, const NevaChatParameters *parameters, NevaChatFunc piece,
    gpointer user_data, GCancellable *cancellable, GError **error);

/* Requests sent again so far. */
guint neva_chat_retried (const NevaChat *chat);

#endif /* NEVA_CHAT_H */
