/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vocabularies and expected ids that llama.cpp's own test suite uses, in
 * ../shared/tokenizer. A vocabulary is written as tokenizer.json; one with
 * scores also as tokenizer.model, and as json with merges derived from the
 * scores, as transformers' converter does: both ways must give the same ids. */
#include "config.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "text/tokenizer.h"

#define SEPARATOR "\n__ggml_vocab_test__\n"
#define MARK "\xe2\x96\x81"

/* Token types of the format, which are sentencepiece's. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct {
  GPtrArray *tokens, *merges; /* char * */
  GArray *scores;             /* float */
  GArray *types;              /* gint32 */
} Vocab;

/* ---- The file ----------------------------------------------------------- */

typedef struct {
  const guint8 *at, *end;
  gboolean bad;
} Reader;

static guint64
number (Reader *r, gsize bytes)
{
  guint64 value = 0;

  if ((gsize) (r->end - r->at) < bytes) {
    r->bad = TRUE;
    return 0;
  }
  memcpy (&value, r->at, bytes);
  r->at += bytes;
  return value;
}

static char *
string (Reader *r)
{
  const guint64 n = number (r, 8);

  if (r->bad || n > (gsize) (r->end - r->at)) {
    r->bad = TRUE;
    return g_strdup ("");
  }
  r->at += n;
  return g_strndup ((const char *) r->at - n, n);
}

static void
value (Reader *r, const char *key, guint64 type, Vocab *vocab)
{
  static const gsize sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

  if (type == 8) {
    char *text = string (r);

    if (g_str_equal (key, "tokenizer.ggml.tokens"))
      g_ptr_array_add (vocab->tokens, text);
    else if (g_str_equal (key, "tokenizer.ggml.merges"))
      g_ptr_array_add (vocab->merges, text);
    else
      g_free (text);
  } else if (type == 9) {
    const guint64 of = number (r, 4), n = number (r, 8);

    for (guint64 i = 0; i < n && !r->bad; i++)
      value (r, key, of, vocab);
  } else if (type < G_N_ELEMENTS (sizes)) {
    const guint64 bits = number (r, sizes[type]);

    if (g_str_equal (key, "tokenizer.ggml.scores"))
      g_array_append_vals (vocab->scores, &bits, 1);
    else if (g_str_equal (key, "tokenizer.ggml.token_type"))
      g_array_append_vals (vocab->types, &bits, 1);
  } else {
    r->bad = TRUE;
  }
}

static gboolean
read_vocab (const char *path, Vocab *vocab)
{
  g_autofree char *data = NULL;
  gsize size;
  Reader r;
  guint64 n;

  vocab->tokens = g_ptr_array_new_with_free_func (g_free);
  vocab->merges = g_ptr_array_new_with_free_func (g_free);
  vocab->scores = g_array_new (FALSE, FALSE, 4);
  vocab->types = g_array_new (FALSE, FALSE, 4);
  if (!g_file_get_contents (path, &data, &size, NULL))
    return FALSE;

  r = (Reader){(guint8 *) data, (guint8 *) data + size, FALSE};
  number (&r, 8); /* magic, version */
  number (&r, 8); /* tensors */
  n = number (&r, 8);
  for (guint64 i = 0; i < n && !r.bad; i++) {
    g_autofree char *key = string (&r);

    value (&r, key, number (&r, 4), vocab);
  }
  return !r.bad && vocab->tokens->len > 0 &&
         vocab->types->len == vocab->tokens->len;
}

static void
vocab_clear (Vocab *vocab)
{
  g_ptr_array_unref (vocab->tokens);
  g_ptr_array_unref (vocab->merges);
  g_array_unref (vocab->scores);
  g_array_unref (vocab->types);
}

static gint32
type_of (const Vocab *vocab, guint id)
{
  return g_array_index (vocab->types, gint32, id);
}

/* ---- tokenizer.json ----------------------------------------------------- */

static void
append_json (GString *out, const char *text)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
  g_autofree char *quoted = NULL;

  json_node_set_string (node, text);
  quoted = json_to_string (node, FALSE);
  g_string_append (out, quoted);
}

typedef struct {
  float score;
  guint32 left_length, id;
} Derived;

static int
by_score (gconstpointer a, gconstpointer b)
{
  const Derived *x = a, *y = b;

  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return x->left_length < y->left_length ? -1 : 1;
}

