/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A torch.save archive, and the same bytes as a bare pickle. */
#include "config.h"
#include <stdlib.h>
#include "checkpoint/pickle.h"
#include "checkpoint/torch_archive.h"
#include "fuzz.h"

/* a stored zip of one member "a/data.pkl" that holds the pickle of {} */
#define LOCAL                                                                  \
  "PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"         \
  "\x04\x00\x00\x00\x04\x00\x00\x00\x0a\x00\x00\x00"                           \
  "a/data.pkl\x80\x02}."
#define CENTRAL                                                                \
  "PK\x01\x02\x14\x00\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" \
  "\x04\x00\x00\x00\x04\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"   \
  "\x00\x00\x00\x00\x00\x00\x00\x00"                                           \
  "a/data.pkl"
#define END                                                                    \
  "PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x38\x00\x00\x00\x2c\x00\x00\x00" \
  "\x00\x00"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED (LOCAL CENTRAL END),
    FUZZ_SEED ("\x80\x02}q\x00X\x01\x00\x00\x00wq\x01K\x05s."),
    FUZZ_SEED ("\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00((X\x07\x00\x00"
               "\x00storageq\x01"
               "ctorch\nFloatStorage\nq\x02X\x01\x00\x00\x00"
               "0q\x03X\x03\x00\x00\x00"
               "cpuq\x04K\x04tq\x05QK\x00K\x02K\x02\x86q\x06K\x02K\x01\x86q\x07"
               "\x89"
               "ccollections\nOrderedDict\nq\x08)Rq\x09tq\x0aRq\x0b."),
    FUZZ_SEED ("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01M\x02"
               "\x03J\x04\x05\x06\x07G?\xf0\x00\x00\x00\x00\x00\x00N\x88\x8c"
               "\x01x\x94\x65."),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL, other = NULL;
  NevaTorchArchive *archive =
      neva_torch_archive_read (data, size, "input", &error);
  const GPtrArray *tensors =
      archive ? neva_torch_archive_tensors (archive) : NULL;
  g_autoptr (NevaPickle) pickle = NULL;

  if (!archive == !error)
    abort ();
  for (guint i = 0; tensors && i < tensors->len; i++) {
    const NevaTensorView *view = tensors->pdata[i];
    const guint8 *bytes = view->data;

    for (gsize k = 0; k < view->bytes; k++)
      fuzz_sink += bytes[k];
  }
  if (archive)
    neva_torch_archive_free (archive);
  pickle = neva_pickle_read (data, size, "input", NULL, &other);
  if (!pickle == !other)
    abort ();
  return 0;
}
