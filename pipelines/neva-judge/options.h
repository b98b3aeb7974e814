/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of neva-judge: the original's options by the same names
 * (spec 7.1), and ours. */
#ifndef NEVA_JUDGE_OPTIONS_H
#define NEVA_JUDGE_OPTIONS_H

#include <glib.h>

typedef enum { JOIN_ID, JOIN_POSITION } Join;

typedef struct {
  GPtrArray *models;    /* char *: names, one per response file */
  GPtrArray *responses; /* char *: files */
  char *question_file, *context_file, *rule_file, *answers_dir, *output;
  char *judge, *device, *key_file;
  guint num_chunks, chunk_idx, max_tokens, jobs, timeout_s, retries;
  Join join;
  gboolean record_failures, quiet, help;
} Options;

/* FALSE with error on an option that is unknown, lacks a value or makes no
 * sense. Clear it in any case. */
gboolean options_parse (
    Options *options, int argc, char **argv, GError **error);
void options_clear (Options *options);
void options_print_help (void);

#endif /* NEVA_JUDGE_OPTIONS_H */
