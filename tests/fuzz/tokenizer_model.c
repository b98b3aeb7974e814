/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenizer.model: what opens must encode text. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "text/tokenizer.h"

/* piece { piece: TEXT (n bytes), score: 0, type } */
#define PIECE(size, n, text, type)                                             \
  "\x0a" size "\x0a" n text "\x15\x00\x00\x00\x00\x18" type
#define LETTER(text, type) PIECE ("\x0a", "\x01", text, type)
#define PIECES                                                                 \
  LETTER ("?", "\x02")                                                         \
  LETTER ("a", "\x01")                                                         \
  LETTER ("b", "\x01")                                                         \
  PIECE ("\x0c", "\x03", "\xe2\x96\x81", "\x01")                               \
  PIECE ("\x0c", "\x03", "<s>", "\x03")                                        \
  PIECE ("\x0f", "\x06", "<0x41>", "\x06") LETTER ("X", "\x04")

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED (PIECES "\x12\x02\x18\x02"), /* BPE */
    FUZZ_SEED (PIECES "\x12\x02\x18\x01"), /* unigram */
    FUZZ_SEED (PIECES "\x12\x02\x18\x03"), /* words */
    FUZZ_SEED (PIECES "\x12\x02\x18\x04"), /* characters */
    FUZZ_SEED (PIECES "\x12\x09\x18\x02\x98\x02\x01\xe2\x02\x01?"
                      "\x1a\x06\x18\x00\x20\x01\x28\x01"),
    /* a normalisation table: one unit, one replacement */
    FUZZ_SEED (PIECES "\x12\x02\x18\x02\x1a\x0c\x12\x0a\x04\x00\x00\x00"
                      "\x00\x00\x00\x00"
                      "x\x00"),
    /* a self-test */
    FUZZ_SEED (PIECES "\x12\x02\x18\x02\x22\x08\x0a\x06\x0a\x01"
                      "a\x12\x01"
                      "a"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const texts[] = {
      "", "a b", "abX?A\xcc\x81 <s>\n", "  \xe2\x96\x81 b", "x"};
  const char *folder = fuzz_write_file ("tokenizer.model", data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (folder, &error);

  if (!tokenizer == !error)
    abort ();
  for (gsize i = 0; tokenizer && i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));

    neva_tokenizer_encode (tokenizer, texts[i], -1, ids, NULL);
    g_free (neva_tokenizer_decode (
        tokenizer, (const gint32 *) ids->data, ids->len, FALSE, NULL));
  }
  return 0;
}
