/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "token_table.h"

static int
compare (const void *a, const void *b)
{
  const NevaTokenBytes *x = a, *y = b;
  const int order = memcmp (x->bytes, y->bytes, MIN (x->length, y->length));

  if (order)
    return order;
  return x->length < y->length ? -1 : x->length > y->length;
}

/* Sorted neighbours share most: how much, and where each byte begins. */
static void
link_neighbours (NevaTokenTable *self)
{
  guint bucket = 0;

  for (guint i = 0; i < self->sorted->len; i++) {
    NevaTokenBytes *it = &g_array_index (self->sorted, NevaTokenBytes, i);

    while (bucket <= it->bytes[0])
      self->bucket[bucket++] = i;
    if (i > 0) {
      const guint32 most = MIN (it[-1].length, it->length);

      while (it->common < most &&
             it[-1].bytes[it->common] == it->bytes[it->common])
        it->common++;
    }
    if (it->length == 1)
      self->spellable[it->bytes[0]] = TRUE;
  }
  while (bucket <= 256)
    self->bucket[bucket++] = self->sorted->len;
}

NevaTokenTable *
neva_token_table_new (
    const NevaTokenizer *tokenizer, gsize vocab, gboolean first)
{
  NevaTokenTable *self = g_new0 (NevaTokenTable, 1);
  const gsize n = MIN (vocab, neva_tokenizer_size (tokenizer));
  gsize offset = 0;

  self->sorted = g_array_new (FALSE, TRUE, sizeof (NevaTokenBytes));
  self->store = g_byte_array_new ();
  for (gsize id = 0; id < n; id++) {
    const guint before = self->store->len;
    NevaTokenBytes it = {.id = (gint32) id};

    neva_tokenizer_append_bytes (tokenizer, it.id, first, self->store);
    it.length = self->store->len - before;
    if (it.length > 0)
      g_array_append_val (self->sorted, it);
  }

  /* The store no longer moves. */
  for (guint i = 0; i < self->sorted->len; i++) {
    NevaTokenBytes *it = &g_array_index (self->sorted, NevaTokenBytes, i);

    it->bytes = self->store->data + offset;
    offset += it->length;
  }
  g_array_sort (self->sorted, compare);
  link_neighbours (self);
  return self;
}

void
neva_token_table_free (NevaTokenTable *self)
{
  if (!self)
    return;

  g_array_unref (self->sorted);
  g_byte_array_unref (self->store);
  g_free (self);
}
