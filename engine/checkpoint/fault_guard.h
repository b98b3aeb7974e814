/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that somebody shortens while it is mapped raises SIGBUS at the next
 * access behind its new end; no check beforehand can prevent that. Guarded
 * ranges get pages of zeros instead and are marked, so that whoever reads them
 * goes on to the next place that looks at the mark, and fails there.
 *
 * The process's SIGBUS handler is ours while a range is guarded. Signals that
 * are not about a guarded range go to the handler that was there before, or
 * have their default effect. The code must stay loaded for the life of the
 * process, as GStreamer plugins do. */
#ifndef NEVA_FAULT_GUARD_H
#define NEVA_FAULT_GUARD_H

#include <glib.h>

typedef struct _NevaGuardedRange NevaGuardedRange;

/* Guards [start, start + length), a mapping of its own: page-aligned, length >
 * 0. Any thread. Returns: never NULL, to be given to release () before the
 * range is unmapped and after its last reader. */
NevaGuardedRange *neva_fault_guard_add (const void *start, gsize length);
void neva_fault_guard_release (NevaGuardedRange *range);

/* TRUE when zeros took the place of the file. */
gboolean neva_fault_guard_hit (const NevaGuardedRange *range);
/* How many ranges of the process were hit so far: unchanged means that none of
 * yours was. One relaxed load. */
guint neva_fault_guard_count (void);

#endif /* NEVA_FAULT_GUARD_H */
