/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One stream: its pipeline, on a thread of its own, made anew whenever its
 * source was lost. What happens to it happens to no other. */
#ifndef NEVA_LIVE_STREAM_H
#define NEVA_LIVE_STREAM_H

#include "hub.h"

typedef struct _Stream Stream;

/* Called on the stream's thread, once, when it will not go on. code: EXIT_DONE
 * when it came to its end. */
typedef void (*StreamDone) (guint index, ExitCode code, gpointer data);

/* Starts. hub: borrowed, must stay. */
Stream *stream_new (Hub *hub, guint index, StreamDone done, gpointer data);
/* Asks it to stop; does not wait. */
void stream_stop (Stream *stream);
/* Stops and waits for it. */
void stream_free (Stream *stream);

#endif /* NEVA_LIVE_STREAM_H */
