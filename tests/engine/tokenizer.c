/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokenizers written here: each feature of tokenizer.json on a vocabulary that
 * a person can follow, files that lie, texts that try to take forever. */
#include "config.h"
#include <glib/gstdio.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "text/tokenizer.h"

#define MARK "\xe2\x96\x81"

static char *folder;

static void
write_file (const char *name, const char *content, gssize length)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (content)
    g_file_set_contents (path, content, length, NULL);
  else
    g_remove (path);
}

static void
remove_all (void)
{
  static const char *const names[] = {"tokenizer.json", "tokenizer.model",
      "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    write_file (names[i], NULL, 0);
}

/* a..z, space and its mark, then a few words that merge. */
#define LETTERS                                                                \
  "\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\" \":5,\"" MARK "\":6,\"ab\":7,"   \
  "\"abc\":8,\"bc\":9,\"1\":10,\"2\":11,\"<unk>\":12,\"Ġ\":13,\"é\":14,"     \
  "\"Ã\":15,\"©\":16,\"" MARK "a\":17"
#define MERGES "[[\"a\",\"b\"],\"b c\",[\"ab\",\"c\"],\"" MARK " a\"]"

static NevaTokenizer *
open_json (const char *rules, const char *model, GError **error)
{
  g_autofree char *text =
      g_strdup_printf ("{%s%s\"model\":{\"type\":\"BPE\",%s\"vocab\":{" LETTERS
                       "},\"merges\":" MERGES "}}",
          rules, *rules ? "," : "", model);

  write_file ("tokenizer.json", text, -1);
  return neva_tokenizer_open (folder, error);
}

static char *
encode (const NevaTokenizer *tokenizer, const char *text)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GError) error = NULL;
  GString *out = g_string_new (NULL);

  if (!neva_tokenizer_encode (tokenizer, text, -1, ids, &error))
    g_string_append (out, error->message);
  for (guint i = 0; i < ids->len; i++)
    g_string_append_printf (
        out, i ? " %d" : "%d", g_array_index (ids, gint32, i));
  return g_string_free (out, FALSE);
}

#define SPLIT(pattern, behavior)                                               \
  "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":" pattern                 \
  ",\"behavior\":\"" behavior "\"}"
#define ADDED(flags)                                                           \
  "\"added_tokens\":[{\"id\":40,\"content\":\"<x>\"," flags "}]"
#define NORMAL(rule) "\"normalizer\":{" rule "}"

