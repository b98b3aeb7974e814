/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the threads that compute stand to the rest of the process. A forward pass
 * keeps every core busy for as long as it takes; a thread of the same priority
 * that has a frame to show may then wait longer than a frame's time. */
#ifndef NEVA_NICE_H
#define NEVA_NICE_H

#include <glib.h>

/* What the elements use: a tenth of the share of other threads where cores are
 * wanted by both, all of them where they are not. */
#define NEVA_NICE_LIVE 10

/* Threads of the engine that start from now on run `nice` (0 … 19) above the
 * process's nice value; 0 at first. The environment's
 * NEVA_NICE, a number of that range, wins. Any thread. Linux only: elsewhere
 * nice values are a process's, and nothing happens. */
void neva_set_nice (gint nice);

#endif /* NEVA_NICE_H */
