/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may look. With a token: whoever knows it, as ?token=…, as
 * "Authorization: Bearer …" or by the cookie that the page sets. Without:
 * whoever asks for this machine by its own name, so that no page of the network
 * reads ours through a name of its own. */
#ifndef NEVA_LIVE_ACCESS_H
#define NEVA_LIVE_ACCESS_H

#include "server.h"

typedef enum {
  ACCESS_GRANTED,
  ACCESS_ENTERS, /* the token is in the address: set the cookie, and again
                    without it */
  ACCESS_TOKEN,  /* a token is needed */
  ACCESS_HOST    /* not asked for by a name of this machine */
} Access;

/* query: NULL, or the request's. */
Access access_check (
    const Http *http, SoupServerMessage *message, GHashTable *query);
void access_set_cookie (const Http *http, SoupServerMessage *message);

#endif /* NEVA_LIVE_ACCESS_H */
