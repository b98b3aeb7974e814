/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model_config.yaml of a .nemo archive (spec 1.8, 2.4). */
#ifndef NEVA_NEMO_YAML_H
#define NEVA_NEMO_YAML_H

#include "convert/nemo_plan.h"

/* Names that the configuration refers to. */
typedef struct {
  const char *vision;                 /* from_pretrained */
  const char *tokenizer_model;        /* in the archive; NULL */
  const char *tokenizer_json;         /* in the archive; NULL */
  const char *const *tokenizer_files; /* in the archive; NULL */
} NevaNemoFiles;

/* *model: the section neva changes what the model computes: NeMo would not.
 * Returns: (transfer full): the text, NULL with error. */
char *neva_nemo_yaml (const NevaOrigin *origin, const NevaNemoShape *shape,
    const NevaNemoFiles *files, gboolean *model, GError **error);

#endif /* NEVA_NEMO_YAML_H */
