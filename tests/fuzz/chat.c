/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a chat server sends: a line of a stream, and a whole reply. */
#include "config.h"
#include <string.h>
#include "fuzz.h"
#include "remote/chat_body.h"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED ("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}"
               ",\"finish_reason\":null}]}"),
    FUZZ_SEED ("data: [DONE]"),
    FUZZ_SEED ("data:{\"error\":{\"message\":\"no such model\",\"code\":404}}"),
    FUZZ_SEED ("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":"
               "\"8 7\\nboth\"},\"finish_reason\":\"stop\"}],\"usage\":{}}"),
    FUZZ_SEED ("{\"detail\":\"unauthorized\"}"),
    FUZZ_SEED ("data: {\"a\":/*\"*/[[[[{'"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const char *bytes = size ? (const char *) data : "";
  g_autofree char *line = g_strndup (bytes, size);
  g_autofree char *line_error = NULL, *reply_error = NULL, *reply = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean done = FALSE, finished = FALSE;

  neva_chat_parse_line (line, text, &done, &finished, &line_error);
  reply = neva_chat_parse_reply (bytes, size, &reply_error);
  return 0;
}
