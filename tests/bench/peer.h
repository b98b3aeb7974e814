/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* llama.cpp on the same shape, for comparison. */
#ifndef PEER_H
#define PEER_H

#include <glib.h>

/* Tokens per second of the program that LLAMA_BENCH names, with -fa 1: `prompt`
 * tokens at once, or with prompt 0 token by token behind `depth` tokens.
 * `format`: bf16, q8_0 or q4_0, the file synthetic-FORMAT.gguf beside the
 * program (tests/bench/peer/). 0: LLAMA_BENCH is not set, or it failed, which
 * is said on stderr. */
double peer_rate (const char *format, guint prompt, guint depth, guint threads);

/* The same of the program that LLAMA_BATCHED_BENCH names (its
 * llama-batched-bench): tokens per second of `streams` generations together,
 * each behind `depth` tokens of its own. */
double peer_streams (
    const char *format, guint streams, guint depth, guint threads);

#endif /* PEER_H */