/* Every way to make a piece of two, the best score first. */
static void
derive_merges (const Vocab *vocab, GString *out)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (Derived));

  for (guint i = 0; i < vocab->tokens->len; i++)
    if (type_of (vocab, i) == NORMAL)
      g_hash_table_add (known, vocab->tokens->pdata[i]);
  for (guint i = 0; i < vocab->tokens->len; i++) {
    const char *text = vocab->tokens->pdata[i];

    if (type_of (vocab, i) != NORMAL)
      continue;
    for (const char *p = g_utf8_next_char (text); *p;
         p = g_utf8_next_char (p)) {
      g_autofree char *left = g_strndup (text, (gsize) (p - text));
      const Derived d = {
          g_array_index (vocab->scores, float, i), (guint32) (p - text), i};

      if (g_hash_table_contains (known, left) &&
          g_hash_table_contains (known, p))
        g_array_append_val (all, d);
    }
  }
  g_array_sort (all, by_score);
  for (guint i = 0; i < all->len; i++) {
    const Derived *d = &g_array_index (all, Derived, i);
    const char *text = vocab->tokens->pdata[d->id];
    g_autofree char *left = g_strndup (text, d->left_length);

    g_string_append (out, i ? ",[" : "[");
    append_json (out, left);
    g_string_append_c (out, ',');
    append_json (out, text + d->left_length);
    g_string_append_c (out, ']');
  }
}

static GString *
make_json (const Vocab *vocab, const char *rules)
{
  GString *out = g_string_new ("{");
  const gboolean scores = vocab->scores->len > 0;
  const char *comma = "";

  g_string_append_printf (out,
      "%s,\"model\":{\"type\":\"BPE\",\"byte_fallback\":%s,\"fuse_unk\":true,",
      rules, scores ? "true" : "false");
  if (scores)
    g_string_append (out, "\"unk_token\":\"<unk>\",");
  g_string_append (out, "\"vocab\":{");
  for (guint i = 0; i < vocab->tokens->len; i++, comma = ",") {
    g_string_append (out, comma);
    append_json (out, vocab->tokens->pdata[i]);
    g_string_append_printf (out, ":%u", i);
  }
  g_string_append (out, "},\"merges\":[");
  for (guint i = 0; i < vocab->merges->len; i++) {
    g_string_append (out, i ? "," : "");
    append_json (out, vocab->merges->pdata[i]);
  }
  if (scores)
    derive_merges (vocab, out);
  g_string_append (out, "]},\"added_tokens\":[");
  comma = "";
  for (guint i = 0; i < vocab->tokens->len; i++) {
    if (type_of (vocab, i) != CONTROL && type_of (vocab, i) != USER_DEFINED)
      continue;
    g_string_append_printf (out,
        "%s{\"id\":%u,\"special\":%s,\"content\":", comma, i,
        type_of (vocab, i) == CONTROL ? "true" : "false");
    append_json (out, vocab->tokens->pdata[i]);
    g_string_append (out, ",\"normalized\":false}");
    comma = ",";
  }
  g_string_append (out, "]}");
  return out;
}

/* ---- tokenizer.model ---------------------------------------------------- */

static void
append_varint (GString *out, guint64 v)
{
  for (; v >= 0x80; v >>= 7)
    g_string_append_c (out, (char) (v | 0x80));
  g_string_append_c (out, (char) v);
}

static GString *
make_model (const Vocab *vocab)
{
  /* trainer: model_type BPE, byte_fallback; normalizer: no rule, dummy prefix,
   * white space kept */
  static const char specs[] = "\x12\x05\x18\x02\x98\x02\x01"
                              "\x1a\x06\x18\x01\x20\x00\x28\x01";
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < vocab->tokens->len; i++) {
    g_autoptr (GString) piece = g_string_new ("\x0a");
    const char *text = vocab->tokens->pdata[i];
    /* one unknown piece only */
    const gint32 type = i == 0                          ? UNKNOWN
                        : type_of (vocab, i) == UNKNOWN ? UNUSED
                                                        : type_of (vocab, i);

    append_varint (piece, strlen (text));
    g_string_append (piece, text);
    g_string_append_c (piece, '\x15');
    g_string_append_len (
        piece, (char *) &g_array_index (vocab->scores, float, i), 4);
    g_string_append_c (piece, '\x18');
    append_varint (piece, (guint64) type);
    g_string_append_c (out, '\x0a');
    append_varint (out, piece->len);
    g_string_append_len (out, piece->str, (gssize) piece->len);
  }
  return g_string_append_len (out, specs, sizeof specs - 1);
}

