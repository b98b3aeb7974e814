/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test program uses of the system, to find what is left over. */
#ifndef NEVA_TEST_USE_H
#define NEVA_TEST_USE_H

#include <glib.h>

typedef struct {
  gsize resident; /* bytes */
  guint threads, descriptors;
} Use;

/* Of this process now; memory that nobody uses is given back before. */
Use use_measure (void);

/* The same after the threads that are ending, and those that GLib keeps for
 * later, have gone: waits until there are no more than `before` had, 10 s at
 * most. */
Use use_settle (const Use *before);

#endif /* NEVA_TEST_USE_H */