static const struct {
  const char *rules, *model, *text, *ids;
} features[] = {
    /* lowest rank first, leftmost among equals: "ab" before "bc" */
    {"", "", "abc", "8"},
    {"", "", "bcabab", "9 7 7"},
    {"", "\"ignore_merges\":true,", "bc", "9"},
    /* what the vocabulary lacks: nothing, unknown, unknown once */
    {"", "", "aza", "0 0"},
    {"", "\"unk_token\":\"<unk>\",", "azza", "0 12 12 0"},
    {"", "\"unk_token\":\"<unk>\",\"fuse_unk\":true,", "azza", "0 12 0"},
    {SPLIT ("{\"String\":\"b\"}", "Isolated"), "", "abc", "0 1 2"},
    {SPLIT ("{\"String\":\"b\"}", "Removed"), "", "abc", "0 2"},
    {SPLIT ("{\"Regex\":\"[b]\"}", "MergedWithPrevious"), "", "abc", "7 2"},
    {SPLIT ("{\"Regex\":\"[b]\"}", "MergedWithNext"), "", "abc", "0 9"},
    {SPLIT ("{\"Regex\":\"c|b\"}", "Contiguous"), "", "abc", "0 9"},
    {SPLIT ("{\"Regex\":\"b\"}", "Removed") ",\"normalizer\":null", "", "bb",
        ""},
    {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"b\"},"
     "\"behavior\":\"Removed\",\"invert\":true}",
        "", "abc", "1"},
    {"\"pre_tokenizer\":{\"type\":\"Digits\",\"individual_digits\":true}", "",
        "ab12", "7 10 11"},
    {"\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}", "", " ab  c ", "7 2"},
    {"\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"b\"}",
        "", "abc", "0 2"},
    {"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"always\"}",
        "", "a a", "17 17"},
    {"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"}"
     "," ADDED ("\"special\":true"),
        "", "a<x>a", "17 40 0"},
    {"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"never\"}",
        "", "a a", "0 17"},
    {"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "",
        "a é", "13 0 13 15 16"},
    {NORMAL ("\"type\":\"NFC\""), "", "e\xcc\x81", "14"},
    {NORMAL ("\"type\":\"NFKC\""), "", "ａ", "0"},
    {NORMAL ("\"type\":\"Lowercase\""), "", "ABC", "8"},
    {NORMAL ("\"type\":\"Strip\""), "", " \t a b\n ", "0 5 1"},
    {NORMAL ("\"type\":\"StripAccents\""), "", "e\xcc\x81", "4"},
    {NORMAL ("\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
             "\"prepend\":\"" MARK "\"},{\"type\":\"Replace\",\"pattern\":"
             "{\"String\":\" \"},\"content\":\"" MARK "\"}]"),
        "", "a a", "17 17"},
    {NORMAL ("\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[xyz]+\"},"
             "\"content\":\"b\""),
        "", "axyzc", "8"},
    /* added tokens */
    {ADDED ("\"special\":true"), "", "ab<x>c", "7 40 2"},
    {ADDED ("\"special\":true"), "", "<x", ""},
    {ADDED ("\"special\":true,\"lstrip\":true"), "", "a <x> a", "0 40 5 0"},
    {ADDED ("\"special\":true,\"rstrip\":true"), "", "a <x> a", "0 5 40 0"},
    {ADDED ("\"special\":true,\"single_word\":true"), "", "a<x>a <x> a",
        "0 0 5 40 5 0"},
    {ADDED ("\"normalized\":true") "," NORMAL ("\"type\":\"Lowercase\""), "",
        "A<X>", "0 40"},
    {ADDED ("\"normalized\":false") "," NORMAL ("\"type\":\"Lowercase\""), "",
        "A<X>", "0"},
};

static void
test_features (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (features); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (NevaTokenizer) tokenizer =
        open_json (features[i].rules, features[i].model, &error);
    g_autofree char *got = tokenizer ? encode (tokenizer, features[i].text)
                                     : g_strdup (error->message);

    CHECK (g_strcmp0 (got, features[i].ids) == 0,
        "row %zu, %s, \"%s\": got %s, want %s", i, features[i].rules,
        features[i].text, got, features[i].ids);
  }
}

static const struct {
  const char *rules, *model;
  int code;
  const char *names;
} refused[] = {
    {NORMAL ("\"type\":\"Precompiled\""), "", NEVA_ERROR_UNSUPPORTED,
        "normalizer type \"Precompiled\""},
    {NORMAL ("\"type\":5"), "", NEVA_ERROR_UNSUPPORTED, "normalizer"},
    {"\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}", "",
        NEVA_ERROR_UNSUPPORTED, "\"UnicodeScripts\""},
    {"\"decoder\":{\"type\":\"WordPiece\"}", "", NEVA_ERROR_UNSUPPORTED,
        "\"WordPiece\""},
    {SPLIT ("{\"Regex\":\"(\"}", "Isolated"), "", NEVA_ERROR_BAD_FILE,
        "regular expression"},
    {SPLIT ("{\"String\":\"\"}", "Isolated"), "", NEVA_ERROR_BAD_FILE,
        "empty pattern"},
    {SPLIT ("{\"String\":\"a\"}", "Sideways"), "", NEVA_ERROR_UNSUPPORTED,
        "\"Sideways\""},
    {"", "\"dropout\":0.1,", NEVA_ERROR_UNSUPPORTED, "dropout"},
    {"", "\"end_of_word_suffix\":\"</w>\",", NEVA_ERROR_UNSUPPORTED,
        "end_of_word_suffix"},
    {"", "\"unk_token\":\"<none>\",", NEVA_ERROR_BAD_FILE, "<none>"},
    {"\"added_tokens\":[{\"id\":0,\"content\":\"<x>\"}]", "",
        NEVA_ERROR_BAD_FILE, "same id 0"},
    {"\"added_tokens\":[{\"id\":-7,\"content\":\"<x>\"}]", "",
        NEVA_ERROR_BAD_FILE, "impossible id"},
    {"\"added_tokens\":[{\"id\":999999999,\"content\":\"<x>\"}]", "",
        NEVA_ERROR_BAD_FILE, "impossible id"},
    {"\"added_tokens\":[3]", "", NEVA_ERROR_BAD_FILE, "added token 0"},
};

