/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a format has no key of its own for: the object "neva" of config.json and
 * the section neva of model_config.yaml. Its keys override what the format's
 * own keys say; other programs do not see it. Untrusted text. */
#ifndef NEVA_EXTRAS_H
#define NEVA_EXTRAS_H

#include "checkpoint/hf_reader.h"
#include "model/config.h"

/* r: a reader of the object; empty: nothing changes. The result is checked for
 * consistency even then. */
void neva_extras_read (const NevaHfReader *r, NevaConfig *config);

/* The object that turns `got` into `want`. *model: TRUE when it changes what
 * the model computes, not only prompts and defaults. (transfer full) */
JsonObject *neva_extras_write (
    const NevaConfig *want, const NevaConfig *got, gboolean *model);

#endif /* NEVA_EXTRAS_H */
