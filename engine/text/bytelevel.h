/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GPT-2's alphabet: each byte is a printable character, so that any bytes can
 * be written as text. Bytes that print stand for themselves, the other 68 take
 * U+0100 and up in order. */
#ifndef NEVA_BYTELEVEL_H
#define NEVA_BYTELEVEL_H

#include <glib.h>

/* Appends the characters for bytes [n]. */
void neva_bytelevel_encode (const char *bytes, gsize n, GString *out);
/* Appends the bytes that text [n] (UTF-8) stands for; the text itself when a
 * character is outside the alphabet. */
void neva_bytelevel_decode (const char *text, gsize n, GString *out);

#endif /* NEVA_BYTELEVEL_H */
