/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties that name a model, and its types. */
#include "config.h"
#include "gstnevamodel.h"
#include "gstnevaenum.h"

enum {
  MODEL,
  BASE_MODEL,
  VISION_TOWER,
  LORA,
  WEIGHTS,
  DEVICE,
  THREADS,
  CONTEXT_LENGTH,
  KV_CACHE_BYTES,
  API_KEY_FILE,
  TIMEOUT,
  RETRIES,
  TENSOR_PARALLEL,
  PIPELINE_PARALLEL
};

G_STATIC_ASSERT (PIPELINE_PARALLEL + 1 == GST_NEVA_MODEL_N_PROPERTIES);

#define DEFAULT_TIMEOUT 120
#define DEFAULT_RETRIES 2

#define FLAGS                                                                  \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY |      \
      GST_PARAM_DOC_SHOW_DEFAULT)

GST_NEVA_DEFINE_ENUM (gst_neva_weights_get_type, "GstNevaWeights",
    {NEVA_WEIGHTS_AUTO, "As stored in the model (f16 becomes bf16)", "auto"},
    {NEVA_WEIGHTS_F32, "32-bit floats", "f32"},
    {NEVA_WEIGHTS_BF16, "16-bit bfloat", "bf16"},
    {NEVA_WEIGHTS_INT8, "8-bit integers in groups of 128", "int8"},
    {NEVA_WEIGHTS_INT4, "4-bit integers in groups of 128", "int4"})

static gpointer
copy_model (gpointer model)
{
  return neva_model_ref (model);
}

static void
free_model (gpointer model)
{
  neva_model_unref (model);
}

GType
gst_neva_model_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_boxed_type_register_static ("GstNevaModel", copy_model, free_model));
  return type;
}

/* Of models behind an endpoint. The key itself is no property: it could be read
 * back, and pipelines are printed. */
static void
install_remote (GObjectClass *klass, guint first_id)
{
  g_object_class_install_property (klass, first_id + API_KEY_FILE,
      g_param_spec_string ("api-key-file", "API key file",
          "openai: models: file whose first line is the endpoint's key (NULL = "
          "the environment variables API_TOKEN or OPENAI_API_KEY)",
          NULL, FLAGS));
  g_object_class_install_property (klass, first_id + TIMEOUT,
      g_param_spec_uint ("timeout", "Timeout",
          "openai: models: seconds for one request", 1, 86400, DEFAULT_TIMEOUT,
          FLAGS));
  g_object_class_install_property (klass, first_id + RETRIES,
      g_param_spec_uint ("retries", "Retries",
          "openai: models: requests after the first, on network faults and "
          "busy servers",
          0, 100, DEFAULT_RETRIES, FLAGS));
}

