/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running neva-caption as a user does, on clips that are drawn here. */
#ifndef NEVA_TEST_CAPTION_FIXTURE_H
#define NEVA_TEST_CAPTION_FIXTURE_H

#include <gst/gst.h>

/* Borrowed: a folder for the test, a video and a sound file in it. */
extern char *folder, *clip, *sound;
extern const char *program;

typedef struct {
  int code; /* exit code; 1000 and more: it was killed; -1: no start */
  char *out, *err;
} Result;

void result_clear (Result *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* argv[1]: the program. FALSE: the clips cannot be made, which was said. */
gboolean fixture_begin (int argc, char **argv);
/* Removes the folder. */
void fixture_finish (void);

/* Runs the program to its end; arguments are separated by "|". */
Result run (const char *format, ...) G_GNUC_PRINTF (1, 2);

#endif /* NEVA_TEST_CAPTION_FIXTURE_H */
