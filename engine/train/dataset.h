/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversations about media files (spec 6.3): a JSON array of
 *
 *   {"id": …, "video": "a.mp4" or ["a.mp4", …], "system": "…",
 *    "conversations": [{"from": "human", "value": "<video>\nWhat happens?"},
 *                      {"from": "gpt", "value": "…", "label": "…"}]}
 *
 * The files are in a NevaMediaStore, a folder or a tar, as in an evaluation. */
#ifndef NEVA_TRAIN_DATASET_H
#define NEVA_TRAIN_DATASET_H

#include <neva/eval.h>
#include "text/conversation.h"

typedef struct {
  const char *const *media; /* [n_media] file names */
  gsize n_media;
  const char *system; /* or NULL */
  const char *text;   /* of "interleaved", whose conversations are one text; or
                         NULL */
  const NevaTurn *turns; /* [n_turns] */
  gsize n_turns;
} NevaRecord;

typedef struct _NevaDataset NevaDataset;

/* A record without a file at "video" or "image" (media_type), or that is none
 * at all, is an error that names it; so is ".jsonl", of which the original
 * makes an empty set of videos. */
NevaDataset *neva_dataset_read (
    const char *path, NevaMediaType media_type, GError **error);
void neva_dataset_free (NevaDataset *dataset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaDataset, neva_dataset_free)
gsize neva_dataset_length (const NevaDataset *dataset);
/* (transfer none): index < length. */
const NevaRecord *neva_dataset_get (const NevaDataset *dataset, gsize index);

#endif /* NEVA_TRAIN_DATASET_H */
