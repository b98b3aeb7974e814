/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line on a terminal that says how far it is; nothing when standard error
 * is not a terminal. */
#ifndef NEVA_COMMON_PROGRESS_H
#define NEVA_COMMON_PROGRESS_H

#include <glib.h>

typedef struct {
  const char *noun;
  gboolean on;
  gboolean shown;
  gsize turn; /* of the spinner */
} Progress;

/* noun: what is counted, in the singular; borrowed. */
void progress_init (Progress *progress, gboolean quiet, const char *noun);
/* fraction: 0..1, or negative when it is not known. */
void progress_show (Progress *progress, double fraction, const char *what,
    const char *file, guint count);
/* Takes the line away, before something else is printed and at the end. */
void progress_hide (Progress *progress);

#endif /* NEVA_COMMON_PROGRESS_H */
