/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_NEVA_JUDGE_PLAIN_H
#define GST_NEVA_JUDGE_PLAIN_H

#include <glib.h>

/* The text of pango-markup: tags go, entities become characters. What is not
 * well-formed stays as it is.
 * markup: UTF-8. Returns: (transfer full) */
char *gst_neva_judge_plain_text (const char *markup);

#endif /* GST_NEVA_JUDGE_PLAIN_H */
