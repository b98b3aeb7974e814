/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the server share. Everything on the server's thread. */
#ifndef NEVA_LIVE_SERVER_H
#define NEVA_LIVE_SERVER_H

#include <libsoup/soup.h>
#include "guard.h"
#include "http.h"

struct _Http {
  Hub *hub;
  const Options *options;
  GSocketListener *listener;
  guint16 port;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  gint pump_due; /* atomic: the feeds will be looked at */

  SoupServer *server;
  GCancellable *stop;
  GQueue guards;     /* NevaGuard of every connection, the oldest first; not
                        owned: libsoup does */
  GHashTable *feeds; /* SoupServerMessage -> Feed */
};

/* (transfer none): of the connection that the request came by. */
NevaGuard *server_guard (SoupServerMessage *message);
/* The feeds are looked at in a moment; any thread. */
void server_pump_soon (Http *http);

#endif /* NEVA_LIVE_SERVER_H */
