/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "plain.h"

static void
on_text (GMarkupParseContext *context, const char *text, gsize length,
    gpointer user_data, GError **error)
{
  (void) context, (void) error;
  g_string_append_len (user_data, text, (gssize) length);
}

char *
gst_neva_judge_plain_text (const char *markup)
{
  static const GMarkupParser parser = {.text = on_text};
  GString *text = g_string_new (NULL);
  GMarkupParseContext *context =
      g_markup_parse_context_new (&parser, 0, text, NULL);
  const gboolean ok =
      g_markup_parse_context_parse (context, "<markup>", -1, NULL) &&
      g_markup_parse_context_parse (context, markup, -1, NULL) &&
      g_markup_parse_context_parse (context, "</markup>", -1, NULL) &&
      g_markup_parse_context_end_parse (context, NULL);

  g_markup_parse_context_free (context);
  if (ok)
    return g_string_free (text, FALSE);
  g_string_free (text, TRUE);
  return g_strdup (markup);
}
