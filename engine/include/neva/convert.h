/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints from one format into another. Tensors are copied through one at a
 * time, so memory does not grow with the model; results appear whole or not at
 * all. */
#ifndef NEVA_CONVERT_H
#define NEVA_CONVERT_H

#include <gio/gio.h>
#include <neva/model.h>

G_BEGIN_DECLS

typedef enum {
  NEVA_FORMAT_HUGGINGFACE, /* a LLaVA folder: safetensors, config.json, … */
  NEVA_FORMAT_NEMO         /* a .nemo archive, Megatron-core's names */
} NevaFormat;

/* Zero-initialise; every zero is the default. */
typedef struct {
  /* As in NevaModelOptions: what the source leaves to others. */
  const char *base_model, *vision_tower, *lora;
  NevaFormat format;
  gboolean overwrite; /* replace what is there */

  guint64 shard_bytes; /* HUGGINGFACE: of one file; 0: 5 GB */

  guint tensor_parallel, pipeline_parallel; /* NEMO: ranks; 0: 1 */
  const char *vision_name; /* NEMO: what the archive calls the vision tower,
                              e.g. "openai/clip-vit-large-patch14-336"; NULL: a
                              folder NAME-vision beside NAME.nemo, written */

  /* Told what other programs will not understand of the result; NULL: nobody */
  void (*note) (const char *text, gpointer user_data);
  NevaProgressFunc progress;
  gpointer user_data; /* of both */
  GCancellable *cancellable;
} NevaConvertOptions;

/* from: anything that neva_model_open () opens but fakes; to: a folder or a
 * .nemo file that is not there. options may be NULL. Blocking. */
gboolean neva_convert (const char *from, const char *to,
    const NevaConvertOptions *options, GError **error);

G_END_DECLS

#endif /* NEVA_CONVERT_H */
