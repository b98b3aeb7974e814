/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The demo model's tokenizer.model as NeMo has it from Hugging Face. What is
 * expected comes from LlamaTokenizer of transformers 4.45.2 with the same
 * configuration: convert_tokens_to_ids (tokenize (text)), and back by
 * convert_tokens_to_string without the tokens of all_special_tokens. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "text/tokenizer.h"

#define MARK "\xe2\x96\x81"

static const struct {
  gboolean legacy;
  const char *text; /* NULL: decoding alone */
  const char *ids, *decoded;
} rows[] = {{FALSE, "a red ball", "268 390 544", "a red ball"},
    {FALSE, "<img>a red", "583 640 585 390", "<img>a red"},
    {FALSE, "<plain>a red", "583 641 585 390", "<plain>a red"},
    {FALSE, "<plain>", "583 641", "<plain>"}, {FALSE, "<s>a", "1 585", "a"},
    {FALSE, "  two", "583 583 522", "  two"},
    {FALSE, MARK "red", "583 390", " red"},
    {FALSE, "red<img> ball", "390 640 544", "red<img> ball"},
    {FALSE, " <plain>x", "583 583 641 125", " <plain>x"},
    {FALSE, "\n", "583 15", "\n"}, {FALSE, NULL, "583 390", " red"},
    {FALSE, NULL, "390 544", "red ball"}, {FALSE, NULL, "583 583 390", "  red"},
    {FALSE, NULL, "640 390", "<img> red"},
    {FALSE, NULL, "641 390", "<plain> red"},
    {FALSE, NULL, "2 583 200 174", "\xc3\xa9"},
    {TRUE, "a red ball", "585 390 544", "a red ball"},
    {TRUE, "<img>a red", "640 585 390", "<img>a red"},
    {TRUE, "<plain>", "641", "<plain>"}, {TRUE, "<s>a", "1 585", "a"},
    {TRUE, "  two", "583 522", " two"}, {TRUE, MARK "red", "390", "red"},
    {TRUE, "red<img> ball", "389 640 544", "red<img> ball"},
    {TRUE, " <plain>x", "583 641 125", "<plain>x"}, {TRUE, "\n", "15", "\n"},
    {TRUE, NULL, "583 390", " red"}, {TRUE, NULL, "583 583 390", "  red"},
    {TRUE, NULL, "641 390", "<plain> red"},
    {TRUE, NULL, "2 583 200 174", "\xc3\xa9"}};

static NevaTokenizer *
open_tokenizer (gboolean legacy)
{
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *path = g_build_filename (
      source ? source : ".", "models", "demo", "tokenizer.model", NULL);
  g_autofree char *config = g_strdup_printf (
      "{\"legacy\": %s, \"bos_token\": \"<s>\", \"eos_token\": \"</s>\", "
      "\"unk_token\": \"<unk>\", \"" NEVA_NEMO_TOKENS "\": [], "
      "\"added_tokens_decoder\": {"
      "\"640\": {\"content\": \"<img>\", \"special\": true}, "
      "\"641\": {\"content\": \"<plain>\", \"normalized\": false}}}",
      legacy ? "true" : "false");
  g_autoptr (NevaFileSet) files = neva_file_set_new ("slow");
  g_autoptr (GBytes) model_bytes = NULL,
                     config_bytes = g_bytes_new (config, strlen (config));
  char *model;
  gsize size;

  if (!g_file_get_contents (path, &model, &size, NULL))
    return NULL;
  model_bytes = g_bytes_new_take (model, size);
  neva_file_set_add (files, "tokenizer.model", model_bytes);
  neva_file_set_add (files, "tokenizer_config.json", config_bytes);
  return neva_tokenizer_open_files (files, FALSE, NULL);
}

static char *
encoded (const NevaTokenizer *tokenizer, const char *text)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GError) error = NULL;
  GString *out = g_string_new (NULL);

  CHECK (neva_tokenizer_encode (tokenizer, text, -1, ids, &error), "%s",
      error ? error->message : "");
  for (guint i = 0; i < ids->len; i++)
    g_string_append_printf (
        out, "%s%d", i ? " " : "", g_array_index (ids, gint32, i));
  return g_string_free (out, FALSE);
}

static char *
decoded (const NevaTokenizer *tokenizer, const char *ids)
{
  g_auto (GStrv) words = g_strsplit (ids, " ", -1);
  gint32 values[16];
  gsize n = 0;

  for (; words[n]; n++)
    values[n] = atoi (words[n]);
  return neva_tokenizer_decode_unnamed (tokenizer, values, n);
}

int
main (void)
{
  g_autoptr (NevaTokenizer) now = open_tokenizer (FALSE);
  g_autoptr (NevaTokenizer) then = open_tokenizer (TRUE);

  if (!now || !then) {
    printf ("SKIP: no sentencepiece, or no demo model\n");
    return 77;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const NevaTokenizer *tokenizer = rows[i].legacy ? then : now;
    g_autofree char *ids =
        rows[i].text ? encoded (tokenizer, rows[i].text) : NULL;
    g_autofree char *text = decoded (tokenizer, rows[i].ids);

    if (ids)
      CHECK_STR (ids, rows[i].ids);
    CHECK_STR (text, rows[i].decoded);
  }
  return check_finish ();
}