/* ---- The check ---------------------------------------------------------- */

static void
check_ids (const char *name, const NevaTokenizer *tokenizer, char **texts,
    char **lines)
{
  guint n = 0;

  for (; texts[n] && lines[n]; n++) {
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
    g_autoptr (GString) got = g_string_new (NULL);
    g_autoptr (GError) error = NULL;

    neva_tokenizer_encode (tokenizer, texts[n], -1, ids, &error);
    for (guint i = 0; i < ids->len; i++)
      g_string_append_printf (got, " %d", g_array_index (ids, gint32, i));
    g_strchomp (lines[n]);
    CHECK (g_str_equal (got->str, lines[n]), "%s: \"%s\":\n  got %s\n  want%s",
        name, texts[n], got->str, lines[n]);
  }
  CHECK (n > 10, "%s: only %u texts", name, n);
  printf ("%s: %u texts\n", name, n);
}

static void
check_written (const char *name, const char *file, const GString *content,
    char **texts, char **lines)
{
  g_autofree char *folder = g_dir_make_tmp ("neva-tokenizer-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autofree char *label = g_strconcat (name, " as ", file, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaTokenizer) tokenizer = NULL;

  g_file_set_contents (path, content->str, (gssize) content->len, NULL);
  tokenizer = neva_tokenizer_open (folder, &error);
  CHECK (tokenizer != NULL, "%s: %s", label, error ? error->message : "");
  if (tokenizer)
    check_ids (label, tokenizer, texts, lines);
  g_remove (path);
  g_rmdir (folder);
}

static void
check_vocab (const char *shared, const char *name, const char *rules)
{
  g_autofree char *path = g_strdup_printf (
      "%s/tokenizer/ggml-vocab-%s.gguf", shared ? shared : "", name);
  g_autofree char *in = g_strconcat (path, ".inp", NULL);
  g_autofree char *out = g_strconcat (path, ".out", NULL);
  g_autofree char *input = NULL, *output = NULL;
  g_auto (GStrv) texts = NULL;
  g_auto (GStrv) lines = NULL;
  Vocab vocab;

  if (!g_file_get_contents (in, &input, NULL, NULL) ||
      !g_file_get_contents (out, &output, NULL, NULL)) {
    printf ("%s is not there\n", in);
    return;
  }
  texts = g_strsplit (input, SEPARATOR, -1);
  lines = g_strsplit (output, "\n", -1);
  CHECK (read_vocab (path, &vocab), "%s", path);
  g_autoptr (GString) json = make_json (&vocab, rules);
  check_written (name, "tokenizer.json", json, texts, lines);
#if HAVE_SENTENCEPIECE
  if (vocab.scores->len > 0) {
    g_autoptr (GString) model = make_model (&vocab);

    check_written (name, "tokenizer.model", model, texts, lines);
  }
#endif
  vocab_clear (&vocab);
}

#define BYTE_LEVEL(regex)                                                      \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":" regex "}"
#define SPLIT(regex)                                                           \
  "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"      \
  "\"" regex "\"}},"
#define SENTENCEPIECE                                                          \
  "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["                    \
  "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"},{\"type\":\"Replace\","     \
  "\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}]},"                \
  "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","    \
  "\"pattern\":{\"String\":\"" MARK "\"},\"content\":\" \"},"                  \
  "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"                           \
  "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"

int
main (void)
{
  const char *shared = check_shared ();

  check_vocab (shared, "gpt-2",
      "\"pre_tokenizer\":" BYTE_LEVEL (
          "true") ",\"decoder\":{\"type\":\"ByteLevel\"}");
  check_vocab (shared, "deepseek-llm",
      "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
      /* the cased letters of every script, as that model's list has them */
      SPLIT ("[\\r\\n]") SPLIT ("\\\\s?[\\\\p{Lu}\\\\p{Ll}\\\\p{Lt}]+")
          SPLIT ("\\\\s?[!-/:-~！-／：-～‘-‟　-。]+") SPLIT ("\\\\s+$") SPLIT (
              "[一-龥ࠀ-一가-퟿]+") SPLIT ("\\\\p{N}+")
              BYTE_LEVEL ("false") "]},\"decoder\":{\"type\":\"ByteLevel\"}");
  check_vocab (shared, "llama-spm", SENTENCEPIECE);
  check_vocab (shared, "phi-3", SENTENCEPIECE);
  return check_finish ();
}
