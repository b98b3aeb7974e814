/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "bpe.h"
#include "json_member.h"

#define MAX_MERGES (1u << 23)

typedef struct {
  guint32 left, right;
  guint32 rank;  /* lower goes first */
  gint32 result; /* -1: slot is empty */
} Merge;

struct _NevaBpe {
  GHashTable *ids;
  Merge *merges; /* open addressing; mask + 1 slots, at most half are full */
  guint32 mask;
  gint32 bytes[256]; /* ids of "<0xNN>", when byte_fallback has all of them */
  gboolean byte_fallback, fuse_unknown, ignore_merges;
  gint32 unknown; /* -1: none */
};

/* ---- Parsing ------------------------------------------------------------ */

static gint32
find (const NevaBpe *self, const char *piece)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (self->ids, piece)) - 1;
}

static Merge *
slot (const NevaBpe *self, guint32 left, guint32 right)
{
  guint64 h =
      ((guint64) left << 32 | right) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  guint32 i = (guint32) (h >> 32) & self->mask;

  while (self->merges[i].result >= 0 &&
         (self->merges[i].left != left || self->merges[i].right != right))
    i = (i + 1) & self->mask;
  return &self->merges[i];
}

/* "a b" or ["a", "b"]; (transfer full) */
static gboolean
merge_parts (JsonNode *node, char **left, char **right)
{
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *pair = json_node_get_array (node);

    if (json_array_get_length (pair) != 2)
      return FALSE;
    *left = json_node_dup_string (json_array_get_element (pair, 0));
    *right = json_node_dup_string (json_array_get_element (pair, 1));
  } else {
    const char *text =
        JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
    const char *space = text ? strchr (text, ' ') : NULL;

    if (!space)
      return FALSE;
    *left = g_strndup (text, (gsize) (space - text));
    *right = g_strdup (space + 1);
  }
  return *left && *right;
}

static gboolean
parse_merge (NevaBpe *self, JsonNode *node, guint rank, GError **error)
{
  g_autofree char *left = NULL, *right = NULL, *joined = NULL;
  gint32 a, b, c;
  Merge *merge;

  if (!merge_parts (node, &left, &right)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "merge %u is neither \"a b\" nor [\"a\", \"b\"]", rank);
    return FALSE;
  }
  joined = g_strconcat (left, right, NULL);
  a = find (self, left);
  b = find (self, right);
  c = find (self, joined);
  if (a < 0 || b < 0 || c < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "merge %u: \"%s\" is not in the vocabulary", rank,
        a < 0   ? left
        : b < 0 ? right
                : joined);
    return FALSE;
  }
  merge = slot (self, (guint32) a, (guint32) b);
  *merge = (Merge){(guint32) a, (guint32) b, rank, c};
  return TRUE;
}

static gboolean
parse_merges (NevaBpe *self, JsonArray *list, GError **error)
{
  const guint n = list ? json_array_get_length (list) : 0;
  guint32 size = 16;

  if (n > MAX_MERGES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%u merges", n);
    return FALSE;
  }
  while (size < 2 * n)
    size *= 2;
  self->mask = size - 1;
  self->merges = g_new (Merge, size);
  for (guint32 i = 0; i < size; i++)
    self->merges[i].result = -1;
  for (guint i = 0; i < n; i++)
    if (!parse_merge (self, json_array_get_element (list, i), i, error))
      return FALSE;
  return TRUE;
}

static gboolean
refuse (JsonObject *model, GError **error)
{
  static const char *const names[] = {
      "continuing_subword_prefix", "end_of_word_suffix"};
  JsonNode *dropout = json_member (model, "dropout");

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (*json_member_string (model, names[i], "")) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
          "BPE with \"%s\" is not supported", names[i]);
      return TRUE;
    }
  }
  if (dropout && JSON_NODE_HOLDS_VALUE (dropout) &&
      json_node_get_double (dropout) != 0.0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "BPE with \"dropout\" is not supported");
    return TRUE;
  }
  return FALSE;
}

NevaBpe *
neva_bpe_parse (JsonObject *model, GHashTable *ids, GError **error)
{
  g_autoptr (NevaBpe) self = g_new0 (NevaBpe, 1);
  const char *unknown = json_member_string (model, "unk_token", NULL);

  self->ids = ids;
  self->unknown = -1;
  if (refuse (model, error))
    return NULL;
  if (unknown && (self->unknown = find (self, unknown)) < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "unk_token \"%s\" is not in the vocabulary", unknown);
    return NULL;
  }
  self->fuse_unknown = json_member_boolean (model, "fuse_unk", FALSE);
  self->ignore_merges = json_member_boolean (model, "ignore_merges", FALSE);
  self->byte_fallback = json_member_boolean (model, "byte_fallback", FALSE);
  for (guint b = 0; b < 256; b++) {
    char piece[8];

    g_snprintf (piece, sizeof piece, "<0x%02X>", b);
    self->bytes[b] = find (self, piece);
  }
  if (!parse_merges (self, json_member_array (model, "merges"), error))
    return NULL;
  return g_steal_pointer (&self);
}

void
neva_bpe_free (NevaBpe *self)
{
  if (!self)
    return;

  g_free (self->merges);
  g_free (self);
}

/* ---- Encoding ----------------------------------------------------------- */

/* Symbols of a word: a doubly linked list in one array. */
typedef struct {
  gint32 id; /* -1: merged away */
  gint32 previous, next;
} Symbol;

