/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running neva-caption as a user does, on clips that are drawn here. */
#ifndef NEVA_TEST_CAPTION_FIXTURE_H
#define NEVA_TEST_CAPTION_FIXTURE_H

#include "program.h"

/* Borrowed: a folder for the test, a video and a sound file in it. */
extern char *folder, *clip, *sound;

/* argv[1]: the program. FALSE: the clips cannot be made, which was said. */
gboolean fixture_begin (int argc, char **argv);
/* Removes the folder. */
void fixture_finish (void);

#endif /* NEVA_TEST_CAPTION_FIXTURE_H */
