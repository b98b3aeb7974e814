/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model.safetensors: every byte of every tensor that opens must be there. */
#include "config.h"
#include <stdlib.h>
#include "checkpoint/safetensors.h"
#include "fuzz.h"

#define LENGTH(byte) byte "\x00\x00\x00\x00\x00\x00\x00"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED (LENGTH ("\x02") "{}"),
    FUZZ_SEED (LENGTH ("\x38") "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
                               "\"data_offsets\":[0,4]}}     "
                               "\x00\x00\x80\x3f"),
    FUZZ_SEED (LENGTH ("\x80") "{\"__metadata__\":{\"k\":\"v\\u00e9\\n\"},"
                               "\"a.b\":{\"dtype\":\"BF16\",\"shape\":[2,1],"
                               "\"data_offsets\":[0,4]},\"c\":{\"dtype\":"
                               "\"U8\",\"shape\":[],\"data_offsets\":[4,5]}}"
                               "  "
                               "12345"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const char *folder = fuzz_write_file ("model.safetensors", data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaSafetensors) st = neva_safetensors_open (folder, &error);
  g_autofree const char **names = st ? neva_safetensors_names (st) : NULL;

  if (!st == !error)
    abort ();
  for (gsize i = 0; names && names[i]; i++) {
    const NevaTensorView *view = neva_safetensors_find (st, names[i]);
    const guint8 *bytes = view ? view->data : NULL;

    if (!view)
      abort ();
    for (gsize k = 0; k < view->bytes; k++)
      fuzz_sink += bytes[k];
  }
  return 0;
}