void
gst_neva_model_options_install (GObjectClass *klass, guint first_id)
{
  g_object_class_install_property (klass, first_id + MODEL,
      g_param_spec_string ("model", "Model",
          "Model folder or .nemo file; openai:<base-url>#<model> for one "
          "behind "
          "an endpoint; or fake:TEXT or fake:echo for tests. "
          "Elements that name the same model with the same options share it",
          NULL, FLAGS));
  g_object_class_install_property (klass, first_id + BASE_MODEL,
      g_param_spec_string ("base-model", "Base model",
          "A .nemo file or folder with the language model, for a NeMo "
          "checkpoint that holds a projector alone",
          NULL, FLAGS));
  g_object_class_install_property (klass, first_id + VISION_TOWER,
      g_param_spec_string ("vision-tower", "Vision tower",
          "Hugging Face folder of the vision tower that a NeMo checkpoint "
          "only names (NULL = where it says, beside the checkpoint, or in "
          "Hugging Face's cache)",
          NULL, FLAGS));
  g_object_class_install_property (klass, first_id + LORA,
      g_param_spec_string ("lora", "LoRA adapters",
          "A .nemo file or folder with LoRA adapters, merged into the "
          "language model when it is loaded",
          NULL, FLAGS));
  g_object_class_install_property (klass, first_id + WEIGHTS,
      g_param_spec_enum ("weights", "Weights",
          "Type of the weights in memory; integers are quantised when the "
          "model is loaded",
          GST_TYPE_NEVA_WEIGHTS, NEVA_WEIGHTS_AUTO, FLAGS));
  g_object_class_install_property (klass, first_id + DEVICE,
      g_param_spec_string ("device", "Device",
          "Where the model runs: cpu, cuda, cuda:N, or auto (the first GPU, "
          "else the CPU)",
          "cpu", FLAGS));
  g_object_class_install_property (klass, first_id + THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Compute threads, shared by all models of the process; the first "
          "model decides (0 = as many as cores)",
          0, 1024, 0, FLAGS));
  g_object_class_install_property (klass, first_id + CONTEXT_LENGTH,
      g_param_spec_uint ("context-length", "Context length",
          "Most tokens of frames, prompt and answer together (0 = the "
          "model's own)",
          0, G_MAXINT32, 0, FLAGS));
  g_object_class_install_property (klass, first_id + KV_CACHE_BYTES,
      g_param_spec_uint64 ("kv-cache-bytes", "KV cache",
          "Most memory of all KV caches of the model, in bytes (0 = room for "
          "4 full contexts)",
          0, G_MAXUINT64, 0, FLAGS));
  install_remote (klass, first_id);
  g_object_class_install_property (klass, first_id + TENSOR_PARALLEL,
      g_param_spec_uint ("tensor-parallel", "Tensor parallel",
          "Ranks that share each layer of the model; they share the threads", 1,
          64, 1, FLAGS));
  g_object_class_install_property (klass, first_id + PIPELINE_PARALLEL,
      g_param_spec_uint ("pipeline-parallel", "Pipeline parallel",
          "Stages that the model's layers are split into", 1, 64, 1, FLAGS));
}

void
gst_neva_model_options_init (GstNevaModelOptions *options)
{
  *options = (GstNevaModelOptions){.device = g_strdup ("cpu"),
      .timeout = DEFAULT_TIMEOUT,
      .retries = DEFAULT_RETRIES,
      .tensor_parallel = 1,
      .pipeline_parallel = 1};
}

void
gst_neva_model_options_clear (GstNevaModelOptions *options)
{
  g_clear_pointer (&options->path, g_free);
  g_clear_pointer (&options->base_model, g_free);
  g_clear_pointer (&options->vision_tower, g_free);
  g_clear_pointer (&options->lora, g_free);
  g_clear_pointer (&options->device, g_free);
  g_clear_pointer (&options->key_file, g_free);
}

static void
set_string (char **dst, const GValue *value)
{
  g_free (*dst);
  *dst = g_value_dup_string (value);
}

gboolean
gst_neva_model_options_set (GstNevaModelOptions *options, GstElement *element,
    guint which, const GValue *value)
{
  GST_OBJECT_LOCK (element);
  switch (which) {
    case MODEL:
      set_string (&options->path, value);
      break;
    case BASE_MODEL:
      set_string (&options->base_model, value);
      break;
    case VISION_TOWER:
      set_string (&options->vision_tower, value);
      break;
    case LORA:
      set_string (&options->lora, value);
      break;
    case WEIGHTS:
      options->weights = (NevaWeights) g_value_get_enum (value);
      break;
    case DEVICE:
      set_string (&options->device, value);
      break;
    case THREADS:
      options->threads = g_value_get_uint (value);
      break;
    case CONTEXT_LENGTH:
      options->context_length = g_value_get_uint (value);
      break;
    case KV_CACHE_BYTES:
      options->kv_cache_bytes = g_value_get_uint64 (value);
      break;
    case API_KEY_FILE:
      set_string (&options->key_file, value);
      break;
    case TIMEOUT:
      options->timeout = g_value_get_uint (value);
      break;
    case RETRIES:
      options->retries = g_value_get_uint (value);
      break;
    case TENSOR_PARALLEL:
      options->tensor_parallel = g_value_get_uint (value);
      break;
    case PIPELINE_PARALLEL:
      options->pipeline_parallel = g_value_get_uint (value);
      break;
    default:
      break;
  }
  GST_OBJECT_UNLOCK (element);
  return which < GST_NEVA_MODEL_N_PROPERTIES;
}

