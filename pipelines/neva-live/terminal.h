/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The streams on a terminal: a block for each, drawn again and again in the
 * same place. Where standard output is no terminal: a line for each caption and
 * each change. */
#ifndef NEVA_LIVE_TERMINAL_H
#define NEVA_LIVE_TERMINAL_H

#include "hub.h"

typedef struct _Terminal Terminal;

/* hub: borrowed, must stay. */
Terminal *terminal_new (Hub *hub, gboolean quiet);
void terminal_free (Terminal *terminal);
/* Shows what is new; call it often. FALSE with error set when standard output
 * does not take it any more. */
gboolean terminal_update (Terminal *terminal, GError **error);
/* How far the model's loading is; percent 100 takes the line away. */
void terminal_loading (Terminal *terminal, int percent);

#endif /* NEVA_LIVE_TERMINAL_H */
