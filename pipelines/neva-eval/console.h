/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the program says: answers on standard output, the rest on standard
 * error, without tearing the progress line. Any thread. */
#ifndef NEVA_EVAL_CONSOLE_H
#define NEVA_EVAL_CONSOLE_H

#include <glib.h>

void console_init (gboolean quiet);
/* Of several processes one prints: this one's texts go to `func` instead (NULL:
 * nowhere), with a newline at the end; `error`: for standard error. */
typedef void (*ConsoleFunc) (const char *text, gboolean error, gpointer data);
void console_forward (ConsoleFunc func, gpointer data);
/* Prints what came from another process. */
void console_print (const char *text, gboolean error);
/* As "neva-eval: …" on standard error. */
void console_complain (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* fraction: 0..1, or negative when it is not known. */
void console_progress (
    double fraction, const char *what, const char *file, guint rows);
/* As the original prints a prompt and its answer; number: from 1. */
void console_answer (
    gsize number, gsize of, const char *full_text, const char *answer);
/* Takes the progress line away. */
void console_finish (void);

#endif /* NEVA_EVAL_CONSOLE_H */
