/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Added tokens: strings that become one id wherever they appear literally,
 * before anything else looks at the text. A trie over bytes; immutable once
 * filled. */
#ifndef NEVA_ADDED_H
#define NEVA_ADDED_H

#include <glib.h>

typedef struct _NevaAdded NevaAdded;

typedef struct {
  gint32 id;
  gboolean lstrip, rstrip; /* takes the white space beside it, too */
  gboolean single_word;    /* not between word characters */
} NevaAddedToken;

/* A stretch of text between added tokens (id -1), or one of them. */
typedef struct {
  gsize start, length;
  gint32 id;
} NevaSegment;

NevaAdded *neva_added_new (void);
void neva_added_free (NevaAdded *added);
gboolean neva_added_is_empty (const NevaAdded *added);
/* An empty content is ignored; the same content again replaces. */
void neva_added_insert (
    NevaAdded *added, const char *content, const NevaAddedToken *token);
gboolean neva_added_has (const NevaAdded *added, const char *content);
/* Cuts text [length] (UTF-8) at the leftmost longest matches; none of the
 * segments between is empty. Appends NevaSegment. */
void neva_added_cut (
    const NevaAdded *added, const char *text, gsize length, GArray *segments);

#endif /* NEVA_ADDED_H */
