/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at a tokenizer.model before libsentencepiece does: the library follows
 * offsets of the normalisation table and fills fixed arrays without checking.
 * Parser of untrusted bytes. */
#ifndef NEVA_SENTENCEPIECE_CHECK_H
#define NEVA_SENTENCEPIECE_CHECK_H

#include <glib.h>

/* What of the model decides how ids become text again. */
typedef struct {
  gsize n_pieces;
  gboolean add_dummy_prefix, remove_extra_whitespaces;
  char unknown_surface[32]; /* what an unknown piece decodes to */
} NevaSpInfo;

gboolean neva_sp_check (
    const guint8 *proto, gsize size, NevaSpInfo *info, GError **error);

#endif /* NEVA_SENTENCEPIECE_CHECK_H */
