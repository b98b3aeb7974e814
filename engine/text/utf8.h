/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8 by the Unicode standard's table of well-formed sequences, for bytes
 * that may be ill-formed or still incomplete. */
#ifndef NEVA_UTF8_H
#define NEVA_UTF8_H

#include <glib.h>

typedef enum {
  NEVA_UTF8_CHAR,      /* a whole character of *length bytes */
  NEVA_UTF8_PARTIAL,   /* [n] is the beginning of a character */
  NEVA_UTF8_ILL_FORMED /* *length bytes (>= 1) can be part of none */
} NevaUtf8;

#define NEVA_UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Looks at bytes [n], n >= 1. */
NevaUtf8 neva_utf8_scan (const guint8 *bytes, gsize n, gsize *length);

/* NUL is a character like others. *bad_at, if not NULL: where it is not UTF-8.
 */
gboolean neva_utf8_valid (const guint8 *bytes, gsize n, gsize *bad_at);

/* Every NUL becomes U+FFFD: what follows is not cut off where the text goes on
 * as a C string. */
void neva_utf8_replace_nul (GString *text);

/* Unicode White_Space. */
gboolean neva_utf8_is_space (gunichar c);

#endif /* NEVA_UTF8_H */
