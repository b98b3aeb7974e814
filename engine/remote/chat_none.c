/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for chat.c in a build without libsoup. */
#include "config.h"
#include "remote/chat.h"

NevaChat *
neva_chat_new (const NevaChatOptions *options, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "%s: this build has no HTTP (libsoup 3 was not there when it was made)",
      options->url);
  return NULL;
}

void
neva_chat_free (NevaChat *chat)
{
}

char *
neva_chat_complete (NevaChat *chat, const NevaChatMessage *messages,
    gsize n_messages, const NevaChatParameters *parameters, NevaChatFunc piece,
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  g_return_val_if_reached (NULL); /* there is no NevaChat in this build */
}

guint
neva_chat_retried (const NevaChat *chat)
{
  return 0;
}