gboolean
gst_neva_model_options_get (const GstNevaModelOptions *options,
    GstElement *element, guint which, GValue *value)
{
  GST_OBJECT_LOCK (element);
  switch (which) {
    case MODEL:
      g_value_set_string (value, options->path);
      break;
    case BASE_MODEL:
      g_value_set_string (value, options->base_model);
      break;
    case VISION_TOWER:
      g_value_set_string (value, options->vision_tower);
      break;
    case LORA:
      g_value_set_string (value, options->lora);
      break;
    case WEIGHTS:
      g_value_set_enum (value, (gint) options->weights);
      break;
    case DEVICE:
      g_value_set_string (value, options->device);
      break;
    case THREADS:
      g_value_set_uint (value, options->threads);
      break;
    case CONTEXT_LENGTH:
      g_value_set_uint (value, options->context_length);
      break;
    case KV_CACHE_BYTES:
      g_value_set_uint64 (value, options->kv_cache_bytes);
      break;
    case API_KEY_FILE:
      g_value_set_string (value, options->key_file);
      break;
    case TIMEOUT:
      g_value_set_uint (value, options->timeout);
      break;
    case RETRIES:
      g_value_set_uint (value, options->retries);
      break;
    case TENSOR_PARALLEL:
      g_value_set_uint (value, options->tensor_parallel);
      break;
    case PIPELINE_PARALLEL:
      g_value_set_uint (value, options->pipeline_parallel);
      break;
    default:
      break;
  }
  GST_OBJECT_UNLOCK (element);
  return which < GST_NEVA_MODEL_N_PROPERTIES;
}

GstStructure *
gst_neva_model_stats (NevaModel *model)
{
  NevaStats s = {0};

  if (model)
    neva_model_get_stats (model, &s);
  return gst_structure_new ("neva-stats", "load", G_TYPE_INT64, s.load_ns,
      "frames-encoded", G_TYPE_UINT64, s.frames_encoded, "prompt-tokens",
      G_TYPE_UINT64, s.prompt_tokens, "reused-tokens", G_TYPE_UINT64,
      s.reused_tokens, "generated-tokens", G_TYPE_UINT64, s.generated_tokens,
      "answers", G_TYPE_UINT64, s.answers, "cancelled", G_TYPE_UINT64,
      s.cancelled, "failed", G_TYPE_UINT64, s.failed, "preprocess",
      G_TYPE_INT64, s.preprocess_ns, "encode", G_TYPE_INT64, s.encode_ns,
      "queue-wait", G_TYPE_INT64, s.queue_ns, "prefill", G_TYPE_INT64,
      s.prefill_ns, "first-token", G_TYPE_INT64, s.first_token_ns, "decode",
      G_TYPE_INT64, s.decode_ns, "paused", G_TYPE_UINT64, s.paused,
      "queued-frames", G_TYPE_UINT, s.queued_frames, "queued-questions",
      G_TYPE_UINT, s.queued_questions, "running", G_TYPE_UINT, s.running,
      "kv-bytes", G_TYPE_UINT64, s.kv_bytes, "kv-bytes-peak", G_TYPE_UINT64,
      s.kv_bytes_peak, "frame-bytes-uploaded", G_TYPE_UINT64,
      s.frame_bytes_uploaded, "gpu-frames", G_TYPE_UINT64, s.gpu_frames,
      "gpu-bytes-copied", G_TYPE_UINT64, s.gpu_bytes_copied,
      "tokens-per-second", G_TYPE_DOUBLE,
      s.decode_ns > 0 ? (double) s.generated_tokens * 1e9 / (double) s.decode_ns
                      : 0.0,
      NULL);
}