static const struct {
  const char *text;
  const char *names;
} broken[] = {
    {"", "tokenizer.json"},
    {"[]", "object"},
    {"{\"model\":{\"type\":\"BPE\"}}", "vocab"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":\"b\"}}}", "\"a\""},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}}", "same id"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}",
        "merge 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\","
     "7]]}}",
        "merge 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}",
        "\"aa\""},
};

/* What stands before half a million brackets, which a recursive parser would
 * follow to the end of its stack. */
static const char *const hiding[] = {"{\"a\":", "{\"a\":/*\"*/",
    "{\"a\":'\"',\"b\":", "{\"a\": // \"\n", "{\"a\": # \"\n"};

static void
test_bad_files (void)
{
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    CHECK (
        !open_json (refused[i].rules, refused[i].model, &error), "row %zu", i);
    CHECK_ERROR (error, refused[i].code, refused[i].names);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (broken); i++) {
    write_file ("tokenizer.json", broken[i].text, -1);
    CHECK (!neva_tokenizer_open (folder, &error), "row %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, broken[i].names);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (hiding); i++) {
    g_autofree char *brackets = g_strnfill (1 << 19, '[');
    g_autofree char *text = g_strconcat (hiding[i], brackets, NULL);

    write_file ("tokenizer.json", text, -1);
    CHECK (!neva_tokenizer_open (folder, &error), "row %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "nested");
  }
  write_file ("tokenizer.json", "{\"model\":{\"type\":\"Unigram\"}}", -1);
  CHECK (!neva_tokenizer_open (folder, &error), "unigram");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "\"Unigram\"");
  write_file ("tokenizer.json", NULL, 0);
  CHECK (!neva_tokenizer_open (folder, &error), "nothing there");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, folder);
  write_file ("tokenizer_config.json", "{\"bos_token\":", -1);
  CHECK (!open_json ("", "", &error), "broken config");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "tokenizer_config.json");
  remove_all ();
}

static void
test_config (void)
{
  g_autoptr (GError) error = NULL;
  const gint32 ids[] = {0, 20, 1, 21, 99, -5, 30};

  write_file ("added_tokens.json", "{\"<image>\":20}", -1);
  write_file ("tokenizer_config.json",
      "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\","
      "\"add_bos_token\":true,\"added_tokens_decoder\":{"
      "\"21\":{\"content\":\"<s>\",\"special\":true},"
      "\"22\":{\"content\":\"</s>\",\"special\":true}}}",
      -1);
  g_autoptr (NevaTokenizer) tokenizer =
      open_json ("\"decoder\":{\"type\":\"Fuse\"}", "", &error);
  CHECK (tokenizer != NULL, "%s", error ? error->message : "");
  if (!tokenizer)
    return;

  CHECK (neva_tokenizer_bos (tokenizer) == 21, "bos");
  CHECK (neva_tokenizer_eos (tokenizer) == 22, "eos");
  CHECK (neva_tokenizer_prompt_bos (tokenizer) == 21, "bos before a prompt");
  CHECK (neva_tokenizer_find (tokenizer, "<image>") == 20, "find");
  CHECK (neva_tokenizer_find (tokenizer, "nothing") == -1, "find");
  CHECK_STR (neva_tokenizer_piece (tokenizer, 20), "<image>");
  CHECK (!neva_tokenizer_piece (tokenizer, 19), "a hole");
  CHECK (!neva_tokenizer_piece (tokenizer, 23), "behind the end");
  CHECK (neva_tokenizer_size (tokenizer) == 23, "size");
  g_autofree char *got = encode (tokenizer, "<s>ab<image></s>");
  CHECK_STR (got, "21 7 20 22");
  g_autofree char *skipped =
      neva_tokenizer_decode (tokenizer, ids, G_N_ELEMENTS (ids), TRUE, NULL);
  g_autofree char *all =
      neva_tokenizer_decode (tokenizer, ids, G_N_ELEMENTS (ids), FALSE, NULL);
  CHECK_STR (skipped, "a<image>b");
  CHECK_STR (all, "a<image>b<s>");
  remove_all ();
}

