/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running a program as a user does, and the media that it is given. */
#ifndef NEVA_TEST_PROGRAM_H
#define NEVA_TEST_PROGRAM_H

#include <gst/gst.h>

/* Borrowed; set by the test. */
extern const char *program;
extern const char *program_folder; /* where it runs; NULL: here */

typedef struct {
  int code; /* exit code; 1000 and more: it was killed; -1: no start */
  char *out, *err;
} Result;

void result_clear (Result *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* The program and its arguments, separated by "|". (transfer full) */
char **program_arguments (const char *text);
/* Runs it to its end. A program that does not start is said. */
Result run (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Plays a pipeline that writes a file to its end. FALSE: it cannot, which was
 * said. */
gboolean make_media (const char *description);

#endif /* NEVA_TEST_PROGRAM_H */
