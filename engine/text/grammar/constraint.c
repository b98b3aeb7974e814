/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mask is computed once for each set of readings and kept with it. Only near
 * the end of the budget, where not every token of a mask leaves room to finish,
 * is one computed for the step. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "automaton.h"
#include "constraint.h"
#include "token_table.h"

enum { MAX_MEMORY = 64 << 20, MAX_IDLE = 4 };

typedef struct {
  guint32 cost; /* bytes that the most expensive of its tokens leaves to do */
  guint64 bits[];
} Mask;

/* A grammar that answers use, or used not long ago. */
typedef struct {
  NevaAutomaton *automaton;
  NevaReadings *start;
  Mask *first;     /* of the first token; NULL: not yet computed */
  GPtrArray *live; /* NevaConstraint, borrowed */
} Entry;

struct _NevaConstrainer {
  const NevaTokenizer *tokenizer;
  gsize vocab;
  NevaTokenTable *table, *first; /* first: of the first token of a text */
  GPtrArray *entries;            /* Entry, the last used at the end */
  GPtrArray *path;               /* NevaReadings, scratch of compute () */
  Mask *scratch;
};

struct _NevaConstraint {
  NevaConstrainer *constrainer;
  Entry *entry;
  NevaReadings *at;
  gint32 *stop_ids;
  gsize n_stop_ids;
  guint64 *allowed;  /* of the next token; NULL until asked for */
  guint32 remaining; /* tokens */
  gboolean started;
};

/* ---- Constrainer -------------------------------------------------------- */

static Mask *
mask_new (const NevaConstrainer *self)
{
  return g_malloc0 (sizeof (Mask) + (self->vocab + 63) / 64 * sizeof (guint64));
}

static void
entry_clear (Entry *entry)
{
  g_clear_pointer (&entry->first, g_free);
  g_clear_pointer (&entry->automaton, neva_automaton_free);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  entry_clear (entry);
  g_ptr_array_unref (entry->live);
  g_free (entry);
}

NevaConstrainer *
neva_constrainer_new (const NevaTokenizer *tokenizer, gsize vocab)
{
  NevaConstrainer *self = g_new0 (NevaConstrainer, 1);

  self->tokenizer = tokenizer;
  self->vocab = vocab;
  self->entries = g_ptr_array_new_with_free_func (entry_free);
  self->path = g_ptr_array_new ();
  return self;
}

void
neva_constrainer_free (NevaConstrainer *self)
{
  if (!self)
    return;

  g_ptr_array_unref (self->entries);
  g_ptr_array_unref (self->path);
  neva_token_table_free (self->table);
  neva_token_table_free (self->first);
  g_free (self->scratch);
  g_free (self);
}

/* Seldom needed, and some megabytes: made by the first answer. */
static void
need_tables (NevaConstrainer *self)
{
  if (self->table)
    return;
  self->table = neva_token_table_new (self->tokenizer, self->vocab, FALSE);
  self->first = neva_token_table_new (self->tokenizer, self->vocab, TRUE);
  self->scratch = mask_new (self);
}

static void
entry_begin (NevaConstrainer *self, Entry *entry, NevaGrammar *grammar)
{
  entry->automaton =
      neva_automaton_new (grammar, self->table->spellable, g_free);
  entry->start = neva_automaton_start (entry->automaton);
}

static Entry *
find_entry (NevaConstrainer *self, NevaGrammar *grammar)
{
  Entry *entry;
  guint idle = 0;

  for (guint i = 0; i < self->entries->len; i++) {
    entry = g_ptr_array_index (self->entries, i);
    if (entry->automaton->grammar == grammar) {
      g_ptr_array_steal_index (self->entries, i);
      g_ptr_array_add (self->entries, entry);
      return entry;
    }
  }
  for (guint i = self->entries->len; i-- > 0;) {
    entry = g_ptr_array_index (self->entries, i);
    if (entry->live->len == 0 && ++idle >= MAX_IDLE)
      g_ptr_array_remove_index (self->entries, i);
  }
  entry = g_new0 (Entry, 1);
  entry->live = g_ptr_array_new ();
  entry_begin (self, entry, grammar);
  g_ptr_array_add (self->entries, entry);
  return entry;
}