/* Words of 2^18 letters, expressions that backtrack without end, bytes that
 * are no text. */
static void
test_hostile_texts (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *many = g_strnfill (1 << 18, 'a');
  const gint64 start = g_get_monotonic_time ();

  g_autoptr (NevaTokenizer) plain = open_json ("", "", &error);
  for (gsize i = 1; i < 1 << 18; i += 2)
    many[i] = 'b';
  CHECK (neva_tokenizer_encode (plain, many, -1, ids, &error), "long");
  CHECK (ids->len == 1 << 17, "%u ids", ids->len);

  g_autoptr (NevaTokenizer) slow =
      open_json (SPLIT ("{\"Regex\":\"(a+)+[yz]\"}", "Isolated"), "", &error);
  memset (many, 'a', 1 << 18);
  many[200] = '\0';
  CHECK (!neva_tokenizer_encode (slow, many, -1, ids, &error), "backtracking");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "gave up");
  CHECK (ids->len == 1 << 17, "ids are as they were");

  CHECK (!neva_tokenizer_encode (plain, "ab\xff", -1, ids, &error), "bytes");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "byte 2");
  CHECK (!neva_tokenizer_encode (plain, "a\xe2\x96", -1, ids, &error), "cut");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "byte 1");
  CHECK (neva_tokenizer_encode (plain, "a\0b", 3, ids, &error), "NUL");
  CHECK (ids->len == (1 << 17) + 1, "NUL has no piece here");
  /* generous: an unoptimised sanitizer build on a busy machine */
  CHECK (g_get_monotonic_time () - start < 20 * G_TIME_SPAN_SECOND, "slow");
}

/* Byte pieces <0xNN> that do not make characters. */
static void
test_bytes (void)
{
  static const gint32 ill[] = {0, 1, 2, 3}, well[] = {0, 4, 5, 3};
  g_autoptr (GError) error = NULL;

  write_file ("tokenizer.json",
      "{\"decoder\":{\"type\":\"ByteFallback\"},\"model\":{\"type\":\"BPE\","
      "\"byte_fallback\":true,\"vocab\":{\"a\":0,\"<0xC3>\":1,\"<0x41>\":2,"
      "\"b\":3,\"<0xC2>\":4,\"<0xA9>\":5},\"merges\":[]}}",
      -1);
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (folder, &error);
  CHECK (tokenizer != NULL, "%s", error ? error->message : "");
  if (!tokenizer)
    return;

  g_autofree char *a = neva_tokenizer_decode (tokenizer, ill, 4, FALSE, NULL);
  g_autofree char *b = neva_tokenizer_decode (tokenizer, well, 4, FALSE, NULL);
  g_autofree char *c = encode (tokenizer, "©");
  CHECK_STR (a, "a\xef\xbf\xbd\xef\xbf\xbd"
                "b"); /* the whole run */
  CHECK_STR (b, "a©b");
  CHECK_STR (c, "4 5");

  g_autoptr (NevaDetokenizer) stream = neva_detokenizer_new (tokenizer);
  g_autoptr (GString) text = g_string_new (NULL);
  neva_detokenizer_push (stream, 4, text);
  CHECK_STR (text->str, "");
  neva_detokenizer_push (stream, 5, text);
  CHECK_STR (text->str, "©");
  neva_detokenizer_push (stream, 1, text);
  neva_detokenizer_flush (stream, text);
  CHECK_STR (text->str, "©\xef\xbf\xbd");
  remove_all ();
}

#if HAVE_SENTENCEPIECE
#define PIECE(text, type) /* of one letter */                                  \
  "\x0a\x0a\x0a\x01" text "\x15\x00\x00\x00\x00\x18" type

