/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A .nemo archive: model_config.yaml, the tokenizer, and one torch.save file
 * for each rank (spec 5.1). */
#ifndef NEVA_NEMO_OUT_H
#define NEVA_NEMO_OUT_H

#include "convert/nemo_plan.h"
#include "convert/hf_out.h"

typedef struct {
  NevaOrigin *origin;
  NevaNemoShape shape;
  GPtrArray *ranks;   /* NevaOutList, by pp, then tp */
  NevaFileSet *files; /* of the archive: "<hex>_name" */
  char *model, *json; /* their names; NULL */
  char **kept;        /* Hugging Face's tokenizer files; NULL */
} NevaNemoOut;

/* Plans everything; origin->config becomes the result's. `out` must be zeroed;
 * clear it also on failure. */
gboolean neva_nemo_out_plan (
    NevaNemoOut *out, NevaOrigin *origin, guint tp, guint pp, GError **error);
guint64 neva_nemo_out_bytes (const NevaNemoOut *out);
/* vision: what model_config.yaml calls the tower. */
gboolean neva_nemo_out_write (const NevaNemoOut *out, const char *path,
    const char *vision, NevaNote note, NevaOutProgress *progress,
    GError **error);
void neva_nemo_out_clear (NevaNemoOut *out);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaNemoOut, neva_nemo_out_clear)

#endif /* NEVA_NEMO_OUT_H */
