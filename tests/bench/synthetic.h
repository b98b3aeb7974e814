/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model of the benchmarks' shape, filled with numbers that look like weights:
 * a 1.1B Llama (22 x 2048, 32/4 heads, 5632, 32000) behind a ViT-L/14-224. */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include <gio/gio.h>

enum {
  SYN_HIDDEN = 2048,
  SYN_LAYERS = 22,
  SYN_HEADS = 32,
  SYN_KV_HEADS = 4,
  SYN_HEAD_DIM = 64,
  SYN_FFN = 5632,
  SYN_VOCAB = 32000,
  SYN_VIT_HIDDEN = 1024,
  SYN_VIT_LAYERS = 24,
  SYN_VIT_USED = 23, /* features are those of the last layer but one */
  SYN_VIT_HEADS = 16,
  SYN_VIT_FFN = 4096,
  SYN_VIT_PATCH = 14,
  SYN_VIT_IMAGE = 224
};

/* Writes config.json, preprocessor_config.json and model.safetensors (bf16,
 * about 2.8 GB) into `folder`, which exists. */
gboolean synthetic_write (const char *folder, GError **error);
void synthetic_remove (const char *folder);

/* Weights that a token meets in the decoder's layers; in those and the output
 * head; and that a frame's 257 rows meet in the tower, patches aside. */
double synthetic_layer_weights (void);
double synthetic_head_weights (void);
double synthetic_tower_weights (void);

#endif /* SYNTHETIC_H */
