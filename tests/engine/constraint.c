/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grammars over tokens: whatever a model prefers, however few tokens it has,
 * what comes out is a sentence. Random vocabularies of words and all bytes;
 * random logits; each mask against trying every token by itself. */
#include "config.h"
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <json-glib/json-glib.h>
#include <neva/error.h>
#include "accepts.h"
#include "check.h"
#include "text/bytelevel.h"
#include "text/grammar/constraint.h"

enum { WORDS = 400 };

static GRand *rand_;

/* ---- A vocabulary ------------------------------------------------------- */

static const char *const parts[] = {"{", "}", "[", "]", "\"", ":", ",", " ",
    "name", "a", "colour", "red", "é", "😀", "1", "20", "-", "true", "fal", "se",
    "null", "\\", "\\n", "yes", "no", "."};

static void
append_entry (GString *json, const char *piece, guint id)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
  g_autofree char *text = NULL;

  json_node_set_string (node, piece);
  text = json_to_string (node, FALSE);
  g_string_append_printf (json, "%s%s:%u", id ? "," : "", text, id);
}

/* 256 bytes, words of a few parts (some cut within a character), an end. */
static NevaTokenizer *
make_tokenizer (void)
{
  g_autofree char *folder = g_dir_make_tmp ("neva-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "tokenizer.json", NULL);
  g_autoptr (GString) json = g_string_new ("{\"model\":{\"type\":\"BPE\","
                                           "\"vocab\":{");
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GError *error = NULL;
  NevaTokenizer *tokenizer;
  guint id = 0;

  while (id < 256 + WORDS) {
    g_autoptr (GString) word = g_string_new (NULL), piece = g_string_new (NULL);

    if (id < 256) {
      g_string_append_c (word, (char) id);
    } else {
      for (int n = g_rand_int_range (rand_, 1, 5); n > 0; n--)
        g_string_append (
            word, parts[g_rand_int_range (rand_, 0, G_N_ELEMENTS (parts))]);
      if (g_rand_int_range (rand_, 0, 4) == 0)
        g_string_truncate (word, word->len - 1);
    }
    neva_bytelevel_encode (word->str, word->len, piece);
    if (!piece->len || !g_hash_table_add (seen, g_strdup (piece->str)))
      continue;
    append_entry (json, piece->str, id++);
  }
  append_entry (json, "<end>", id);
  g_string_append_printf (json,
      "},\"merges\":[]},\"decoder\":{\"type\":\"ByteLevel\"},"
      "\"added_tokens\":[{\"id\":%u,\"content\":\"<end>\",\"special\":true}]}",
      id);
  g_file_set_contents (path, json->str, -1, NULL);
  tokenizer = neva_tokenizer_open (folder, &error);
  CHECK (tokenizer, "%s", error ? error->message : "");
  g_remove (path);
  g_rmdir (folder);
  return tokenizer;
}

/* ---- Answers ------------------------------------------------------------ */

/* How many masked or kept tokens should not be so: with a token that is kept
 * the text may become a sentence in time. */
static guint
wrong_tokens (NevaGrammar *grammar, const NevaTokenizer *tokenizer,
    const char *text, const float *logits, gint32 stop, guint left)
{
  g_autoptr (NevaAutomaton) automaton =
      neva_automaton_new (grammar, NULL, g_free);
  NevaReadings *start = neva_automaton_start (automaton);
  guint wrong = 0;

  for (; *text; text++)
    start = neva_automaton_next (automaton, start, (guint8) *text);
  for (gint32 id = 0; id < stop; id++) {
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    NevaReadings *at = start;

    neva_tokenizer_append_bytes (tokenizer, id, FALSE, bytes);
    for (guint i = 0; i < bytes->len; i++)
      at = neva_automaton_next (automaton, at, bytes->data[i]);
    wrong += (at->cost <= left) != !isinf (logits[id]);
  }
  return wrong + (start->complete != !isinf (logits[stop]));
}

/* The same answer in bits. */
static void
check_allowed (NevaConstraint *constraint, const float *logits, gsize vocab)
{
  const guint64 *allowed = neva_constraint_allowed (constraint);
  gsize bad = 0;

  for (gsize i = 0; i < vocab; i++)
    bad += (allowed[i / 64] >> i % 64 & 1) != !isinf (logits[i]);
  CHECK (bad == 0, "%zu of %zu bits differ", bad, vocab);
}

/* One answer of a model that prefers what it likes; returns the text. */
static char *
answer (NevaConstrainer *constrainer, const NevaTokenizer *tokenizer,
    NevaGrammar *grammar, guint max_tokens, gboolean check_masks)
{
  const gsize vocab = neva_tokenizer_size (tokenizer);
  const gint32 stop = (gint32) vocab - 1;
  GError *error = NULL;
  g_autoptr (NevaConstraint) constraint =
      neva_constraint_new (constrainer, grammar, max_tokens, &stop, 1, &error);
  g_autofree float *logits = g_new (float, vocab);
  GString *text = g_string_new (NULL);

  CHECK (constraint, "%s", error ? error->message : "");
  for (guint n = 0; constraint && n < max_tokens; n++) {
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    gint32 best = -1;

    for (gsize i = 0; i < vocab; i++)
      logits[i] = (float) g_rand_double (rand_);
    neva_constraint_apply (constraint, logits, vocab);
    check_allowed (constraint, logits, vocab);
    for (gsize i = 0; i < vocab; i++)
      if (!isinf (logits[i]) && (best < 0 || logits[i] > logits[best]))
        best = (gint32) i;
    CHECK (!check_masks || !wrong_tokens (grammar, tokenizer, text->str, logits,
                               stop, max_tokens - n - 1),
        "after '%s'", text->str);
    CHECK (best >= 0, "nothing may follow '%s'", text->str);
    if (best < 0 || best == stop)
      break;
    neva_tokenizer_append_bytes (tokenizer, best, n == 0, bytes);
    g_string_append_len (text, (const char *) bytes->data, bytes->len);
    if (neva_constraint_accept (constraint, best))
      break;
  }
  return g_string_free (text, FALSE);
}

static const char *const grammars[] = {
    "root ::= \"yes\" | \"no\" | \"yes.\"",
    "root ::= (\"a\" | \"é\" | \"😀\")+ \".\"",
    "root ::= \"[\" root* \"]\"",
    "root ::= . root? .",
};

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
    "\"colour\":{\"enum\":[\"red\",\"blue\"]},\"n\":{\"type\":\"integer\","
    "\"minimum\":-5,\"maximum\":220},\"list\":{\"type\":\"array\",\"items\":{"
    "\"$ref\":\"#\"}}},\"required\":[\"name\",\"n\"],"
    "\"additionalProperties\":{\"type\":\"boolean\"}}";

static void
test_answers (NevaConstrainer *constrainer, const NevaTokenizer *tokenizer)
{
  g_autoptr (NevaGrammar) json = neva_grammar_new_json_schema (schema, NULL);

  for (guint g = 0; g < G_N_ELEMENTS (grammars); g++) {
    g_autoptr (NevaGrammar) grammar = neva_grammar_new_gbnf (grammars[g], NULL);

    for (guint i = 0; i < 20; i++) {
      g_autofree char *text = answer (constrainer, tokenizer, grammar,
          (guint) g_rand_int_range (rand_, 8, 24), i < 2);

      CHECK (accepts (grammar, text), "%s: '%s'", grammars[g], text);
      CHECK (g_utf8_validate (text, -1, NULL), "%s: '%s'", grammars[g], text);
    }
  }
  for (guint i = 0; i < 60; i++) {
    g_autofree char *text = answer (constrainer, tokenizer, json,
        (guint) g_rand_int_range (rand_, 20, 120), i < 2);
    g_autoptr (JsonParser) parser = json_parser_new ();
    GError *error = NULL;

    CHECK (accepts (json, text), "'%s'", text);
    CHECK (json_parser_load_from_data (parser, text, -1, &error), "%s: %s",
        text, error->message);
  }
}

/* Too few tokens for the shortest sentence; nothing to spell it with. */
static void
test_refusals (NevaConstrainer *constrainer)
{
  g_autoptr (NevaGrammar) grammar =
      neva_grammar_new_gbnf ("root ::= \"yes\"", NULL);
  GError *error = NULL;

  CHECK (!neva_constraint_new (constrainer, grammar, 2, NULL, 0, &error),
      "two tokens for three bytes");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "max-tokens 2");
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  NevaTokenizer *tokenizer;
  NevaConstrainer *constrainer;

  rand_ = g_rand_new_with_seed ((guint32) seed);
  tokenizer = make_tokenizer ();
  if (tokenizer) {
    constrainer =
        neva_constrainer_new (tokenizer, neva_tokenizer_size (tokenizer));
    test_answers (constrainer, tokenizer);
    test_refusals (constrainer);
    neva_constrainer_free (constrainer);
    neva_tokenizer_free (tokenizer);
  }
  g_rand_free (rand_);
  return check_finish ();
}
