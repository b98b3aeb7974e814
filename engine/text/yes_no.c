/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <neva/error.h>
#include <string.h>
#include "text/yes_no.h"

struct _NevaYesNo {
  GArray *yes, *no; /* gint32 */
};

/* The token begins the word, or the word and what is no part of a word. */
static gboolean
begins (const GByteArray *bytes, const char *word)
{
  const char *text = (const char *) bytes->data;
  const gsize length = strlen (word);
  gsize n = bytes->len;

  if (n > 0 && *text == ' ') {
    text++;
    n--;
  }
  if (n == 0 || g_ascii_strncasecmp (text, word, MIN (n, length)) != 0)
    return FALSE;
  return n <= length ||
         (!g_ascii_isalnum (text[length]) && (guint8) text[length] < 0x80);
}

NevaYesNo *
neva_yes_no_new (const NevaTokenizer *tokenizer, gsize vocab, GError **error)
{
  g_autoptr (NevaYesNo) self = g_new0 (NevaYesNo, 1);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const gsize n = MIN (vocab, neva_tokenizer_size (tokenizer));

  self->yes = g_array_new (FALSE, FALSE, sizeof (gint32));
  self->no = g_array_new (FALSE, FALSE, sizeof (gint32));
  for (gint32 id = 0; (gsize) id < n; id++) {
    g_byte_array_set_size (bytes, 0);
    neva_tokenizer_append_bytes (tokenizer, id, TRUE, bytes);
    if (begins (bytes, "yes"))
      g_array_append_val (self->yes, id);
    else if (begins (bytes, "no"))
      g_array_append_val (self->no, id);
  }
  if (!self->yes->len || !self->no->len) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "the vocabulary has no token that begins '%s'",
        self->yes->len ? "no" : "yes");
    return NULL;
  }
  return g_steal_pointer (&self);
}

void
neva_yes_no_free (NevaYesNo *self)
{
  if (!self)
    return;

  g_array_unref (self->yes);
  g_array_unref (self->no);
  g_free (self);
}

static double
sum (const GArray *ids, const float *logits, double max)
{
  double total = 0;

  for (guint i = 0; i < ids->len; i++)
    total += exp (logits[g_array_index (ids, gint32, i)] - max);
  return total;
}

static double
largest (const GArray *ids, const float *logits, double max)
{
  for (guint i = 0; i < ids->len; i++)
    max = fmax (max, logits[g_array_index (ids, gint32, i)]);
  return max;
}

double
neva_yes_no_probability (const NevaYesNo *self, const float *logits)
{
  const double max =
      largest (self->no, logits, largest (self->yes, logits, -INFINITY));
  const double yes = sum (self->yes, logits, max);

  return yes / (yes + sum (self->no, logits, max));
}
