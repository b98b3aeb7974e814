/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints how well the gates tell events from stillness:
 *
 *   gst-gate-table [SEED [CLIPS [SECONDS [KIND]]]]
 *
 * With NEVA_GATE_MODEL=MODEL instead of that: gate=embedding of that model.
 */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "gate_run.h"

static void
print_row (
    const char *gate, const char *kind, const char *rate, const GateScore *s)
{
  g_print ("| %-6s | %-8s | %-8s | %6u | %6.1f %% | %6u | %6.1f %% |\n", gate,
      kind, rate, s->events, s->events ? 100.0 * s->found / s->events : 100,
      s->still, s->still ? 100.0 * s->skipped / s->still : 100);
}

static void
add (GateScore *sum, const GateScore *s)
{
  sum->events += s->events;
  sum->found += s->found;
  sum->still += s->still;
  sum->skipped += s->skipped;
}

int
main (int argc, char **argv)
{
  static const guint rates[] = {0, 150, 500, 2000};
  const guint32 seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : 1;
  const guint clips = argc > 2 ? (guint) atoi (argv[2]) : 4;
  const double seconds = argc > 3 ? atof (argv[3]) : 60;
  const char *only = argc > 4 ? argv[4] : NULL; /* and says what was wrong */
  const char *model = g_getenv ("NEVA_GATE_MODEL");
  g_autofree char *embedding =
      model ? g_strdup_printf (GATE_RUN_EMBEDDING " model=%s", model) : NULL;
  GateScore motion = {.after = model != NULL}, scene = motion;

  gst_init (NULL, NULL);
  g_print ("seeds %u to %u, clips of %.0f s, windows of 2 s\n\n", seed,
      seed + clips - 1, seconds);
  g_print ("| gate   | what     | kbit/s   | events | found    | still  | "
           "skipped  |\n|---|---|---|---|---|---|---|\n");
  for (guint kind = 0; kind < GATE_N_KINDS; kind++)
    for (guint r = 0; r < G_N_ELEMENTS (rates); r++) {
      const gboolean cut = kind == GATE_CUT;
      g_autofree char *rate =
          rates[r] ? g_strdup_printf ("%u", rates[r]) : g_strdup ("raw");
      const char *name = model ? "embed." : cut ? "scene" : "motion";
      GateScore s = {.after = model != NULL};

      if (only && !g_str_equal (only, gate_kind_name (kind)))
        continue;
      for (guint i = 0; i < clips; i++)
        if (!gate_run (kind, seed + i, seconds, rates[r],
                model ? embedding
                : cut ? "gate=scene"
                      : "gate=motion",
                only != NULL, &s))
          return EXIT_FAILURE;
      print_row (name, gate_kind_name (kind), rate, &s);
      add (cut ? &scene : &motion, &s);
    }
  if (motion.events > 0)
    print_row (model ? "embed." : "motion", "all", "all", &motion);
  if (scene.events > 0)
    print_row (model ? "embed." : "scene", "all", "all", &scene);
  return EXIT_SUCCESS;
}
