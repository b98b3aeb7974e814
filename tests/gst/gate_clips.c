/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gates on generated clips that went through H.264: at least 99 % of the
 * events are found, and at least 90 % of the windows without any are skipped;
 * by motion and scene together, and by embedding with the demo model.
 * argv[1]: the first seed. gst-gate-table runs more of the same. */
#include "config.h"
#include <stdlib.h>
#include "gate_run.h"

#define SKIP 77
#define SECONDS 30
#define FOUND 0.99
#define SKIPPED 0.90

/* embedding: ! nevaencoder …, or NULL: gates of the sampler. Returns: FALSE,
 * with a word on stderr, when the pipeline fails, or too little was found or
 * skipped. */
static gboolean
run (guint32 seed, const char *embedding)
{
  static const guint rates[] = {150, 500, 2000};
  GateScore score = {.after = embedding != NULL};
  const char *name = embedding ? "embedding" : "motion, scene";

  for (guint kind = 0; kind < GATE_N_KINDS; kind++)
    if (!gate_run (kind, seed + kind, SECONDS,
            rates[kind % G_N_ELEMENTS (rates)],
            embedding          ? embedding
            : kind == GATE_CUT ? "gate=scene"
                               : "gate=motion",
            TRUE, &score))
      return FALSE;
  g_print ("%s from seed %u: %u of %u events found, %u of %u still windows "
           "skipped\n",
      name, seed, score.found, score.events, score.skipped, score.still);
  return score.events > 0 && score.still > 0 &&
         score.found >= FOUND * score.events &&
         score.skipped >= SKIPPED * score.still;
}

int
main (int argc, char **argv)
{
  const guint32 seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : 1;
  const char *source = g_getenv ("NEVA_SOURCE");
  GstElementFactory *encoder, *decoder;
  g_autofree char *embedding = NULL;
  gboolean ok;

  gst_init (NULL, NULL);
  if (!source) {
    g_printerr ("NEVA_SOURCE is not set\n");
    return EXIT_FAILURE;
  }
  encoder = gst_element_factory_find ("x264enc");
  decoder = gst_element_factory_find ("avdec_h264");
  if (!encoder || !decoder) {
    g_print ("skipped: x264enc and avdec_h264 are needed\n");
    return SKIP;
  }
  gst_object_unref (encoder);
  gst_object_unref (decoder);

  embedding =
      g_strdup_printf (GATE_RUN_EMBEDDING " model=%s/models/demo", source);
  ok = run (seed, NULL);
  ok = run (seed, embedding) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