/* Too much has been remembered: again from where the answers are. */
static void
entry_renew (NevaConstrainer *self, Entry *entry)
{
  NevaAutomaton *old = g_steal_pointer (&entry->automaton);

  g_clear_pointer (&entry->first, g_free);
  entry_begin (self, entry, old->grammar);
  for (guint i = 0; i < entry->live->len; i++) {
    NevaConstraint *c = g_ptr_array_index (entry->live, i);

    c->at = neva_automaton_adopt (entry->automaton, c->at);
  }
  neva_automaton_free (old);
}

/* ---- Masks -------------------------------------------------------------- */

/* Tokens [lo, hi) of the table, which begin with the same byte. */
static void
compute_bucket (NevaConstrainer *self, NevaAutomaton *automaton,
    const NevaTokenBytes *token, const NevaTokenBytes *end, NevaReadings *from,
    guint32 budget, Mask *mask)
{
  GPtrArray *path = self->path; /* [i]: after i bytes of the last token */
  guint32 common = 0, dead = 0; /* dead: length of a beginning that is lost */

  g_ptr_array_set_size (path, 0);
  g_ptr_array_add (path, from);
  for (; token < end; token++, common = token < end ? token->common : 0) {
    NevaReadings *at;

    if (dead && common >= dead)
      continue;
    dead = 0;
    g_ptr_array_set_size (path, (gint) common + 1);
    at = g_ptr_array_index (path, common);
    for (guint32 i = common; i < token->length && !dead; i++) {
      at = neva_automaton_next (automaton, at, token->bytes[i]);
      if (neva_readings_dead (at))
        dead = i + 1;
      else
        g_ptr_array_add (path, at);
    }
    if (dead || at->cost > budget)
      continue;
    mask->bits[token->id / 64] |= (guint64) 1 << token->id % 64;
    mask->cost = MAX (mask->cost, at->cost);
  }
}

static void
compute (NevaConstrainer *self, NevaAutomaton *automaton,
    const NevaTokenTable *table, NevaReadings *from, guint32 budget, Mask *mask)
{
  const NevaTokenBytes *tokens = (NevaTokenBytes *) table->sorted->data;

  for (guint b = 0; b < 256; b++) {
    const guint32 lo = table->bucket[b], hi = table->bucket[b + 1];

    if (lo < hi &&
        !neva_readings_dead (neva_automaton_next (automaton, from, (guint8) b)))
      compute_bucket (
          self, automaton, tokens + lo, tokens + hi, from, budget, mask);
  }
}

static const Mask *
get_mask (NevaConstraint *self)
{
  NevaConstrainer *all = self->constrainer;
  Entry *entry = self->entry;
  const NevaTokenTable *table = self->started ? all->table : all->first;
  const guint32 budget = self->remaining - 1;
  Mask *mask;

  if (entry->automaton->memory > MAX_MEMORY)
    entry_renew (all, entry);
  mask = self->started ? self->at->mask : entry->first;
  if (!mask) {
    mask = mask_new (all);
    compute (
        all, entry->automaton, table, self->at, NEVA_COST_INFINITE - 1, mask);
    entry->automaton->memory += all->vocab / 8;
    if (self->started)
      self->at->mask = mask;
    else
      entry->first = mask;
  }
  if (mask->cost <= budget)
    return mask;

  memset (all->scratch, 0,
      sizeof (Mask) + (all->vocab + 63) / 64 * sizeof (guint64));
  compute (all, entry->automaton, table, self->at, budget, all->scratch);
  return all->scratch;
}

/* ---- Constraint --------------------------------------------------------- */

