/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main () returns while a worker is in the middle of a turn for a model that
 * nobody holds any more: the process does not end before the model is gone. */
#include "config.h"
#include <stdlib.h>
#include <unistd.h>
#include "runtime/leave.h"
#include "runtime_helpers.h"

static gboolean left_in_a_turn;

/* Registered first, so called last. */
static void
look (void)
{
  const guint left = neva_leave_count ();

  if (left_in_a_turn && left == 0)
    return;
  g_printerr ("%u workers are left; in a turn at the end of main: %d\n", left,
      left_in_a_turn);
  _exit (1);
}

int
main (void)
{
  NevaModel *model;
  NevaEmbedding *frame;
  NevaStats stats;

  atexit (look);
  model = must_open ("fake:x?encode=200");
  frame = encode (model, 0, NULL, NULL);
  CHECK (frame != NULL, "no frame");
  do {
    g_usleep (1000);
    neva_model_get_stats (model, &stats);
  } while (stats.queued_frames > 0);
  neva_embedding_unref (frame);
  neva_model_unref (model);
  left_in_a_turn = neva_leave_count () == 1;
  return check_finish ();
}