/* A pair that may still be there; checked when its turn comes. */
typedef struct {
  guint32 rank;
  gint32 left;           /* index */
  gint32 id_l, id_r, id; /* as it was when queued, and the result */
} Candidate;

static void
append_symbol (GArray *symbols, gint32 id)
{
  const gint32 at = (gint32) symbols->len;
  const Symbol symbol = {id, at - 1, at + 1};

  g_array_append_val (symbols, symbol);
}

/* FALSE when a byte of the character has no piece. */
static gboolean
append_bytes (const NevaBpe *self, const char *p, gsize n, GArray *symbols)
{
  for (gsize i = 0; i < n; i++)
    if (self->bytes[(guint8) p[i]] < 0)
      return FALSE;
  for (gsize i = 0; i < n; i++)
    append_symbol (symbols, self->bytes[(guint8) p[i]]);
  return TRUE;
}

static void
append_characters (
    const NevaBpe *self, const char *word, gsize length, GArray *symbols)
{
  const char *end = word + length, *next;
  gboolean after_unknown = FALSE;

  for (const char *p = word; p < end; p = next) {
    char character[8] = "";
    gint32 id;

    next = MIN (g_utf8_next_char (p), end);
    memcpy (character, p, (gsize) (next - p));
    id = *p ? find (self, character) : -1;
    if (id >= 0) {
      append_symbol (symbols, id);
      after_unknown = FALSE;
    } else if (self->byte_fallback &&
               append_bytes (self, p, (gsize) (next - p), symbols)) {
      after_unknown = FALSE;
    } else if (self->unknown >= 0) {
      if (!(after_unknown && self->fuse_unknown))
        append_symbol (symbols, self->unknown);
      after_unknown = TRUE;
    }
  }
}

static gboolean
goes_first (const Candidate *a, const Candidate *b)
{
  return a->rank < b->rank || (a->rank == b->rank && a->left < b->left);
}

static void
heap_push (GArray *heap, const Candidate *candidate)
{
  guint at = heap->len;
  Candidate *h;

  g_array_append_vals (heap, candidate, 1);
  h = &g_array_index (heap, Candidate, 0);
  while (at > 0 && goes_first (candidate, &h[(at - 1) / 2])) {
    h[at] = h[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  h[at] = *candidate;
}

static Candidate
heap_pop (GArray *heap)
{
  Candidate *h = &g_array_index (heap, Candidate, 0);
  const Candidate top = h[0], last = h[heap->len - 1];
  const guint n = heap->len - 1;
  guint at = 0;

  g_array_set_size (heap, n);
  while (2 * at + 1 < n) {
    guint child = 2 * at + 1;

    if (child + 1 < n && goes_first (&h[child + 1], &h[child]))
      child++;
    if (!goes_first (&h[child], &last))
      break;
    h[at] = h[child];
    at = child;
  }
  if (n > 0)
    h[at] = last;
  return top;
}

static void
queue_pair (const NevaBpe *self, const Symbol *symbols, gsize n, gint32 left,
    GArray *heap)
{
  const gint32 right = left >= 0 ? symbols[left].next : -1;
  const Merge *merge;
  Candidate candidate;

  if (left < 0 || right < 0 || (gsize) right >= n)
    return;

  merge = slot (self, (guint32) symbols[left].id, (guint32) symbols[right].id);
  if (merge->result < 0)
    return;

  candidate = (Candidate){
      merge->rank, left, symbols[left].id, symbols[right].id, merge->result};
  heap_push (heap, &candidate);
}

static void
merge_symbols (const NevaBpe *self, GArray *array)
{
  g_autoptr (GArray) heap = g_array_new (FALSE, FALSE, sizeof (Candidate));
  Symbol *symbols = &g_array_index (array, Symbol, 0);
  const gsize n = array->len;

  for (gsize i = 0; i + 1 < n; i++)
    queue_pair (self, symbols, n, (gint32) i, heap);
  while (heap->len > 0) {
    const Candidate c = heap_pop (heap);
    Symbol *left = &symbols[c.left], *right;

    if (left->id != c.id_l || (gsize) left->next >= n)
      continue;
    right = &symbols[left->next];
    if (right->id != c.id_r)
      continue;
    left->id = c.id;
    left->next = right->next;
    right->id = -1;
    if ((gsize) left->next < n)
      symbols[left->next].previous = c.left;
    queue_pair (self, symbols, n, left->previous, heap);
    queue_pair (self, symbols, n, c.left, heap);
  }
}

void
neva_bpe_encode (
    const NevaBpe *self, const char *word, gsize length, GArray *ids)
{
  g_autoptr (GArray) symbols = NULL;

  if (self->ignore_merges && !memchr (word, '\0', length)) {
    g_autofree char *whole = g_strndup (word, length);
    const gint32 id = find (self, whole);

    if (id >= 0) {
      g_array_append_val (ids, id);
      return;
    }
  }
  symbols = g_array_new (FALSE, FALSE, sizeof (Symbol));
  append_characters (self, word, length, symbols);
  if (symbols->len > 1)
    merge_symbols (self, symbols);
  for (guint i = 0; i < symbols->len; i++) {
    const gint32 id = g_array_index (symbols, Symbol, i).id;

    if (id >= 0)
      g_array_append_val (ids, id);
  }
}
