/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small LLaVA folder of random weights, of any shape. */
#ifndef NEVA_TESTS_RANDOM_MODEL_H
#define NEVA_TESTS_RANDOM_MODEL_H

#include <glib.h>

typedef struct {
  const char *name;
  const char *text; /* llama, mistral, qwen2, mixtral, nemotron */
  const char *act;  /* of the decoder; NULL: the text model's own */
  gboolean biases;  /* of attention and MLP, where config.json can say so */
  guint hidden, layers, heads, kv_heads, head_dim, ffn, experts;
  gboolean siglip;
  guint tower_hidden, tower_heads, tower_ffn, tower_layers;
  guint outliers; /* channels behind each norm of the decoder that are 20 times
                     as large as the others, as large models have them */
  const char *dtype; /* "F32", "BF16", "F16" */
} RandomModel;

enum { RANDOM_MODEL_FRAMES = 2, RANDOM_MODEL_IMAGE = 28 };

/* Writes config.json, preprocessor_config.json, generation_config.json and
 * model.safetensors into `folder`, which exists, and copies the tokenizer of
 * `tokenizer`, whose vocabulary is 640 (models/demo). */
gboolean random_model_write (const RandomModel *m, const char *folder,
    const char *tokenizer, guint32 seed, GError **error);

#endif /* NEVA_TESTS_RANDOM_MODEL_H */
