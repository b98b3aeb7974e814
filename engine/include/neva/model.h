/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model: immutable weights and the one worker that runs them. Models are
 * shared: opening the same path with the same options again while one is alive
 * returns the same model. All functions are thread-safe. */
#ifndef NEVA_MODEL_H
#define NEVA_MODEL_H

#include <gio/gio.h>
#include <neva/error.h>

G_BEGIN_DECLS

typedef struct _NevaModel NevaModel;

typedef enum {
  NEVA_WEIGHTS_AUTO, /* as stored: f32 stays f32, bf16 and f16 become bf16,
                        AWQ stays 4 bits */
  NEVA_WEIGHTS_F32,
  NEVA_WEIGHTS_BF16,
  NEVA_WEIGHTS_INT8, /* groups of 128, quantised at load */
  NEVA_WEIGHTS_INT4  /* groups of 128, quantised at load */
} NevaWeights;

/* Zero-initialise; every zero is the default. */
typedef struct {
  const char *base_model;   /* a .nemo with the language model, for checkpoints
                               that hold a projector alone */
  const char *vision_tower; /* Hugging Face folder of the vision tower that a
                               .nemo only names; NULL: where it says, beside
                               the archive, or in Hugging Face's cache */
  const char *lora; /* a .nemo with LoRA adapters, merged into the weights */
  NevaWeights weights;
  const char *device;     /* "cpu" (NULL means it); "cuda", "cuda:N", "auto" */
  guint threads;          /* compute threads of the process-wide pool; 0: cores.
                             The first model opened decides */
  guint context_length;   /* tokens; 0: the model's own */
  const char *key_file;   /* of an endpoint: its first line is the key; NULL:
                             API_TOKEN, then OPENAI_API_KEY of the environment,
                             then no key */
  guint timeout_s;        /* for a whole request to an endpoint; 0: 120 */
  gint retries;           /* of such a request, after the first; 0: 2; < 0: none
                           */
  guint64 kv_cache_bytes; /* bound on all KV pages; 0: room for 4 contexts */
  guint tensor_parallel;  /* ranks that share each layer; 0: 1 */
  guint pipeline_parallel; /* stages that the layers are split into; 0: 1.
                              The ranks are threads of this process, which
                              share `threads`, or processes: parallel.h */
  struct _NevaCalibration *calibration; /* looks at what the weights are given:
                              quantize.h; one rank, files only. NULL: none */
} NevaModelOptions;

/* FALSE for `model`s of neva_model_open () that are no file or folder. */
gboolean neva_model_is_path (const char *model);

/* What a model says of itself. Owned by the model. */
typedef struct {
  const char *name;         /* last part of the path, or the fake's name */
  const char *architecture; /* e.g. "llava: siglip + llama" */
  const char *weights;      /* e.g. "bf16" */
  guint image_width, image_height; /* pixels that the vision tower sees */
  guint num_frames;                /* frames of a video by default */
  guint tokens_per_frame;
  guint context_length; /* tokens */
  guint vocab_size;
  guint64 weight_bytes;      /* resident, packed copies included */
  const char *prompt;        /* default question */
  const char *conv_template; /* default prompt template */
  const char *media_type;    /* "image" or "video": the marker that a NeMo
                                model's prompts hold; NULL: any */
  const char *frame_choice;  /* "first", "middle", "last": the one frame of a
                                video that is shown; NULL: uniform */
  const char *notice; /* what users should be told: that device "auto" is the
                         CPU, and why; NULL: nothing */
} NevaModelInfo;

/* Called on the loading thread; fraction in 0..1. */
typedef void (*NevaProgressFunc) (double fraction, gpointer user_data);

/* Opens a model. path is one of
 *
 *   a folder in the Hugging Face layout
 *   a NeMo checkpoint: a .nemo archive, or its extracted folder
 *   openai:<base-url>#<model>   a vision-language model behind an endpoint of
 *                OpenAI's chat protocol: frames are sent as JPEG, at most 768
 *                pixels wide and high, when a question is asked
 *   fake:TEXT    for tests: every answer is TEXT
 *   fake:echo    for tests: "prompt=…; system=…; frames=N; times=S,S,…", with
 *                the frames' times in seconds
 *
 * A fake may be followed by ?name=number&…: delay, load and encode are the
 * milliseconds that an answer, loading, and each frame take; tokens the words
 * of an answer (TEXT is repeated); frames what it says of num_frames; context
 * its context_length; kv the tokens that fit into its cache; yes the per cent
 * of its yes_probability; and fail=load, encode, prompt or answer makes that
 * fail.
 *
 * Blocking: seconds for large models; call it off the application's thread.
 * options, progress and cancellable may be NULL.
 * Returns: (transfer full): a reference, or NULL with error set. */
NevaModel *neva_model_open (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error);
NevaModel *neva_model_ref (NevaModel *model);
void neva_model_unref (NevaModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaModel, neva_model_unref)

/* (transfer none) */
const NevaModelInfo *neva_model_get_info (NevaModel *model);

/* Sums since the model was opened; times in nanoseconds. */
typedef struct {
  gint64 load_ns;
  guint64 frames_encoded, prompt_tokens, reused_tokens, generated_tokens;
  guint64 answers, cancelled, failed;
  guint64 paused; /* how often an answer gave its KV cache up for others */
  gint64 preprocess_ns, encode_ns, queue_ns, prefill_ns, first_token_ns,
      decode_ns;
  guint queued_frames, queued_questions, running; /* now */
  guint64 kv_bytes, kv_bytes_peak;                /* now, and the most so far */
  /* of a model that looks at frames on a GPU */
  guint64 frame_bytes_uploaded; /* planes from the host's memory */
  guint64 gpu_frames;           /* frames that lay in the GPU's memory */
  guint64 gpu_bytes_copied;     /* of those, from one context to another */
} NevaStats;

void neva_model_get_stats (NevaModel *model, NevaStats *stats);

G_END_DECLS

#endif /* NEVA_MODEL_H */
