/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer that goes on: events, pictures, cues. A client has one piece on its
 * way at most; the next one is made when it was taken, from what is newest
 * then, so that a slow client misses things and holds nothing. */
#ifndef NEVA_LIVE_FEED_H
#define NEVA_LIVE_FEED_H

#include "server.h"

typedef struct _Feed Feed;

typedef struct {
  /* (transfer full): the next piece, or NULL when there is nothing new. */
  GBytes *(*next) (Feed *feed);
  /* What is sent when there was nothing for a while; NULL: nothing. */
  const char *heartbeat;
  gboolean ends; /* where there is nothing new, the answer is complete */
} FeedKind;

struct _Feed {
  const FeedKind *kind;
  Http *http;
  SoupServerMessage *message; /* libsoup's */
  guint stream;               /* of pictures and cues */
  guint64 cursor;             /* the kind's */
  gboolean writing;
  gint64 written; /* when a piece was last taken */
};

/* Begins the answer with `first` (borrowed, not empty). */
Feed *feed_start (Http *http, SoupServerMessage *message, const FeedKind *kind,
    const char *type, const char *first);
/* Writes what there is, unless a piece is on its way. */
void feed_pump (Feed *feed, gint64 now);

#endif /* NEVA_LIVE_FEED_H */
