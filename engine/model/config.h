/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a checkpoint says about its model, in one family-independent form.
 * Filled by checkpoint/hf_config.c (and later by the .nemo reader); read by
 * model/. */
#ifndef NEVA_CONFIG_H
#define NEVA_CONFIG_H

#include <glib.h>
#include "matmul.h"
#include "vision/preprocess.h"

typedef enum { NEVA_TOWER_CLIP, NEVA_TOWER_SIGLIP } NevaTowerKind;
typedef enum {
  NEVA_NORM_RMS,
  NEVA_NORM_LAYER,
  NEVA_NORM_LAYER_1P
} NevaNormKind;
typedef enum {
  NEVA_ROPE_DEFAULT,
  NEVA_ROPE_LINEAR, /* positions divided by rope_factor */
  NEVA_ROPE_LLAMA3
} NevaRopeKind;

typedef struct {
  NevaTowerKind kind;
  guint image_size, patch_size, hidden, layers, heads, ffn;
  guint class_tokens;   /* rows before the patches: 1 with CLIP, in Megatron
                           more */
  gboolean patch_bias;  /* SigLIP */
  gboolean pre_norm;    /* CLIP: a norm before the first layer */
  gboolean post_norm;   /* the tower's last norm after the selected layer */
  gboolean norms_1p;    /* gamma - 1 is stored, of all norms but pre_norm's */
  gboolean pre_norm_1p; /* of that, too */
  NevaAct act;
  float eps;
  gint select_layer; /* index into hidden_states; negative from the end */
  guint drop_rows;   /* rows dropped from the front: 1 for "default" (with
                        or without a class token, as transformers does) */
} NevaTowerConfig;

/* Rows of one frame inside the tower: class tokens, patches. */
static inline guint
neva_tower_config_rows (const NevaTowerConfig *t)
{
  const guint side = t->image_size / t->patch_size;

  return side * side + t->class_tokens;
}

#define NEVA_MAX_LAYERS 256

typedef struct {
  guint vocab, hidden, layers, heads, kv_heads, head_dim, ffn;
  guint context_length; /* max_position_embeddings */
  NevaNormKind norm;
  NevaAct act;                 /* SILU for gated; RELU2, … */
  gboolean gated;              /* gate and up, or one matrix */
  guint experts, experts_used; /* 0: one MLP; else a mixture, the best
                                  experts_used by router logit */
  gboolean qkv_bias, out_bias, mlp_bias;
  gboolean qkv_apart; /* NeMo's megatron_legacy: checkpoint/nemo_qkv.h */
  gboolean tied_embeddings;
  float eps;
  guint sliding_window;                  /* 0: off */
  guint8 window_layers[NEVA_MAX_LAYERS]; /* 1: this layer uses the window */
  float rope_base, rope_fraction;
  NevaRopeKind rope_kind;
  float rope_factor, rope_low_freq, rope_high_freq;
  guint rope_original_context;
} NevaTextConfig;

#define NEVA_MAX_PROJECTOR_LAYERS 8

typedef enum {
  NEVA_PROJECTOR_MLP,        /* linear, act, linear, … */
  NEVA_PROJECTOR_DOWNSAMPLE, /* 2x2 patches merged, norm, then MLP */
  NEVA_PROJECTOR_IDENTITY
} NevaProjectorKind;

/* LITA (spec 2.6): a video's rows are not its frames' rows one after another,
 * but a token for each frame and a few spatial ones. */
typedef enum {
  NEVA_LITA_NONE,
  NEVA_LITA_POOL,    /* frames, then four of them pooled 2x2 */
  NEVA_LITA_SPATIAL, /* frames, then the mean of all */
  NEVA_LITA_ALL      /* some frames as they are, then frames */
} NevaLita;

/* How matrices of 4-bit codes lie in a checkpoint: checkpoint/awq.h. */
typedef enum {
  NEVA_AWQ_NONE, /* there are none */
  NEVA_AWQ_GEMM,
  NEVA_AWQ_GEMV,
  NEVA_AWQ_FAST
} NevaAwqLayout;

typedef struct {
  NevaTowerConfig tower;
  NevaTextConfig text;
  NevaPreprocess preprocess;
  NevaProjectorKind projector_kind;
  guint projector_layers; /* linear layers of the MLP: 2 in LLaVA */
  NevaAct projector_act;
  gboolean projector_bias;
  NevaAwqLayout awq;
  gboolean int8;          /* matrices may be 8-bit codes: checkpoint/int8.h */
  gboolean fp8;           /* and E4M3: checkpoint/e4m3.h */
  gboolean nemo;          /* prompts and media tokens as NeMo has them */
  gboolean llama3_tokens; /* media token strings of model_type llama_3 */
  gboolean use_im_start_end; /* START and END beside the media run, not in it */
  gboolean media_front;      /* NeMo's sep_image_conv_front */
  NevaLita lita;
  guint lita_frames;         /* ALL: how many */
  gboolean lita_ends;        /* ALL: visual_token_format im_vid_start_end, see
                                text/nemo_prompt.h */
  guint time_tokens;         /* LITA: <t0>, <t1>, …; 0: there are none */
  gboolean legacy_tokenizer; /* NeMo's sentencepiece_legacy */
  guint sampled_vocab;       /* ids from here on are never chosen; 0: all are */
  gint32 media_token;        /* id of <image> in the vocabulary; not NeMo */
  gint32 bos, eos[8];        /* -1: none; eos from generation_config */
  guint n_eos;
  guint num_frames;       /* default 8; config.json "neva": {"num_frames"} */
  char conv_template[32]; /* "neva": {"conv_template"}; default "v1" */
  char media_type[8];     /* NeMo: "image" or "video", its prompts' marker */
  char frame_choice[8];   /* NeMo: "first", "middle", "last"; else "" */
  char prompt[256]; /* "neva": {"prompt"}; default "Describe the video." */
} NevaConfig;

/* A sentencepiece tokenizer takes texts whole, special strings included. */
static inline gboolean
neva_config_whole_texts (const NevaConfig *c)
{
  return c->nemo && !c->legacy_tokenizer;
}

/* Reads config.json, preprocessor_config.json and generation_config.json of a
 * Hugging Face folder; both transformers 4 and 5 spellings. Every number is
 * checked for range and consistency. */
gboolean neva_hf_config_read (
    const char *folder, NevaConfig *config, GError **error);

#endif /* NEVA_CONFIG_H */
