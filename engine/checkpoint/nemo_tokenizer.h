/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tokenizer of a .nemo checkpoint (spec 2.7) as files that
 * neva_tokenizer_open_files () reads:
 *
 *   sentencepiece   tokenizer.model; with sentencepiece_legacy a configuration
 *                   beside it that splits special tokens off first
 *   huggingface     the files of the folder, or inside the archive
 *   megatron        vocab.json and merges.txt become a tokenizer.json of GPT-2
 *
 * tokenizer.additional_special_tokens get the ids behind the vocabulary. */
#ifndef NEVA_NEMO_TOKENIZER_H
#define NEVA_NEMO_TOKENIZER_H

#include "checkpoint/bundle.h"
#include "checkpoint/file_set.h"
#include "checkpoint/nemo_config.h"

/* Returns: (transfer full): NULL with error naming the file that is missing. */
NevaFileSet *neva_nemo_tokenizer_read (
    NevaBundle *bundle, const NevaNemoInfo *info, GError **error);

#endif /* NEVA_NEMO_TOKENIZER_H */
