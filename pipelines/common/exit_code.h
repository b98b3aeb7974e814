/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What neva-caption and neva-live end with; also in their --help. */
#ifndef NEVA_COMMON_EXIT_CODE_H
#define NEVA_COMMON_EXIT_CODE_H

typedef enum {
  EXIT_DONE = 0,
  EXIT_FAILED = 1,       /* anything else */
  EXIT_USAGE = 2,        /* the command line makes no sense */
  EXIT_INPUT = 3,        /* a video cannot be read */
  EXIT_MODEL = 4,        /* the model cannot be used */
  EXIT_OUTPUT = 5,       /* the result cannot be written */
  EXIT_INTERRUPTED = 130 /* Ctrl-C; what was done is kept */
} ExitCode;

#endif /* NEVA_COMMON_EXIT_CODE_H */
