/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the decoded ids of prompt and answer to what NeMo prints and writes
 * (spec 3.6), defects included: NeMo strips the characters of an end marker as
 * a set, so that "there are trees" loses its "t". */
#ifndef NEVA_CLEAN_H
#define NEVA_CLEAN_H

#include <glib.h>

/* `raw` with every run of media tokens replaced by `marker` ("<video>").
 * llama3_tokens: the strings of model_type llama_3. lita: whatever is between
 * the first START and the last END of a line. (transfer full) */
char *neva_clean_full_text (
    const char *raw, gboolean llama3_tokens, gboolean lita, const char *marker);

/* CLEAN RESPONSE of a full text, bit for bit. Templates that NeMo does not
 * have, and mistral, have no rule: the whole text comes back, stripped.
 * (transfer full) */
char *neva_clean_nemo (const char *conv_template, const char *full_text);

#endif /* NEVA_CLEAN_H */
