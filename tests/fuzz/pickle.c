/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pickles as such: whatever they say, nothing runs, and what is read can be
 * walked by its known structure. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "checkpoint/pickle.h"
#include "fuzz.h"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED ("\x80\x02}(X\1\0\0\0aK\1X\1\0\0\0b]K\2au."),
    FUZZ_SEED ("\x80\x02}(X\1\0\0\0w"
               "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storage"
               "ctorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuJ\4\0\0\0tQK\0"
               "(K\2K\2t(K\2K\1t\x89"
               "ccollections\nOrderedDict\n)RtRu."),
    FUZZ_SEED ("\x80\x02"
               "cposix\nsystem\nX\4\0\0\0true\x85R."),
    FUZZ_SEED ("\x80\x04\x95\4\0\0\0\0\0\0\0N\x94h\0\x86."),
    FUZZ_SEED ("\x80\x02"
               "ccollections\nOrderedDict\n)Rq\0h\0K\1s."),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

/* Values may contain themselves: known depth only. */
static void
walk (const NevaPickleValue *value, guint depth)
{
  if (!value || !depth)
    return;
  fuzz_sink += value->kind + (guint) value->integer;
  for (gsize i = 0; i < value->length; i++)
    fuzz_sink += (guint) value->string[i];
  for (gsize i = 0; i < MIN (value->n_items, 16); i++)
    walk (value->items[i], depth - 1);
  walk (value->callable, depth - 1);
  walk (value->args, depth - 1);
  walk (value->state, depth - 1);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  gsize used = 0;
  g_autoptr (NevaPickle) pickle =
      neva_pickle_read (data, size, "fuzz", &used, &error);

  if (!pickle == !error || used > size)
    abort ();
  if (!pickle)
    return 0;
  walk (neva_pickle_root (pickle), 4);
  neva_pickle_get (neva_pickle_root (pickle), "a");
  neva_pickle_item (neva_pickle_root (pickle), 1);
  return 0;
}
