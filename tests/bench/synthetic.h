/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models of the benchmarks' shapes, filled with numbers that look like weights:
 * a Llama behind a ViT, whose features are those of the last layer but one. */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include <gio/gio.h>

typedef struct {
  guint hidden, layers, heads, kv_heads, ffn, vocab;
  guint vit_hidden, vit_layers, vit_heads, vit_ffn, vit_patch, vit_image;
} SyntheticShape;

/* 22 x 2048, 32/4 heads, 5632, 32000; LLaVA-7B: 32 x 4096, 32 heads, 11008,
 * 32000. Both with ViT-L/14-224. Tiny: for tests. */
extern const SyntheticShape synthetic_1b, synthetic_7b, synthetic_tiny;

/* Writes config.json, preprocessor_config.json and model.safetensors into
 * `folder`, which exists: bf16 (1b: 2.8 GB, 7b: 14.1 GB); awq: the decoder's
 * products as AutoAWQ stores them, in groups of 128 (7b: 4.5 GB). */
gboolean synthetic_write (
    const SyntheticShape *s, gboolean awq, const char *folder, GError **error);
void synthetic_remove (const char *folder);

gsize synthetic_kv_width (const SyntheticShape *s);
guint synthetic_tokens_per_frame (const SyntheticShape *s);
/* Weights that a token meets in the decoder's layers; in those and the output
 * head; that a row meets in the tower, patches aside, and in the projector. */
double synthetic_layer_weights (const SyntheticShape *s);
double synthetic_head_weights (const SyntheticShape *s);
double synthetic_tower_weights (const SyntheticShape *s);
double synthetic_projector_weights (const SyntheticShape *s);

#endif /* SYNTHETIC_H */
