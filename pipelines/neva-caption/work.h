/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The jobs of a run: those about one file are done together, files are divided
 * among groups of processes, and whoever does one, process 0 has what it wrote
 * and how it ended. */
#ifndef NEVA_CAPTION_WORK_H
#define NEVA_CAPTION_WORK_H

#include "app.h"
#include "format.h"

/* All leaders together. own: (transfer full): what went wrong in this one so
 * far, or NULL. Returns: (transfer full): NULL in all of them with the error of
 * the first that has one. */
Work *work_new (App *app, GError *own, GError **error);
/* This process's share. */
void work_run (Work *work);
/* Process 0: waits for the others and closes what was written. Returns: the
 * status of the first job that failed. lost: out: another process is gone. */
ExitCode work_finish (Work *work, gboolean *lost);

/* ---- Of the jobs of this process ---- */

/* number: of this caption within its job, from 1 and without those that gave
 * no text. Returns: whether it gave one. */
gboolean work_add (Work *work, guint job, const Caption *caption, guint number);
/* A job has ended; error: what to say about its file, or NULL. */
void work_end (Work *work, guint job, ExitCode code, const char *error);

#endif /* NEVA_CAPTION_WORK_H */
