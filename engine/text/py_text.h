/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text exactly as Python writes and reads it, for files that programs of the
 * original also use: json.dumps, repr (float), float (), round (),
 * str.strip (). */
#ifndef NEVA_PY_TEXT_H
#define NEVA_PY_TEXT_H

#include <glib.h>

/* A JSON string with quotes, every character beyond printable ASCII as \uXXXX.
 * `text` is UTF-8; a byte that is none becomes U+FFFD. */
void neva_py_append_string (GString *out, const char *text);

/* Shortest decimal that reads back the same, with a point or an exponent:
 * "8.0", "1e+16", "NaN", "Infinity" (as json.dumps has the last two). */
void neva_py_append_float (GString *out, double value);

/* float (text): surrounding white space, sign, digits with single underscores,
 * exponent, "nan", "inf", "infinity"; no hexadecimal. */
gboolean neva_py_parse_float (const char *text, double *value);

/* round (value, digits): to the nearest decimal of the exact binary value, ties
 * to even. */
double neva_py_round (double value, int digits);

/* text.strip (): of UTF-8, in place. Returns text. */
char *neva_py_strip (char *text);

#endif /* NEVA_PY_TEXT_H */
