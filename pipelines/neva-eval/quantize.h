/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quantization.enable: the model answers the first prompts while its layers'
 * inputs are looked at, is quantised by what was seen, saved, and opened from
 * there. */
#ifndef NEVA_EVAL_QUANTIZE_H
#define NEVA_EVAL_QUANTIZE_H

#include "options.h"

typedef struct {
  const Options *options;
  const NevaPromptFile *file;
  const NevaMediaStore *store;
  guint threads; /* 0: all cores */
  GCancellable *cancellable;
} Quantize;

/* (transfer full): the quantised model; NULL with error. A folder that is not
 * kept is gone when this returns. */
NevaModel *quantize_and_open (const Quantize *how, GError **error);

#endif /* NEVA_EVAL_QUANTIZE_H */
