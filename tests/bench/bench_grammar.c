/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-grammar: what a grammar costs a token, masking and accepting, over
 * whole answers in JSON of a schema with free texts, for vocabularies of 32,000
 * and 150,000 made-up words. The limit is that of reading and writing the
 * logits. Answers prefer what text is made of: long words, few quotes. */
#include "config.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include "machine_limits.h"
#include "report.h"
#include "text/bytelevel.h"
#include "text/grammar/constraint.h"

enum { ANSWERS = 8, TOKENS = 200 };

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"summary\":{\"type\":\"string\"},"
    "\"objects\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"name\":{\"type\":\"string\"},\"count\":{\"type\":"
    "\"integer\",\"minimum\":0,\"maximum\":99},\"colour\":{\"enum\":[\"red\","
    "\"green\",\"blue\"]}},\"required\":[\"name\",\"count\",\"colour\"]}},"
    "\"alarm\":{\"type\":\"boolean\"}},\"required\":[\"summary\",\"objects\","
    "\"alarm\"]}";

static void
append_word (GRand *rand, GString *word)
{
  static const char *const syllables[] = {"ta", "ren", "o", "mi", "sch", "la",
      "ing", "er", "po", "qu", "é", "st", "u", "1", "\"", ",", "}", ":"};

  if (g_rand_boolean (rand))
    g_string_append_c (word, ' ');
  for (int n = g_rand_int_range (rand, 1, 6); n > 0; n--)
    g_string_append (
        word, syllables[g_rand_int_range (rand, 0, G_N_ELEMENTS (syllables))]);
}

static NevaTokenizer *
make_tokenizer (guint vocab)
{
  g_autofree char *folder = g_dir_make_tmp ("neva-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "tokenizer.json", NULL);
  g_autoptr (GString) json =
      g_string_new ("{\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{"
                    "\"type\":\"BPE\",\"merges\":[],\"vocab\":{");
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  GError *error = NULL;
  NevaTokenizer *tokenizer;

  for (guint id = 0; id < vocab;) {
    g_autoptr (GString) word = g_string_new (NULL), piece = g_string_new (NULL);
    g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
    g_autofree char *text = NULL;

    if (id < 256)
      g_string_append_c (word, (char) id);
    else
      append_word (rand, word);
    neva_bytelevel_encode (word->str, word->len, piece);
    if (!g_hash_table_add (seen, g_strdup (piece->str)))
      continue;
    json_node_set_string (node, piece->str);
    text = json_to_string (node, FALSE);
    g_string_append_printf (json, "%s%s:%u", id ? "," : "", text, id);
    id++;
  }
  g_string_append (json, "}}}");
  g_file_set_contents (path, json->str, -1, NULL);
  tokenizer = neva_tokenizer_open (folder, &error);
  if (!tokenizer)
    g_error ("%s", error->message);
  g_remove (path);
  g_rmdir (folder);
  return tokenizer;
}

/* Longer tokens are liked better, as a model of text does. */
static gint32
choose (GRand *rand, const NevaTokenizer *tokenizer, const float *logits,
    gsize vocab)
{
  gint32 best = -1;
  double score = -1;

  for (guint tries = 0; tries < 4000; tries++) {
    const gint32 id = g_rand_int_range (rand, 0, (gint32) vocab);
    const double s = (double) strlen (neva_tokenizer_piece (tokenizer, id));

    if (!isinf (logits[id]) && s > score) {
      best = id;
      score = s;
      if (tries > 16)
        break;
    }
  }
  for (gint32 id = 0; best < 0 && (gsize) id < vocab; id++)
    if (!isinf (logits[id]))
      best = id;
  return best;
}

static void
measure (guint vocab, double read_gb)
{
  NevaTokenizer *tokenizer = make_tokenizer (vocab);
  NevaConstrainer *constrainer = neva_constrainer_new (tokenizer, vocab);
  g_autoptr (NevaGrammar) grammar = neva_grammar_new_json_schema (schema, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autofree float *logits = g_new0 (float, vocab);
  g_autofree char *name = g_strdup_printf ("grammar-%u", vocab);
  double seconds = 0;
  guint n = 0;

  for (guint a = 0; a < ANSWERS; a++) {
    NevaConstraint *c =
        neva_constraint_new (constrainer, grammar, TOKENS, NULL, 0, NULL);
    gboolean done = FALSE;

    for (guint t = 0; t < TOKENS && !done; t++, n++) {
      double begin;
      gint32 id;

      memset (logits, 0, vocab * sizeof *logits);
      begin = bench_seconds ();
      neva_constraint_apply (c, logits, vocab);
      seconds += bench_seconds () - begin;
      id = choose (rand, tokenizer, logits, vocab);
      begin = bench_seconds ();
      done = neva_constraint_accept (c, id);
      seconds += bench_seconds () - begin;
    }
    neva_constraint_free (c);
  }
  bench_report (
      name, n / seconds, "tokens/s", read_gb * 1e9 / (vocab * 8.0), 0);
  neva_constrainer_free (constrainer);
  neva_tokenizer_free (tokenizer);
}

int
main (void)
{
  const double read_gb = limits_read (1);

  measure (32000, read_gb);
  measure (150000, read_gb);
  return 0;
}
