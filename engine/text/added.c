/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "added.h"
#include "utf8.h"

/* Children of a node are a list: few nodes have more than two. */
typedef struct {
  guint32 child, sibling; /* 0: none */
  gint32 token;           /* index, or -1 */
  guint8 byte;
} Node;

struct _NevaAdded {
  GArray *nodes;  /* Node; the first is the root */
  GArray *tokens; /* NevaAddedToken */
};

NevaAdded *
neva_added_new (void)
{
  NevaAdded *self = g_new0 (NevaAdded, 1);
  const Node root = {.token = -1};

  self->nodes = g_array_new (FALSE, TRUE, sizeof (Node));
  self->tokens = g_array_new (FALSE, TRUE, sizeof (NevaAddedToken));
  g_array_append_val (self->nodes, root);
  return self;
}

void
neva_added_free (NevaAdded *self)
{
  if (!self)
    return;

  g_array_unref (self->nodes);
  g_array_unref (self->tokens);
  g_free (self);
}

gboolean
neva_added_is_empty (const NevaAdded *self)
{
  return self->tokens->len == 0;
}

static guint32
find_child (const NevaAdded *self, guint32 parent, guint8 byte)
{
  const Node *nodes = &g_array_index (self->nodes, Node, 0);
  guint32 i = nodes[parent].child;

  while (i && nodes[i].byte != byte)
    i = nodes[i].sibling;
  return i;
}

void
neva_added_insert (
    NevaAdded *self, const char *content, const NevaAddedToken *token)
{
  guint32 at = 0;
  Node *node;

  for (const char *p = content; *p; p++) {
    guint32 next = find_child (self, at, (guint8) *p);

    if (!next) {
      const Node fresh = {.token = -1,
          .byte = (guint8) *p,
          .sibling = g_array_index (self->nodes, Node, at).child};

      next = self->nodes->len;
      g_array_append_val (self->nodes, fresh);
      g_array_index (self->nodes, Node, at).child = next;
    }
    at = next;
  }
  if (at == 0)
    return;

  node = &g_array_index (self->nodes, Node, at);
  if (node->token < 0) {
    node->token = (gint32) self->tokens->len;
    g_array_append_vals (self->tokens, token, 1);
  } else {
    g_array_index (self->tokens, NevaAddedToken, node->token) = *token;
  }
}

gboolean
neva_added_has (const NevaAdded *self, const char *content)
{
  guint32 at = 0;

  for (const char *p = content; *p && (at || p == content); p++)
    at = find_child (self, at, (guint8) *p);
  return at && g_array_index (self->nodes, Node, at).token >= 0;
}

static gboolean
is_word (gunichar c)
{
  return c == '_' || g_unichar_isalnum (c) || g_unichar_ismark (c);
}

static gboolean
stands_alone (const char *text, gsize length, gsize start, gsize end)
{
  const char *before = g_utf8_find_prev_char (text, text + start);

  return !(before && is_word (g_utf8_get_char (before))) &&
         !(end < length && is_word (g_utf8_get_char (text + end)));
}

/* Longest token at text [start]; NULL when there is none. */
static const NevaAddedToken *
longest (const NevaAdded *self, const char *text, gsize length, gsize start,
    gsize *end)
{
  const NevaAddedToken *best = NULL;
  guint32 at = 0;

  for (gsize i = start; i < length; i++) {
    gint32 token;

    if (!(at = find_child (self, at, (guint8) text[i])))
      break;
    token = g_array_index (self->nodes, Node, at).token;
    if (token >= 0) {
      best = &g_array_index (self->tokens, NevaAddedToken, token);
      *end = i + 1;
    }
  }
  return best;
}

static void
add_segment (GArray *segments, gsize start, gsize end, gint32 id)
{
  const NevaSegment segment = {start, end - start, id};

  if (end > start)
    g_array_append_val (segments, segment);
}

void
neva_added_cut (
    const NevaAdded *self, const char *text, gsize length, GArray *segments)
{
  gsize done = 0, at = 0, end = 0;

  while (at < length) {
    const NevaAddedToken *token = longest (self, text, length, at, &end);
    gsize start = at;

    if (!token ||
        (token->single_word && !stands_alone (text, length, at, end))) {
      at = token ? end : at + 1;
      continue;
    }
    while (token->lstrip && start > done) {
      const char *before = g_utf8_find_prev_char (text + done, text + start);

      if (!before || !neva_utf8_is_space (g_utf8_get_char (before)))
        break;
      start = (gsize) (before - text);
    }
    while (token->rstrip && end < length &&
           neva_utf8_is_space (g_utf8_get_char (text + end)))
      end = (gsize) (g_utf8_next_char (text + end) - text);
    add_segment (segments, done, start, -1);
    add_segment (segments, start, end, token->id);
    done = at = end;
  }
  add_segment (segments, done, length, -1);
}
