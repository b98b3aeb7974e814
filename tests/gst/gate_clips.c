/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gates on generated clips that went through H.264: at least 99 % of the
 * events are found, and at least 90 % of the windows without any are skipped.
 * argv[1]: the first seed. gst-gate-table runs more of the same. */
#include "config.h"
#include <stdlib.h>
#include "gate_run.h"

#define SKIP 77
#define SECONDS 30
#define FOUND 0.99
#define SKIPPED 0.90

int
main (int argc, char **argv)
{
  static const guint rates[] = {150, 500, 2000};
  const guint32 seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : 1;
  GstElementFactory *encoder, *decoder;
  GateScore score = {0};
  guint n = 0;

  gst_init (NULL, NULL);
  encoder = gst_element_factory_find ("x264enc");
  decoder = gst_element_factory_find ("avdec_h264");
  if (!encoder || !decoder) {
    g_print ("skipped: x264enc and avdec_h264 are needed\n");
    return SKIP;
  }
  gst_object_unref (encoder);
  gst_object_unref (decoder);

  for (guint kind = 0; kind < GATE_N_KINDS; kind++, n++)
    if (!gate_run (kind, seed + n, SECONDS, rates[n % G_N_ELEMENTS (rates)],
            kind == GATE_CUT ? "gate=scene" : "gate=motion", TRUE, &score))
      return EXIT_FAILURE;
  g_print ("from seed %u: %u of %u events found, %u of %u still windows "
           "skipped\n",
      seed, score.found, score.events, score.skipped, score.still);
  return score.events > 0 && score.still > 0 &&
                 score.found >= FOUND * score.events &&
                 score.skipped >= SKIPPED * score.still
             ? EXIT_SUCCESS
             : EXIT_FAILURE;
}
