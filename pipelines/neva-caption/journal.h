/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FILE.partial: which jobs of a run are finished, and what they wrote. A first
 * line with the options, then a line for each job as it is finished; a last
 * line without its end was cut off and does not count. */
#ifndef NEVA_CAPTION_JOURNAL_H
#define NEVA_CAPTION_JOURNAL_H

#include <stdio.h>
#include "options.h"

/* A new one. NULL with error. */
FILE *journal_new (const char *path, const Options *options, GError **error);
/* FALSE: errno. */
gboolean journal_add (
    FILE *journal, guint job, const Job *what, const char *text);

/* Reads one and opens it for more. texts [jobs]: out: what each job wrote
 * (transfer full), NULL where it is not finished. NEVA_ERROR_BAD_INPUT names
 * the line; that of a run with other options is one, too. */
FILE *journal_resume (
    const char *path, const Options *options, char **texts, GError **error);

#endif /* NEVA_CAPTION_JOURNAL_H */
