/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Continuous batching on the emulation: streams that decode together are one
 * graph of the same kernels as one stream, with the ids that each has alone;
 * one that joins or leaves makes a graph for a number of streams that was not
 * there before, and for no other. What the GPU did is counted by processes of
 * their own (NEVA_CUDAEMU_REPORT).
 * usage: test-cuda-batch; test-cuda-batch STREAMS STEPS; test-cuda-batch flow
 */
#include "config.h"
#include "check.h"
#include "model/llava.h"

#include <string.h>
#include <unistd.h>

enum { STREAMS = 5, PROMPT = 6, STEPS = 24, VOCAB = 320 };

static NevaLlava *
load (void)
{
  const NevaModelOptions options = {
      .device = "cuda", .weights = NEVA_WEIGHTS_BF16, .context_length = 128};
  g_autofree char *folder = g_build_filename (g_getenv ("NEVA_SOURCE"), "tests",
      "data", "reference", "clip-llama-8-heads", NULL);
  g_autoptr (GError) error = NULL;
  NevaLlava *llava =
      neva_llava_load (folder, &options, NULL, NULL, NULL, &error);

  CHECK (llava != NULL, "%s: %s", folder, error ? error->message : "");
  CHECK (llava && neva_llava_config (llava)->text.vocab == VOCAB, "vocabulary");
  return llava;
}

typedef struct {
  NevaSequence *sequence;
  gint32 prompt[PROMPT];
  gint32 ids[STEPS + 1]; /* what came out */
  guint n;
  float logits[VOCAB];
} Stream;

static void
begin (NevaLlava *llava, Stream *s, guint number)
{
  memset (s, 0, sizeof *s);
  s->sequence = neva_sequence_new (llava, NULL);
  for (guint i = 0; i < PROMPT; i++)
    s->prompt[i] = (gint32) ((number * 37 + i * 11 + 5) % VOCAB);
}

/* All of them by a step: those that are new by their prompts. */
static void
advance (NevaLlava *llava, Stream **streams, guint n)
{
  NevaStepItem items[STREAMS];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++) {
    Stream *s = streams[i];

    items[i] = (NevaStepItem){.sequence = s->sequence,
        .ids = s->n ? &s->ids[s->n - 1] : s->prompt,
        .n = s->n ? 1 : PROMPT,
        .logits = s->logits};
  }
  CHECK (neva_llava_step (llava, items, n, &error), "%s",
      error ? error->message : "");
  for (guint i = 0; i < n; i++) {
    Stream *s = streams[i];
    gint32 best = 0;

    for (gint32 id = 1; id < VOCAB; id++)
      best = s->logits[id] > s->logits[best] ? id : best;
    s->ids[s->n++] = best;
  }
}

/* Two streams, a third one, without the second, the first alone. */
static void
flow (NevaLlava *llava, Stream *s)
{
  Stream *two[] = {&s[0], &s[1]}, *three[] = {&s[0], &s[1], &s[2]};
  Stream *others[] = {&s[0], &s[2]}, *one[] = {&s[0]};

  /* scratch gets its size: growing moves it, and graphs are made again */
  for (guint i = 0; i < 3; i++)
    begin (llava, &s[i], i);
  advance (llava, three, 3);
  for (guint i = 0; i < 3; i++)
    neva_sequence_free (s[i].sequence);
  for (guint i = 0; i < 3; i++)
    begin (llava, &s[i], i);
  for (guint i = 0; i < 7; i++) /* prompts, then six tokens */
    advance (llava, two, 2);
  for (guint i = 0; i < 6; i++) /* tokens beside a prompt, then five */
    advance (llava, three, 3);
  neva_sequence_free (s[1].sequence);
  for (guint i = 0; i < 6; i++)
    advance (llava, others, 2);
  neva_sequence_free (s[2].sequence);
  for (guint i = 0; i < 5; i++)
    advance (llava, one, 1);
  neva_sequence_free (s[0].sequence);
}

static void
check_ids (void)
{
  NevaLlava *llava = load ();
  Stream together[3];

  if (!llava)
    return;
  flow (llava, together);
  for (guint i = 0; i < 3; i++) {
    Stream alone, *only = &alone;

    begin (llava, &alone, i);
    for (guint j = 0; j < together[i].n; j++)
      advance (llava, &only, 1);
    CHECK (together[i].n > 5 && memcmp (alone.ids, together[i].ids,
                                    together[i].n * sizeof *alone.ids) == 0,
        "stream %u: not the ids that it has alone", i);
    neva_sequence_free (alone.sequence);
  }
  neva_llava_free (llava);
}

