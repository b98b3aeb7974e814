/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients of one endpoint, as many as there are requests in flight: a client
 * serves one at a time, and keeps its connection. Thread-safe. */
#ifndef NEVA_CHAT_POOL_H
#define NEVA_CHAT_POOL_H

#include "remote/chat.h"

typedef struct _NevaChatPool NevaChatPool;

/* Takes a spec as neva_chat_parse_spec () does, in place of url and model of
 * `options`. Reads the key, so that a bad one is known at once; nothing is
 * contacted. Returns: (transfer full) */
NevaChatPool *neva_chat_pool_new (
    const char *spec, const NevaChatOptions *options, GError **error);
NevaChatPool *neva_chat_pool_ref (NevaChatPool *pool);
void neva_chat_pool_unref (NevaChatPool *pool);

/* neva_chat_complete () by a client that is free, or by a new one. */
char *neva_chat_pool_complete (NevaChatPool *pool,
    const NevaChatMessage *messages, gsize n_messages,
    const NevaChatParameters *parameters, NevaChatFunc piece,
    gpointer user_data, GCancellable *cancellable, GError **error);

#endif /* NEVA_CHAT_POOL_H */
