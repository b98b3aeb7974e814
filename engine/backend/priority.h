/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nice value of threads that compute (neva/nice.h). */
#ifndef NEVA_PRIORITY_H
#define NEVA_PRIORITY_H

#include <neva/nice.h>

/* Called once by a thread that computes, when it starts. */
void neva_priority_compute (void);

#endif /* NEVA_PRIORITY_H */
