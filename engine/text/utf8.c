/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "utf8.h"

NevaUtf8
neva_utf8_scan (const guint8 *bytes, gsize n, gsize *length)
{
  const guint8 lead = bytes[0];
  guint8 low = 0x80, high = 0xbf; /* bounds of the second byte */
  gsize want;

  *length = 1;
  if (lead < 0x80)
    return NEVA_UTF8_CHAR;
  if (lead < 0xc2 || lead > 0xf4)
    return NEVA_UTF8_ILL_FORMED;

  want = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead == 0xe0)
    low = 0xa0; /* overlong */
  else if (lead == 0xed)
    high = 0x9f; /* surrogates */
  else if (lead == 0xf0)
    low = 0x90; /* overlong */
  else if (lead == 0xf4)
    high = 0x8f; /* beyond U+10FFFF */

  for (gsize i = 1; i < want; i++) {
    if (i >= n)
      return NEVA_UTF8_PARTIAL;
    if (bytes[i] < low || bytes[i] > high) {
      *length = i;
      return NEVA_UTF8_ILL_FORMED;
    }
    low = 0x80;
    high = 0xbf;
  }
  *length = want;
  return NEVA_UTF8_CHAR;
}

gboolean
neva_utf8_valid (const guint8 *bytes, gsize n, gsize *bad_at)
{
  gsize at = 0, length;

  while (at < n) {
    if (neva_utf8_scan (bytes + at, n - at, &length) != NEVA_UTF8_CHAR) {
      if (bad_at)
        *bad_at = at;
      return FALSE;
    }
    at += length;
  }
  return TRUE;
}

void
neva_utf8_replace_nul (GString *text)
{
  for (gsize i = 0; i < text->len; i++) {
    if (text->str[i])
      continue;
    text->str[i] = NEVA_UTF8_REPLACEMENT[0];
    g_string_insert (text, (gssize) i + 1, NEVA_UTF8_REPLACEMENT + 1);
  }
}

gboolean
neva_utf8_is_space (gunichar c)
{
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
