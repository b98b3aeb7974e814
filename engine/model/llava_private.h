/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of NevaLlava know of each other.
 *
 *   llava.c       frames and steps of this rank
 *   llava_load.c  opening; ranks that share a model
 *   plan.c        what the leader tells its ranks, and how
 *   follow.c      the life of a rank that is told
 *   team.c        the same among processes
 *
 * Of several ranks only the leader (rank 0 of the group) has callers. Each of
 * its encode () and step () calls is announced as a plan; then all ranks make
 * the same calls of run_items () or encode_share (), each with its part of the
 * weights, the KV cache and the heads. Whether a call went well they agree
 * upon, so that their sequences and page pools stay alike. */
#ifndef NEVA_LLAVA_PRIVATE_H
#define NEVA_LLAVA_PRIVATE_H

#include "arena.h"
#include "backend/pictures.h"
#include "kv_cache.h"
#include "llava.h"
#include "lm.h"
#include "plan.h"
#include "projector.h"
#include "shard.h"
#include "tower.h"

struct _NevaLlava {
  NevaConfig config;        /* of the whole model */
  NevaTensorSource *source; /* until the weights take it over */
  NevaFileSet *tokenizer;
  NevaBackend *backend;
  NevaPictures *pictures; /* NULL: frames are prepared on the CPU */
  NevaWeightStore *weights;
  NevaTower *tower; /* NULL behind the first stage */
  NevaProjector projector;
  NevaLm *lm;
  NevaDType tower_kv, text_kv;
  NevaKvPool pool;
  guint8 *scratch;
  gsize scratch_bytes;
  gsize max_frames, max_rows; /* of one pass */
  gsize kv_block_bytes;       /* of all ranks together */
  guint64 weight_bytes;       /* likewise */

  NevaShard shard;
  NevaComm *threads; /* the group, when it is threads of this process; owned */
  /* GPUs: shard.group and shard.stage_comm are these, around those of the
   * host's memory; owned */
  NevaComm *gpu_group, *host_stage;
  NevaPlanner *planner; /* the leader's, when there are others */
  NevaTeam *team;       /* leader: of which the group is; borrowed */
  guint32 last_id;      /* of a sequence */
};

struct _NevaSequence {
  NevaLlava *llava;
  NevaKvSequence kv;
  guint32 id; /* the same on all ranks */
};

/* All ranks; the items are checked. Followers' items have no rows and logits,
 * but ids of -1 and `wanted`. */
gboolean neva_llava_run_items (
    NevaLlava *llava, const NevaStepItem *items, gsize n_items, GError **error);

/* All ranks: frames of the call that this rank encodes. Leader: frames,
 * features and hidden of all; followers: NULL. */
gboolean neva_llava_encode_share (NevaLlava *llava, const guint8 *const *frames,
    gsize n, float *features, float *hidden, gboolean with_hidden,
    GError **error);

/* A rank's part of a model that `group` shares; group->rank says which. Source
 * and tokenizer: (transfer full), the latter NULL. All ranks get a model, or
 * all the same error. */
gboolean neva_llava_load_share (NevaLlava *llava,
    const NevaModelOptions *options, NevaComm *group, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error);
/* Frees the groups, and ends that of threads. */
void neva_llava_leave_group (NevaLlava *llava);
/* Opens the checkpoint: config, source, tokenizer. */
gboolean neva_llava_open_checkpoint (NevaLlava *llava, const char *path,
    const NevaModelOptions *options, GError **error);

/* All of it, on the processes of neva_comm_team (): this is its rank 0. */
gboolean neva_llava_load_with_team (NevaLlava *llava, const char *path,
    const NevaModelOptions *options, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error);

/* The leader's model is gone: the team may have another. */
void neva_llava_leave_team (NevaTeam *team);

/* Does as the leader says, until it quits. FALSE with error when the group is
 * lost. */
gboolean neva_llava_follow (NevaLlava *llava, GError **error);

#endif /* NEVA_LLAVA_PRIVATE_H */