/* In a process of its own. */
static void
decode (guint streams, guint steps)
{
  NevaLlava *llava = load ();
  Stream s[STREAMS], *all[STREAMS];

  for (guint i = 0; i < streams; i++) {
    begin (llava, &s[i], i);
    all[i] = &s[i];
    advance (llava, &all[i], 1);
  }
  for (guint i = 0; i < steps; i++)
    advance (llava, all, streams);
  for (guint i = 0; i < streams; i++)
    neva_sequence_free (s[i].sequence);
  neva_llava_free (llava);
}

/* ---- Counting ----------------------------------------------------------- */

/* Launches of `launcher` in a report. */
static gint64
launches (const char *report, const char *launcher)
{
  g_auto (GStrv) lines = g_strsplit (report, "\n", -1);
  g_autofree char *start = g_strconcat (launcher, " ", NULL);

  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix (lines[i], start))
      return g_ascii_strtoll (lines[i] + strlen (start), NULL, 10);
  return 0;
}

/* (transfer full): the report of this program with these arguments. */
static char *
report_of (const char *program, const char *first, const char *second)
{
  const char *argv[] = {program, first, second, NULL};
  g_autofree char *path =
      g_build_filename (g_get_tmp_dir (), "neva-batch-XXXXXX", NULL);
  g_auto (GStrv) env = g_get_environ ();
  g_autoptr (GError) error = NULL;
  char *text = NULL;
  int status = -1, fd = g_mkstemp (path);

  env = g_environ_setenv (env, "NEVA_CUDAEMU_REPORT", path, TRUE);
  CHECK (fd >= 0 &&
             g_spawn_sync (NULL, (char **) argv, env, G_SPAWN_DEFAULT, NULL,
                 NULL, NULL, NULL, &status, &error) &&
             g_spawn_check_wait_status (status, &error) &&
             g_file_get_contents (path, &text, NULL, &error),
      "%s: %s", first, error ? error->message : path);
  close (fd);
  remove (path);
  return text ? text : g_strdup ("");
}

/* Of `steps` steps more, after the graph is there. */
static void
check_counts (const char *program)
{
  static const char *const streams[] = {"1", "5"};
  static const char *const launchers[] = {"cudaGraphLaunch", "neva_cuda_matvec",
      "attention_tiles", "neva_cuda_rms_norm", "neva_cuda_rope_store"};
  gint64 more[2][G_N_ELEMENTS (launchers)];

  for (guint i = 0; i < 2; i++) {
    g_autofree char *some = report_of (program, streams[i], "4");
    g_autofree char *many = report_of (program, streams[i], "12");

    for (guint j = 0; j < G_N_ELEMENTS (launchers); j++)
      more[i][j] =
          launches (many, launchers[j]) - launches (some, launchers[j]);
  }
  CHECK (more[0][0] == 8 && more[1][0] == 8, "%d and %d graphs for 8 steps",
      (int) more[0][0], (int) more[1][0]);
  for (guint j = 0; j < G_N_ELEMENTS (launchers); j++)
    CHECK (more[0][j] > 0 && more[0][j] == more[1][j],
        "%s: %d launches for one, %d for five", launchers[j], (int) more[0][j],
        (int) more[1][j]);
}

static void
check_flow (const char *program)
{
  g_autofree char *report = report_of (program, "flow", NULL);
  const gint64 made = launches (report, "cudaGraphInstantiate");
  const gint64 used = launches (report, "cudaGraphLaunch");

  /* of 2, 3 and 1 streams; the first step of each number is plain */
  CHECK (made == 3, "%d graphs were made", (int) made);
  CHECK (used == 5 + 4 + 6 + 4, "%d launches of graphs", (int) used);
}

int
main (int argc, char **argv)
{
  if (!g_getenv ("NEVA_CUDA_LIBRARY")) {
    printf ("SKIP: NEVA_CUDA_LIBRARY does not name the emulation\n");
    return 77;
  }
  if (argc > 2) {
    decode ((guint) CLAMP (atoi (argv[1]), 1, STREAMS),
        (guint) CLAMP (atoi (argv[2]), 1, STEPS));
  } else if (argc > 1) {
    NevaLlava *llava = load ();
    Stream s[3];

    flow (llava, s);
    neva_llava_free (llava);
  } else {
    check_ids ();
    check_counts (argv[0]);
    check_flow (argv[0]);
  }
  return check_finish ();
}
