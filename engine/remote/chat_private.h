/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_CHAT_PRIVATE_H
#define NEVA_CHAT_PRIVATE_H

#include "remote/chat.h"

/* *key: (transfer full), NULL when there is none. */
gboolean neva_chat_find_key (const char *key_file, char **key, GError **error);

#endif /* NEVA_CHAT_PRIVATE_H */
