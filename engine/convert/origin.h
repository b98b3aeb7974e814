/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is converted: an opened checkpoint, its tensors under one spelling (that
 * of transformers 4):
 *
 *   vision_tower.vision_model.…      multi_modal_projector.linear_N.…
 *   language_model.model.…           language_model.lm_head.weight */
#ifndef NEVA_ORIGIN_H
#define NEVA_ORIGIN_H

#include <json-glib/json-glib.h>
#include "checkpoint/checkpoint.h"
#include "text/tokenizer.h"

#define NEVA_TOWER_PREFIX "vision_tower.vision_model."
#define NEVA_PROJECTOR_PREFIX "multi_modal_projector."
#define NEVA_TEXT_PREFIX "language_model.model."
#define NEVA_HEAD_NAME "language_model.lm_head.weight"

typedef struct {
  const char *path;
  NevaCheckpoint checkpoint;
  NevaConfig config;        /* of the result so far; starts as the source's */
  NevaTokenizer *tokenizer; /* the source's */
  GPtrArray *names;         /* char *: every tensor, in the source's order */
  GHashTable *views;        /* name -> NevaTensorView, borrowed */
  JsonNode *quantization;   /* of the result: quantization_config; NULL: none */
} NevaOrigin;

/* `origin` must be zeroed; clear it also on failure. */
gboolean neva_origin_open (NevaOrigin *origin, const char *path,
    const NevaCheckpointParts *parts, GError **error);
void neva_origin_clear (NevaOrigin *origin);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaOrigin, neva_origin_clear)

/* NULL: no such tensor. printf-like. */
const NevaTensorView *neva_origin_find (
    const NevaOrigin *origin, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* The same; a missing one is an error that names it. */
const NevaTensorView *neva_origin_need (const NevaOrigin *origin,
    GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* A linear projector and an identity behind it, as Hugging Face's form of
 * NeMo's `linear` has it. */
gboolean neva_origin_is_linear (const NevaOrigin *origin);

#endif /* NEVA_ORIGIN_H */
