/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vision tower + projector + decoder, with their weights, on one backend. The
 * weights are immutable; everything that changes lives in NevaSequence. One
 * thread (the worker) drives a model at a time. */
#ifndef NEVA_LLAVA_H
#define NEVA_LLAVA_H

#include <gio/gio.h>
#include <neva/model.h>
#include "backend/comm.h"
#include "checkpoint/file_set.h"
#include "config.h"
#include "sample.h"

typedef struct _NevaLlava NevaLlava;
typedef struct _NevaSequence NevaSequence; /* one KV cache, in pages */

/* path: a Hugging Face folder, a .nemo file or its extracted folder.
 * options->tensor_parallel and pipeline_parallel: the ranks are threads that
 * live as long as the model, or the processes of neva_comm_team (). Weights and
 * KV bytes below are those of all ranks. */
NevaLlava *neva_llava_load (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error);
void neva_llava_free (NevaLlava *llava);

const NevaConfig *neva_llava_config (const NevaLlava *llava);
/* The files that describe the tokenizer: neva_tokenizer_open_files (). */
const NevaFileSet *neva_llava_tokenizer (const NevaLlava *llava);
guint neva_llava_tokens_per_frame (const NevaLlava *llava);
/* Selected rows of the tower for a frame: what the projector starts from. */
guint neva_llava_tower_rows (const NevaLlava *llava);
guint64 neva_llava_weight_bytes (const NevaLlava *llava);
const char *neva_llava_weights_name (const NevaLlava *llava); /* "bf16" */
/* Why device "auto" is the CPU; NULL: it is not. */
const char *neva_llava_notice (const NevaLlava *llava);

/* For comparison with PyTorch modules that were cast to bf16 as a whole: that
 * rounds the rotary frequencies too, which loading a checkpoint does not. */
void neva_llava_round_rotary (NevaLlava *llava);

/* A frame to the tower's picture, rgb [height][width][3]: on the GPU, where the
 * model has one. Any thread. */
gboolean neva_llava_preprocess (
    NevaLlava *llava, const NevaFrame *frame, guint8 *rgb, GError **error);
/* FALSE: it has none, and frames must lie in the host's memory. */
gboolean neva_llava_get_gpu (const NevaLlava *llava, guint *gpu);
/* Ranks among which the frames of an encode () are divided. */
guint neva_llava_frame_ranks (const NevaLlava *llava);
/* Adds what is known of frames on the GPU. Any thread. */
void neva_llava_frame_stats (NevaLlava *llava, NevaStats *stats);

/* Frames [n][height][width][3] u8 (preprocessed) -> features [n * S][H] f32.
 * `hidden`, if not NULL: [n * tower rows][Dv], the tower's selected rows. */
gboolean neva_llava_encode (NevaLlava *llava, const guint8 *const *frames,
    gsize n, float *features, float *hidden, GError **error);

/* max_tokens bounds the sequence; pages are taken as it grows. */
NevaSequence *neva_sequence_new (NevaLlava *llava, GError **error);
void neva_sequence_free (NevaSequence *sequence);
gsize neva_sequence_length (const NevaSequence *sequence);
/* A sequence that begins with the first `length` tokens of `sequence`, at most
 * its length, and shares their pages. Never NULL. */
NevaSequence *neva_sequence_fork (NevaSequence *sequence, gsize length);
/* Forget tokens from `length` on. */
void neva_sequence_truncate (NevaSequence *sequence, gsize length);
guint64 neva_llava_kv_bytes (const NevaLlava *llava); /* pages in use */
/* Tokens that fit into the pages that are not. */
gsize neva_llava_kv_room (const NevaLlava *llava);

/* Part of one step: `n` tokens appended to `sequence`. */
typedef struct {
  NevaSequence *sequence;
  const gint32 *ids; /* [n]; where rows[i] is not NULL the id is not used */
  const float *const *rows; /* [n] feature rows [H], or NULL: all from ids */
  gsize n;
  float *logits; /* out: [vocab] of the last token, or [n][vocab] if
                    all_logits; NULL: not wanted */
  gboolean all_logits;
  /* instead of logits, where neva_llava_samples (): how the next token is to be
   * chosen, and out: which was. NULL: none */
  const NevaSampleRow *sample;
  NevaSampled *sampled;
  gboolean wanted; /* of a rank that follows: the leader wants logits */
} NevaStepItem;

/* Whether a step can choose tokens, where its logits are: not with several
 * ranks, each of which has a part of them. */
gboolean neva_llava_samples (const NevaLlava *llava);

/* One forward pass over all items together (weights are read once). Chunked
 * prefill and decode steps mix freely; what else is in the batch changes a
 * result by rounding at most: f32 adds in another order when a step has more
 * than 16 rows, bf16 too, by AMX when it has more than 4. Up to there, and for
 * int8 and int4 always, a row has the same bits whatever is beside it. On
 * NEVA_ERROR_DEVICE (no pages left) no sequence has changed. */
gboolean neva_llava_step (
    NevaLlava *llava, const NevaStepItem *items, gsize n_items, GError **error);

/* Now and then while nothing else is called, so that ranks in other processes
 * know that this one lives. */
void neva_llava_keep_alive (NevaLlava *llava);

/* The life of a process of `team` that is not its rank 0: loads what rank 0
 * loads, does as it says, until neva_llava_dismiss (). FALSE with error when
 * the team is lost. */
gboolean neva_llava_serve (NevaComm *team, GError **error);
/* Rank 0, when its model is gone (waits a minute for that): the others' serve
 * () ends. FALSE when they cannot be told. */
gboolean neva_llava_dismiss (NevaTeam *team);

#endif /* NEVA_LLAVA_H */
