/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the program says: answers on standard output, the rest on standard
 * error, without tearing the progress line. Any thread. */
#ifndef NEVA_COMMON_CONSOLE_H
#define NEVA_COMMON_CONSOLE_H

#include <glib.h>

/* noun: what is counted, in the singular; borrowed. */
void console_init (gboolean quiet, const char *noun);
/* Is there a progress line? */
gboolean console_shows_progress (void);
/* Of several processes one prints: this one's texts go to `func` instead (NULL:
 * nowhere), with a newline at the end; `error`: for standard error. */
typedef void (*ConsoleFunc) (const char *text, gboolean error, gpointer data);
void console_forward (ConsoleFunc func, gpointer data);
/* Prints what came from another process. */
void console_print (const char *text, gboolean error);
/* As "PROGRAM: …" on standard error. */
void console_complain (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* fraction: 0..1, or negative when it is not known. */
void console_progress (
    double fraction, const char *what, const char *file, guint count);
/* Takes the progress line away. */
void console_finish (void);

#endif /* NEVA_COMMON_CONSOLE_H */