static void
test_models (void)
{
  static const char good[] = PIECE ("?", "\x02") PIECE ("a", "\x01")
      PIECE ("b", "\x01") PIECE ("X", "\x04") "\x12\x02\x18\x02";
  static const struct {
    const char *bytes;
    gsize length;
    const char *names;
  } bad[] = {
      {"", 0, "no pieces"},
      {"garbage", 7, "truncated"},
      {good, sizeof good - 10, "truncated"},
      {"\x0a\x02\x0a\x00", 4, "piece 0"},
      {"\x0a\x03\x0a\x01\xff", 5, "piece 0"},
      {"\x0a\x08\x0a\x01"
       "a\x15\x00\x00\xc0\x7f",
          10, "score of piece 0"},
      {PIECE ("a", "\x01"), 12, "sentencepiece"}, /* no unknown piece */
      /* a normalisation table shorter than it says, or leading outside */
      {PIECE ("?", "\x02") "\x1a\x06\x12\x04\xff\xff\xff\xff", 20,
          "normalisation table"},
      {PIECE ("?", "\x02") "\x1a\x0c\x12\x0a\x04\x00\x00\x00\x00\xfc\xff\x0fx"
                           "y",
          26, "normalisation table"},
      {PIECE ("?", "\x02") "\x1a\x0d\x12\x0b\x04\x00\x00\x00\x00\xfc\xff\x0fx"
                           "y\x00",
          27, "normalisation table"},
  };
  g_autoptr (GError) error = NULL;

  write_file ("tokenizer.model", good, sizeof good - 1);
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (folder, &error);
  CHECK (tokenizer != NULL, "%s", error ? error->message : "");
  if (tokenizer) {
    g_autofree char *got = encode (tokenizer, "abXzb");

    CHECK_STR (got, "0 1 2 3 0 2"); /* the space in front is unknown, too */
  }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    write_file ("tokenizer.model", bad[i].bytes, (gssize) bad[i].length);
    CHECK (!neva_tokenizer_open (folder, &error), "row %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, bad[i].names);
  }
  /* a json of another kind gives way to the model */
  write_file ("tokenizer.model", good, sizeof good - 1);
  write_file ("tokenizer.json", "{\"model\":{\"type\":\"Unigram\"}}", -1);
  g_autoptr (NevaTokenizer) other = neva_tokenizer_open (folder, &error);
  CHECK (other && neva_tokenizer_size (other) == 4, "gives way");
  remove_all ();
}

/* Tokens added beside a model: text behind one begins with a space only in the
 * legacy behaviour. */
static void
test_model_config (void)
{
  static const char bytes[] =
      "\x0a\x0c\x0a\x03" MARK "\x15\x00\x00\x00\x00\x18"
      "\x01" PIECE ("?", "\x02") PIECE ("a", "\x01") "\x12\x02\x18\x02";
  static const char *const want[] = {"0 2 3 0 2", "0 2 3 2"};

  for (int legacy = 1; legacy >= 0; legacy--) {
    g_autoptr (GError) error = NULL;
    g_autofree char *config = g_strdup_printf (
        "{\"legacy\":%s,\"added_tokens_decoder\":{\"3\":{\"content\":\"<x>\","
        "\"special\":true}}}",
        legacy ? "true" : "false");

    write_file ("tokenizer.model", bytes, sizeof bytes - 1);
    write_file ("tokenizer_config.json", config, -1);
    g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (folder, &error);
    CHECK (tokenizer != NULL, "%s", error ? error->message : "");
    if (!tokenizer)
      continue;
    g_autofree char *got = encode (tokenizer, "a<x>a");
    CHECK_STR (got, want[!legacy]);
  }
  remove_all ();
}
#else
#define test_models()
#define test_model_config()
#endif

int
main (void)
{
  folder = g_dir_make_tmp ("neva-tokenizer-XXXXXX", NULL);
  test_features ();
  test_bad_files ();
  test_config ();
  test_hostile_texts ();
  test_bytes ();
  test_models ();
  test_model_config ();
  remove_all ();
  g_rmdir (folder);
  g_free (folder);
  return check_finish ();
}
