/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Yes or no, from logits over the vocabulary of the model that ships. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "text/yes_no.h"

static gint32
find (const NevaTokenizer *tokenizer, const char *piece)
{
  const gint32 id = neva_tokenizer_find (tokenizer, piece);

  CHECK (id >= 0, "no piece '%s'", piece);
  return id;
}

int
main (void)
{
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";
  g_autofree char *demo = g_build_filename (root, "models", "demo", NULL);
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (demo, NULL);
  const gsize vocab = neva_tokenizer_size (tokenizer);
  g_autoptr (NevaYesNo) yes_no = neva_yes_no_new (tokenizer, vocab, NULL);
  g_autofree float *logits = g_new (float, vocab);
  GError *error = NULL;
  NevaYesNo *none;
  double p;

  CHECK (yes_no, "yes and no can be said");
  for (gsize i = 0; i < vocab; i++)
    logits[i] = 50; /* of words that count for neither */
  for (guint i = 0; i < 2; i++) {
    /* Every token that begins either word is put out, then two come back. */
    for (gint32 id = 0; (gsize) id < vocab; id++) {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      neva_tokenizer_append_bytes (tokenizer, id, TRUE, bytes);
      for (guint k = 0; k < bytes->len; k++)
        if (strchr ("yYnN", bytes->data[k]))
          logits[id] = -INFINITY;
    }
    logits[find (tokenizer, "Yes")] = 1;
    logits[find (tokenizer, "No")] = i ? 1 : -1;
    p = neva_yes_no_probability (yes_no, logits);
    CHECK (fabs (p - (i ? 0.5 : 1 / (1 + exp (-2)))) < 1e-9, "%g", p);
  }
  none = neva_yes_no_new (tokenizer, 5, &error);
  CHECK (!none, "five special tokens");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "no token that begins 'yes'");
  return check_finish ();
}