NevaConstraint *
neva_constraint_new (NevaConstrainer *constrainer, NevaGrammar *grammar,
    guint max_tokens, const gint32 *stop_ids, gsize n_stop_ids, GError **error)
{
  NevaConstraint *self;
  Entry *entry;

  need_tables (constrainer);
  entry = find_entry (constrainer, grammar);
  if (neva_readings_dead (entry->start)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the model's vocabulary cannot spell what the grammar requires");
    return NULL;
  }
  if (entry->start->cost > max_tokens) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "max-tokens %u: the shortest answer that the grammar allows may take "
        "%u",
        max_tokens, entry->start->cost);
    return NULL;
  }

  self = g_new0 (NevaConstraint, 1);
  self->constrainer = constrainer;
  self->entry = entry;
  self->at = entry->start;
  self->stop_ids = g_memdup2 (stop_ids, n_stop_ids * sizeof *stop_ids);
  self->n_stop_ids = n_stop_ids;
  self->remaining = max_tokens;
  g_ptr_array_add (entry->live, self);
  return self;
}

void
neva_constraint_free (NevaConstraint *self)
{
  if (!self)
    return;

  g_ptr_array_remove_fast (self->entry->live, self);
  g_free (self->stop_ids);
  g_free (self->allowed);
  g_free (self);
}

static gboolean
is_stop (const NevaConstraint *self, gint32 id)
{
  for (gsize i = 0; i < self->n_stop_ids; i++)
    if (self->stop_ids[i] == id)
      return TRUE;
  return FALSE;
}

/* A stop ends the answer, whatever its text. */
static void
apply_stops (
    const NevaConstraint *self, float *logits, gsize n, const float *before)
{
  for (gsize i = 0; i < self->n_stop_ids; i++)
    if (self->stop_ids[i] >= 0 && (gsize) self->stop_ids[i] < n)
      logits[self->stop_ids[i]] = self->at->complete ? before[i] : -INFINITY;
}

void
neva_constraint_apply (NevaConstraint *self, float *logits, gsize n)
{
  const gsize vocab = MIN (self->constrainer->vocab, n);
  g_autofree float *stops = g_new (float, self->n_stop_ids);
  const Mask *mask;

  mask = get_mask (self);

  for (gsize i = 0; i < self->n_stop_ids; i++)
    if (self->stop_ids[i] >= 0 && (gsize) self->stop_ids[i] < n)
      stops[i] = logits[self->stop_ids[i]];
  for (gsize i = 0; i < n; i++)
    if (i >= vocab || !(mask->bits[i / 64] >> i % 64 & 1))
      logits[i] = -INFINITY;
  apply_stops (self, logits, n, stops);
}

const guint64 *
neva_constraint_allowed (NevaConstraint *self)
{
  const gsize vocab = self->constrainer->vocab;
  const gsize bytes = (vocab + 63) / 64 * sizeof (guint64);

  if (!self->allowed)
    self->allowed = g_malloc (bytes);
  memcpy (self->allowed, get_mask (self)->bits, bytes);
  for (gsize i = 0; i < self->n_stop_ids; i++) {
    const gint32 id = self->stop_ids[i];

    if (id < 0 || (gsize) id >= vocab)
      continue;
    if (self->at->complete)
      self->allowed[id / 64] |= (guint64) 1 << id % 64;
    else
      self->allowed[id / 64] &= ~((guint64) 1 << id % 64);
  }
  return self->allowed;
}

gboolean
neva_constraint_accept (NevaConstraint *self, gint32 id)
{
  NevaAutomaton *automaton = self->entry->automaton;
  g_autoptr (GByteArray) bytes = NULL;

  if (is_stop (self, id))
    return TRUE;

  bytes = g_byte_array_new ();
  neva_tokenizer_append_bytes (
      self->constrainer->tokenizer, id, !self->started, bytes);
  for (guint i = 0; i < bytes->len; i++)
    self->at = neva_automaton_next (automaton, self->at, bytes->data[i]);
  self->started = TRUE;
  self->remaining--;
  return self->at->complete && self->at->n == 0;
}
