/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the model says about a pipeline's video, on its way to the hub. */
#ifndef NEVA_LIVE_SAID_H
#define NEVA_LIVE_SAID_H

#include "pipeline.h"

/* Captions as they grow, from the first nevallm's text pad. */
gboolean said_attach (Pipeline *pipeline, GError **error);
/* Whole captions and answers to alerts; any thread. FALSE: the message is
 * neither. */
gboolean said_message (Pipeline *pipeline, GstMessage *message);

#endif /* NEVA_LIVE_SAID_H */
