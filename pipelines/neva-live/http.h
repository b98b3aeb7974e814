/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page's server, on a thread of its own. It reads the hub and nothing else:
 * what clients do, or do not do, is no matter of the pipelines.
 *
 * Bounds: HTTP_CONNECTIONS connections; those of guard.h for each; of an answer
 * without an end, one piece at a time (feed.h). */
#ifndef NEVA_LIVE_HTTP_H
#define NEVA_LIVE_HTTP_H

#include "hub.h"

#define HTTP_CONNECTIONS 256

typedef struct _Http Http;

/* Listens and answers from now on. hub: borrowed, must stay.
 * NULL with error set: no build with libsoup, or the address is not free. */
Http *http_new (Hub *hub, GError **error);
void http_free (Http *http);
/* (transfer full): the page's address, the token in it where there is one. */
char *http_url (const Http *http);

#endif /* NEVA_LIVE_HTTP_H */
