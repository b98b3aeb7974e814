/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The demo model's tokenizer with NeMo's special strings, as no model that is
 * checked in has it. */
#ifndef NEVA_TESTS_EXTENDED_TOKENIZER_H
#define NEVA_TESTS_EXTENDED_TOKENIZER_H

#include <string.h>
#include "text/tokenizer.h"

/* In the order of tests/make_training_reference.py: ids count from the model's
 * own pieces on. */
static const char *const extended_pieces[] = {"<extra_id_0>", "<extra_id_1>",
    "<extra_id_2>", "<extra_id_3>", "<extra_id_4>", "<extra_id_5>",
    "<extra_id_6>", "<extra_id_7>", "<extra_id_8>", "<extra_id_9>",
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|reserved_special_token_3|>",
    "<|reserved_special_token_4|>", "<|reserved_special_token_5|>",
    "<|im_start|>", "<|im_end|>"};

/* pieces { piece: "…" score: 0 type: USER_DEFINED }: pieces of a message are
 * where they are appended. */
static inline void
extended_add_piece (GByteArray *proto, const char *piece)
{
  static const guint8 rest[] = {0x15, 0, 0, 0, 0, 0x18, 0x04};
  const guint8 length = (guint8) strlen (piece);
  const guint8 head[] = {
      0x0a, (guint8) (2 + length + sizeof rest), 0x0a, length};

  g_byte_array_append (proto, head, sizeof head);
  g_byte_array_append (proto, (const guint8 *) piece, length);
  g_byte_array_append (proto, rest, sizeof rest);
}

/* legacy: NeMo's sentencepiece_legacy, which knows the strings beside the
 * model. *first: the id of <extra_id_0>. (transfer full): NULL without
 * sentencepiece. */
static inline NevaTokenizer *
extended_tokenizer (gboolean legacy, gint32 *first)
{
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *folder =
      g_build_filename (source ? source : ".", "models", "demo", NULL);
  g_autofree char *path = g_build_filename (folder, "tokenizer.model", NULL);
  g_autoptr (NevaTokenizer) plain = neva_tokenizer_open (folder, NULL);
  g_autoptr (NevaFileSet) files = neva_file_set_new ("extended");
  g_autoptr (GByteArray) proto = g_byte_array_new ();
  g_autoptr (GString) config =
      g_string_new ("{\"legacy\": true, \"add_bos_token\": false, "
                    "\"additional_special_tokens\": [\"\"");
  g_autoptr (GBytes) model_bytes = NULL, config_bytes = NULL;
  g_autofree char *model = NULL;
  gsize size;

  if (!plain || !g_file_get_contents (path, &model, &size, NULL))
    return NULL;
  *first = (gint32) neva_tokenizer_size (plain);
  g_byte_array_append (proto, (const guint8 *) model, (guint) size);
  for (gsize i = 0; i < G_N_ELEMENTS (extended_pieces); i++) {
    if (!legacy)
      extended_add_piece (proto, extended_pieces[i]);
    g_string_append_printf (config, ", \"%s\"", extended_pieces[i]);
  }
  g_string_append (config, "]}");
  model_bytes = g_bytes_new (proto->data, proto->len);
  config_bytes = g_bytes_new (config->str, config->len);
  neva_file_set_add (files, "tokenizer.model", model_bytes);
  neva_file_set_add (files, "tokenizer_config.json", config_bytes);
  return neva_tokenizer_open_files (files, !legacy, NULL);
}

#endif /* NEVA_TESTS_EXTENDED_TOKENIZER_H */
