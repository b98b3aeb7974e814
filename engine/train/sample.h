/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a record to what a training step reads (spec 1.7, 6.4): markers become
 * media runs, turns one text, the text tokens and labels; samples one batch. */
#ifndef NEVA_TRAIN_SAMPLE_H
#define NEVA_TRAIN_SAMPLE_H

#include "text/nemo_prompt.h"
#include "train/dataset.h"

/* model.mm_cfg and model.data of a training configuration. */
typedef struct {
  const char *conv_template; /* NeMo's with turns, "plain" or "interleaved" */
  gboolean multimodal;       /* is_multimodal; FALSE: markers are text */
  NevaMediaType media_type;
  NevaNemoMedia media;
  gboolean media_front; /* sep_image_conv_front */
  gsize media_tokens;   /* of one file: F * S */
  gsize context_length; /* encoder_seq_length */
  gboolean extra_token; /* one more token is read, and shifted away; FALSE:
                           no_seqlen_plus_one_input_tokens */
} NevaSampleRules;

typedef struct {
  GArray *tokens, *labels; /* gint32, of one length; owned */
} NevaSample;

/* Written on success; clear it after use. NEVA_ERROR_BAD_INPUT: the record has
 * other markers than files, or not the turns that the template wants;
 * NEVA_ERROR_TOO_LONG: the cut at the context would take media away, which the
 * original then does not see. */
gboolean neva_sample_build (const NevaTokenizer *tokenizer,
    const NevaSampleRules *rules, const NevaRecord *record, NevaSample *sample,
    GError **error);
void neva_sample_clear (NevaSample *sample);

/* [rows][length], padded to the next multiple of 64: tokens with 0; a masked
 * label is 0 and has no part in the loss. */
typedef struct {
  gsize rows, length;
  gint32 *tokens, *labels;
  float *loss_mask;
} NevaBatch;

/* eod_mask_loss: the loss is masked where the token is `eos`, too. n > 0. */
void neva_batch_collate (NevaBatch *batch, const NevaSample *samples, gsize n,
    gint32 eos, gboolean eod_mask_loss);
void neva_batch_clear (NevaBatch *batch);

#endif /* NEVA_TRAIN_SAMPLE_H */
