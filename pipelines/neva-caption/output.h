/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written, in the order of the jobs, whoever does which of them when.
 * A caption is written and flushed as soon as all jobs before its own have
 * ended.
 *
 *   standard output, FILE  one stream of all jobs. Beside a FILE its journal,
 *       FILE.partial, has the finished jobs, a line each, until all are; the
 *       file is not complete before that is gone.
 *   FOLDER  a stream for each video, NAME.srt.partial until its jobs are
 *       finished, then NAME.srt.
 *
 * Any thread. */
#ifndef NEVA_CAPTION_OUTPUT_H
#define NEVA_CAPTION_OUTPUT_H

#include <gio/gio.h>
#include "options.h"

typedef struct _Output Output;

/* Opens, and with options->resume takes over what an earlier run with the same
 * options finished; done [jobs]: out: which jobs those are. options: borrowed.
 * cancellable is cancelled when writing fails.
 * Returns: (transfer full): NULL with error. */
Output *output_new (const Options *options, gboolean *done,
    GCancellable *cancellable, GError **error);
void output_add (Output *output, guint job, const char *text);
/* No more of this job. well: it is finished. */
void output_end (Output *output, guint job, gboolean well);
/* Writes what is left, also of jobs that did not end; frees. FALSE with the
 * first error that writing had. */
gboolean output_close (Output *output, GError **error);

#endif /* NEVA_CAPTION_OUTPUT_H */
