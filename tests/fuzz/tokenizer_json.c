/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenizer.json 0xff tokenizer_config.json 0xff text: what opens must encode
 * any text and decode what it encoded, streaming as well. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "text/tokenizer.h"

#define MARK "\xe2\x96\x81"
#define VOCAB                                                                  \
  "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"byte_fallback\":"     \
  "true,\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3,\"" MARK "\":4,"       \
  "\"<0x41>\":5,\"Ġ\":6},\"merges\":[\"a b\",[\"a\",\"b\"]]}"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED ("{" VOCAB "}\xff{}\xff"
               "ab AB"),
    FUZZ_SEED (
        "{\"added_tokens\":[{\"id\":9,\"content\":\"<x>\",\"special\":true,"
        "\"lstrip\":true,\"rstrip\":true,\"single_word\":true},{\"id\":10,"
        "\"content\":\"y\",\"normalized\":true}],\"normalizer\":{\"type\":"
        "\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":"
        "\"Prepend\",\"prepend\":\"" MARK "\"},{\"type\":\"Replace\","
        "\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"},{\"type\":"
        "\"Lowercase\"},{\"type\":\"Strip\"}]},\"decoder\":{\"type\":"
        "\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
        "\"String\":\"" MARK "\"},\"content\":\" \"},{\"type\":\"ByteFallback\""
        "},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":"
        "1,\"stop\":0}]}," VOCAB "}\xff{\"bos_token\":{\"content\":\"<x>\"},"
        "\"eos_token\":\"a\",\"added_tokens_decoder\":{\"12\":{\"content\":"
        "\"<z>\"}}}\xff <x> a\xcc\x81 b\xff\x80 y"),
    FUZZ_SEED (
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\""
        ":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t)|\\\\p{N}{1,3}|"
        "\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},"
        "{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}]},"
        "\"decoder\":{\"type\":\"ByteLevel\"}," VOCAB "}\xff{}\xff"
        "it's 1234   ab\n\n"),
    FUZZ_SEED ("{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
               "\"" MARK "\",\"prepend_scheme\":\"first\",\"split\":true},"
               "\"decoder\":{\"type\":\"Metaspace\"},\"post_processor\":{"
               "\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
               "{\"id\":\"a\"}}]}," VOCAB "}\xff{}\xff a b"),
    FUZZ_SEED ("/*\"*/[[[[[[{'"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static void
round_trip (const NevaTokenizer *tokenizer, const char *text, gsize length)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (NevaDetokenizer) stream = neva_detokenizer_new (tokenizer);
  g_autoptr (GString) streamed = g_string_new (NULL);
  g_autofree char *decoded = NULL;

  if (!neva_tokenizer_encode (tokenizer, text, (gssize) length, ids, NULL))
    return;
  for (guint i = 0; i < ids->len; i++) {
    const gint32 id = g_array_index (ids, gint32, i);

    if (!neva_tokenizer_piece (tokenizer, id))
      abort ();
    neva_detokenizer_push (stream, id, streamed);
  }
  neva_detokenizer_flush (stream, streamed);
  decoded = neva_tokenizer_decode (
      tokenizer, (const gint32 *) ids->data, ids->len, TRUE, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const names[] = {
      "tokenizer.json", "tokenizer_config.json", NULL};
  const guint8 *text;
  gsize length;
  const char *folder = fuzz_write_folder (names, data, size, &text, &length);
  g_autoptr (NevaTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;

  tokenizer = neva_tokenizer_open (folder, &error);
  if (!tokenizer == !error)
    abort ();
  if (tokenizer) {
    round_trip (tokenizer, (const char *) text, MIN (length, 4096));
    round_trip (tokenizer, "aab b<x>\n", 9);
  }
  return 0;
}
