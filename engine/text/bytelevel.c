/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "bytelevel.h"

static gboolean
prints (guint byte)
{
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

/* character of byte, and byte of character (0: none; NUL is checked apart) */
static struct {
  guint16 of_byte[256];
  guint8 of_char[0x144];
} alphabet;

static void
alphabet_init (void)
{
  static gsize done;

  if (g_once_init_enter (&done)) {
    guint16 next = 0x100;

    for (guint b = 0; b < 256; b++) {
      alphabet.of_byte[b] = prints (b) ? (guint16) b : next++;
      alphabet.of_char[alphabet.of_byte[b]] = (guint8) b;
    }
    g_once_init_leave (&done, 1);
  }
}

void
neva_bytelevel_encode (const char *bytes, gsize n, GString *out)
{
  alphabet_init ();
  for (gsize i = 0; i < n; i++)
    g_string_append_unichar (out, alphabet.of_byte[(guint8) bytes[i]]);
}

void
neva_bytelevel_decode (const char *text, gsize n, GString *out)
{
  const gsize before = out->len;

  alphabet_init ();
  for (const char *p = text; p < text + n; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);

    if (c >= G_N_ELEMENTS (alphabet.of_char) ||
        alphabet.of_byte[alphabet.of_char[c]] != c) {
      g_string_truncate (out, before);
      g_string_append_len (out, text, (gssize) n);
      return;
    }
    g_string_append_c (out, (char) alphabet.of_char[c]);
  }
}
