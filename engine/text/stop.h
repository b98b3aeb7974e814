/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches an answer for stop strings while it streams. Text that could be the
 * start of one is held back, so that what was given out never changes. */
#ifndef NEVA_STOP_H
#define NEVA_STOP_H

#include <glib.h>

typedef struct _NevaStop NevaStop;

/* strings: NULL-terminated, copied; empty ones are ignored; NULL: none. */
NevaStop *neva_stop_new (const char *const *strings);
void neva_stop_free (NevaStop *stop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaStop, neva_stop_free)

/* Appends to `out` what of `piece` (bytes, or -1) is certain to belong to the
 * answer. Returns TRUE when a stop string is complete: it and what follows are
 * dropped, now and later; the one that ends first counts, of those the longest.
 */
gboolean neva_stop_push (
    NevaStop *stop, const char *piece, gssize length, GString *out);
/* Appends what was held back, when generation ended without a stop string. */
void neva_stop_flush (NevaStop *stop, GString *out);

#endif /* NEVA_STOP_H */
