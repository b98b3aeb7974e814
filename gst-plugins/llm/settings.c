/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values and declaration of nevallm's properties; see settings.h. The names of
 * the sampling properties are those of neva_inference.yaml. */
#include "config.h"
#include "settings.h"
#include "common/gstnevaenum.h"
#include "stringarray.h"

#define DEFAULT_MAX_TOKENS 256
#define DEFAULT_MAX_DELAY (10 * GST_SECOND)
#define DEFAULT_MAX_PENDING 4
#define DEFAULT_MAX_INFLIGHT 1

enum {
  PROP_PROMPT = GST_NEVA_LLM_FIRST_SETTING,
  PROP_SYSTEM_PROMPT,
  PROP_TEMPLATE,
  PROP_GREEDY,
  PROP_TOP_K,
  PROP_TOP_P,
  PROP_TEMPERATURE,
  PROP_REPETITION_PENALTY,
  PROP_PENALTY_MODE,
  PROP_REPETITION_PENALTY_MODE,
  PROP_COMPUTE_LOGPROB,
  PROP_ALL_PROBS,
  PROP_MIN_TOKENS,
  PROP_MAX_TOKENS,
  PROP_TOKENS_TO_GENERATE,
  PROP_END_STRINGS,
  PROP_CLEAN,
  PROP_INSERT_MEDIA_TOKEN,
  PROP_ADD_MEDIA_SEP,
  PROP_SEED,
  PROP_OUTPUT,
  PROP_TIMING,
  PROP_TEXT_TIME,
  PROP_MAX_DELAY,
  PROP_OVERFLOW,
  PROP_MAX_PENDING,
  PROP_MAX_INFLIGHT,
  PROP_PARTIAL,
  PROP_ERROR_POLICY,
  PROP_WRAP_COLUMNS
};

/* ---- Enumerations ---- */

GST_NEVA_DEFINE_STATIC_ENUM (output_type, "GstNevaLlmOutput",
    {GST_NEVA_LLM_OUTPUT_AUTO,
        "Video with captions as metas where downstream takes video, else text",
        "auto"},
    {GST_NEVA_LLM_OUTPUT_TEXT, "Captions as text buffers", "text"},
    {GST_NEVA_LLM_OUTPUT_META, "Video with captions as metas", "meta"})
GST_NEVA_DEFINE_STATIC_ENUM (timing_type, "GstNevaLlmTiming",
    {GST_NEVA_LLM_TIMING_LATE,
        "Video is never delayed; captions follow when they are ready", "late"},
    {GST_NEVA_LLM_TIMING_ALIGNED,
        "Video waits, at most for max-delay, and leaves together with the "
        "captions that describe it",
        "aligned"})
GST_NEVA_DEFINE_STATIC_ENUM (text_time_type, "GstNevaLlmTextTime",
    {GST_NEVA_LLM_TEXT_TIME_AUTO,
        "arrival on the text pad of a live source, else window", "auto"},
    {GST_NEVA_LLM_TEXT_TIME_WINDOW, "Text has the time of its window",
        "window"},
    {GST_NEVA_LLM_TEXT_TIME_ARRIVAL,
        "Text that comes after its window began has the time of the video "
        "frame that passes then",
        "arrival"})
GST_NEVA_DEFINE_STATIC_ENUM (overflow_type, "GstNevaLlmOverflow",
    {GST_NEVA_LLM_OVERFLOW_AUTO, "block, or drop-oldest if the source is live",
        "auto"},
    {GST_NEVA_LLM_OVERFLOW_BLOCK, "Make upstream wait", "block"},
    {GST_NEVA_LLM_OVERFLOW_DROP_OLDEST, "Drop the clip that waits longest",
        "drop-oldest"},
    {GST_NEVA_LLM_OVERFLOW_DROP_NEWEST, "Drop the clip that came last",
        "drop-newest"})
GST_NEVA_DEFINE_STATIC_ENUM (error_policy_type, "GstNevaLlmErrorPolicy",
    {GST_NEVA_LLM_ERROR_POLICY_FAIL,
        "A clip that cannot be captioned is an error and ends the stream",
        "fail"},
    {GST_NEVA_LLM_ERROR_POLICY_SKIP,
        "A clip that cannot be captioned is a warning and is skipped", "skip"})
GST_NEVA_DEFINE_STATIC_ENUM (penalty_mode_type, "GstNevaLlmPenaltyMode",
    {NEVA_PENALTY_DOCUMENTED,
        "Penalise every token seen, whatever its logit's sign", "documented"},
    {NEVA_PENALTY_NEMO,
        "As NeMo computes it: needs compute-logprob, and raises negative "
        "logits",
        "nemo"})
GST_NEVA_DEFINE_STATIC_ENUM (clean_type, "GstNevaLlmClean",
    {NEVA_CLEAN_EXACT, "The end marker goes, and white space around the text",
        "exact"},
    {NEVA_CLEAN_NEMO,
        "As NeMo cuts it, letters that belong to the text included; no partial "
        "captions",
        "nemo"})
GST_NEVA_DEFINE_STATIC_ENUM (insert_type, "GstNevaLlmInsertMediaToken",
    {NEVA_INSERT_NONE,
        "Where the prompt has it, else where the template wants it", "none"},
    {NEVA_INSERT_LEFT, "In front of the prompt", "left"},
    {NEVA_INSERT_RIGHT, "Behind the prompt", "right"})

/* ---- Values ---- */

void
gst_neva_llm_settings_init (GstNevaLlmSettings *settings)
{
  *settings = (GstNevaLlmSettings){.sampling = NEVA_SAMPLING_DEFAULT,
      .max_tokens = DEFAULT_MAX_TOKENS,
      .max_delay = DEFAULT_MAX_DELAY,
      .max_pending = DEFAULT_MAX_PENDING,
      .max_inflight = DEFAULT_MAX_INFLIGHT};
  gst_neva_llm_alert_settings_init (&settings->alert);
  gst_neva_llm_memory_settings_init (&settings->memory);
}

void
gst_neva_llm_settings_clear (GstNevaLlmSettings *settings)
{
  g_clear_pointer (&settings->prompts, gst_neva_llm_prompts_unref);
  g_clear_pointer (&settings->prompt, g_free);
  g_clear_pointer (&settings->system_prompt, g_free);
  g_clear_pointer (&settings->conv_template, g_free);
  g_clear_pointer (&settings->end_strings, g_strfreev);
  gst_neva_llm_form_clear (&settings->form);
  g_clear_pointer (&settings->alert.question, g_free);
}

void
gst_neva_llm_settings_copy (
    GstNevaLlmSettings *dest, const GstNevaLlmSettings *src)
{
  *dest = *src;
  if (src->prompts)
    gst_neva_llm_prompts_ref (src->prompts);
  dest->prompt = g_strdup (src->prompt);
  dest->system_prompt = g_strdup (src->system_prompt);
  dest->conv_template = g_strdup (src->conv_template);
  dest->end_strings = g_strdupv (src->end_strings);
  gst_neva_llm_form_copy (&dest->form, &src->form);
  dest->alert.question = g_strdup (src->alert.question);
}

static void
set_string (char **field, const GValue *value)
{
  g_free (*field);
  *field = g_value_dup_string (value);
}

static gboolean
set_sampling (NevaSampling *sampling, guint id, const GValue *value)
{
  switch (id) {
    case PROP_GREEDY:
      sampling->greedy = g_value_get_boolean (value);
      return TRUE;
    case PROP_TOP_K:
      sampling->top_k = g_value_get_int (value);
      return TRUE;
    case PROP_TOP_P:
      sampling->top_p = g_value_get_double (value);
      return TRUE;
    case PROP_TEMPERATURE:
      sampling->temperature = g_value_get_double (value);
      return TRUE;
    case PROP_REPETITION_PENALTY:
      sampling->repetition_penalty = g_value_get_double (value);
      return TRUE;
    case PROP_PENALTY_MODE:
    case PROP_REPETITION_PENALTY_MODE:
      sampling->penalty_mode = (NevaPenaltyMode) g_value_get_enum (value);
      return TRUE;
    case PROP_COMPUTE_LOGPROB:
      sampling->compute_logprob = g_value_get_boolean (value);
      return TRUE;
    case PROP_MIN_TOKENS:
      sampling->min_tokens = g_value_get_uint (value);
      return TRUE;
    case PROP_SEED:
      sampling->seed = g_value_get_uint64 (value);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
get_sampling (const NevaSampling *sampling, guint id, GValue *value)
{
  switch (id) {
    case PROP_GREEDY:
      g_value_set_boolean (value, sampling->greedy);
      return TRUE;
    case PROP_TOP_K:
      g_value_set_int (value, sampling->top_k);
      return TRUE;
    case PROP_TOP_P:
      g_value_set_double (value, sampling->top_p);
      return TRUE;
    case PROP_TEMPERATURE:
      g_value_set_double (value, sampling->temperature);
      return TRUE;
    case PROP_REPETITION_PENALTY:
      g_value_set_double (value, sampling->repetition_penalty);
      return TRUE;
    case PROP_PENALTY_MODE:
    case PROP_REPETITION_PENALTY_MODE:
      g_value_set_enum (value, (gint) sampling->penalty_mode);
      return TRUE;
    case PROP_COMPUTE_LOGPROB:
      g_value_set_boolean (value, sampling->compute_logprob);
      return TRUE;
    case PROP_MIN_TOKENS:
      g_value_set_uint (value, sampling->min_tokens);
      return TRUE;
    case PROP_SEED:
      g_value_set_uint64 (value, sampling->seed);
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
set_question (GstNevaLlmSettings *settings, guint id, const GValue *value)
{
  switch (id) {
    case PROP_PROMPT:
      set_string (&settings->prompt, value);
      return TRUE;
    case PROP_SYSTEM_PROMPT:
      set_string (&settings->system_prompt, value);
      return TRUE;
    case PROP_TEMPLATE:
      set_string (&settings->conv_template, value);
      return TRUE;
    case PROP_END_STRINGS:
      gst_neva_string_array_set (&settings->end_strings, value);
      return TRUE;
    case PROP_CLEAN:
      settings->clean = (NevaClean) g_value_get_enum (value);
      return TRUE;
    case PROP_INSERT_MEDIA_TOKEN:
      settings->insert_media = (NevaInsertMedia) g_value_get_enum (value);
      return TRUE;
    case PROP_ADD_MEDIA_SEP:
      settings->add_media_sep = g_value_get_boolean (value);
      return TRUE;
    case PROP_ALL_PROBS:
      settings->all_probs = g_value_get_boolean (value);
      return TRUE;
    case PROP_MAX_TOKENS:
    case PROP_TOKENS_TO_GENERATE:
      settings->max_tokens = g_value_get_uint (value);
      return TRUE;
    default:
      return gst_neva_llm_form_set (&settings->form, id, value) ||
             gst_neva_llm_alert_settings_set (&settings->alert, id, value) ||
             gst_neva_llm_memory_settings_set (&settings->memory, id, value) ||
             set_sampling (&settings->sampling, id, value);
  }
}

static gboolean
get_question (const GstNevaLlmSettings *settings, guint id, GValue *value)
{
  switch (id) {
    case GST_NEVA_LLM_PROP_PROMPTS:
      if (settings->prompts)
        g_value_copy (&settings->prompts->value, value);
      return TRUE;
    case PROP_PROMPT:
      g_value_set_string (value, settings->prompt);
      return TRUE;
    case PROP_SYSTEM_PROMPT:
      g_value_set_string (value, settings->system_prompt);
      return TRUE;
    case PROP_TEMPLATE:
      g_value_set_string (value, settings->conv_template);
      return TRUE;
    case PROP_END_STRINGS:
      gst_neva_string_array_get (settings->end_strings, value);
      return TRUE;
    case PROP_CLEAN:
      g_value_set_enum (value, (gint) settings->clean);
      return TRUE;
    case PROP_INSERT_MEDIA_TOKEN:
      g_value_set_enum (value, (gint) settings->insert_media);
      return TRUE;
    case PROP_ADD_MEDIA_SEP:
      g_value_set_boolean (value, settings->add_media_sep);
      return TRUE;
    case PROP_ALL_PROBS:
      g_value_set_boolean (value, settings->all_probs);
      return TRUE;
    case PROP_MAX_TOKENS:
    case PROP_TOKENS_TO_GENERATE:
      g_value_set_uint (value, settings->max_tokens);
      return TRUE;
    default:
      return gst_neva_llm_form_get (&settings->form, id, value) ||
             gst_neva_llm_alert_settings_get (&settings->alert, id, value) ||
             gst_neva_llm_memory_settings_get (&settings->memory, id, value) ||
             get_sampling (&settings->sampling, id, value);
  }
}

gboolean
gst_neva_llm_settings_set (
    GstNevaLlmSettings *settings, guint id, const GValue *value)
{
  switch (id) {
    case PROP_OUTPUT:
      settings->output = (GstNevaLlmOutput) g_value_get_enum (value);
      return TRUE;
    case PROP_TIMING:
      settings->timing = (GstNevaLlmTiming) g_value_get_enum (value);
      return TRUE;
    case PROP_TEXT_TIME:
      settings->text_time = (GstNevaLlmTextTime) g_value_get_enum (value);
      return TRUE;
    case PROP_MAX_DELAY:
      settings->max_delay = g_value_get_uint64 (value);
      return TRUE;
    case PROP_OVERFLOW:
      settings->overflow = (GstNevaLlmOverflow) g_value_get_enum (value);
      return TRUE;
    case PROP_MAX_PENDING:
      settings->max_pending = g_value_get_uint (value);
      return TRUE;
    case PROP_MAX_INFLIGHT:
      settings->max_inflight = g_value_get_uint (value);
      return TRUE;
    case PROP_PARTIAL:
      settings->partial = g_value_get_boolean (value);
      return TRUE;
    case PROP_ERROR_POLICY:
      settings->error_policy = (GstNevaLlmErrorPolicy) g_value_get_enum (value);
      return TRUE;
    case PROP_WRAP_COLUMNS:
      settings->wrap_columns = g_value_get_uint (value);
      return TRUE;
    default:
      return set_question (settings, id, value);
  }
}

gboolean
gst_neva_llm_settings_get (
    const GstNevaLlmSettings *settings, guint id, GValue *value)
{
  switch (id) {
    case PROP_OUTPUT:
      g_value_set_enum (value, (gint) settings->output);
      return TRUE;
    case PROP_TIMING:
      g_value_set_enum (value, (gint) settings->timing);
      return TRUE;
    case PROP_TEXT_TIME:
      g_value_set_enum (value, (gint) settings->text_time);
      return TRUE;
    case PROP_MAX_DELAY:
      g_value_set_uint64 (value, settings->max_delay);
      return TRUE;
    case PROP_OVERFLOW:
      g_value_set_enum (value, (gint) settings->overflow);
      return TRUE;
    case PROP_MAX_PENDING:
      g_value_set_uint (value, settings->max_pending);
      return TRUE;
    case PROP_MAX_INFLIGHT:
      g_value_set_uint (value, settings->max_inflight);
      return TRUE;
    case PROP_PARTIAL:
      g_value_set_boolean (value, settings->partial);
      return TRUE;
    case PROP_ERROR_POLICY:
      g_value_set_enum (value, (gint) settings->error_policy);
      return TRUE;
    case PROP_WRAP_COLUMNS:
      g_value_set_uint (value, settings->wrap_columns);
      return TRUE;
    default:
      return get_question (settings, id, value);
  }
}

/* ---- Declaration ---- */

#define PLAYING                                                                \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define READY                                                                  \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

static void
install_prompt (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_PROMPT,
      g_param_spec_string ("prompt", "Prompt",
          "Question about each clip; the model's own if unset. {start}, {end}, "
          "{duration}, {times} (of the frames), all in seconds of stream time, "
          "{start-clock}, {end-clock}, {frames}, {clip} and {memory} are "
          "replaced. Takes effect with the next question",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_SYSTEM_PROMPT,
      g_param_spec_string ("system-prompt", "System prompt",
          "What the conversation begins with; the template's own if unset",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_TEMPLATE,
      g_param_spec_string ("template", "Conversation template",
          "Name of the prompt template; the model's own if unset", NULL,
          PLAYING));
  g_object_class_install_property (klass, PROP_INSERT_MEDIA_TOKEN,
      g_param_spec_enum ("insert-media-token", "Insert media token",
          "Where the marker of the video goes into the prompt", insert_type (),
          NEVA_INSERT_NONE, PLAYING));
  g_object_class_install_property (klass, PROP_ADD_MEDIA_SEP,
      g_param_spec_boolean ("add-media-sep", "Add media separator",
          "A space and a newline behind the marker of insert-media-token",
          FALSE, PLAYING));
  g_object_class_install_property (klass, PROP_CLEAN,
      g_param_spec_enum ("clean", "Clean", "How the model's text is cleaned",
          clean_type (), NEVA_CLEAN_EXACT, PLAYING));
}

static void
install_sampling (GObjectClass *klass)
{
  const NevaSampling d = NEVA_SAMPLING_DEFAULT;

  g_object_class_install_property (klass, PROP_GREEDY,
      g_param_spec_boolean ("greedy", "Greedy",
          "Always take the likeliest token; temperature, top-k, top-p and "
          "repetition-penalty are then ignored",
          d.greedy, PLAYING));
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_int ("top-k", "Top k",
          "Draw from the k likeliest tokens; 0 or less = from all", G_MININT,
          G_MAXINT, d.top_k, PLAYING));
  g_object_class_install_property (klass, PROP_TOP_P,
      g_param_spec_double ("top-p", "Top p",
          "Draw from the likeliest tokens that together have this probability; "
          "0 or 1 = from all",
          0.0, 1.0, d.top_p, PLAYING));
  g_object_class_install_property (klass, PROP_TEMPERATURE,
      g_param_spec_double ("temperature", "Temperature",
          "What logits are divided by before drawing", 1e-3, 1000.0,
          d.temperature, PLAYING));
  g_object_class_install_property (klass, PROP_REPETITION_PENALTY,
      g_param_spec_double ("repetition-penalty", "Repetition penalty",
          "How much less likely a token is that was seen before; 1 = off", 1e-3,
          1000.0, d.repetition_penalty, PLAYING));
  g_object_class_install_property (klass, PROP_PENALTY_MODE,
      g_param_spec_enum ("penalty-mode", "Penalty mode",
          "How repetition-penalty is applied", penalty_mode_type (),
          (gint) d.penalty_mode, PLAYING));
  g_object_class_install_property (klass, PROP_REPETITION_PENALTY_MODE,
      g_param_spec_enum ("repetition-penalty-mode", "Repetition penalty mode",
          "The same as penalty-mode", penalty_mode_type (),
          (gint) d.penalty_mode, PLAYING));
  g_object_class_install_property (klass, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Start of the random draws; the same seed gives the same text", 0,
          G_MAXUINT64, d.seed, PLAYING));
}

static void
install_scores (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_COMPUTE_LOGPROB,
      g_param_spec_boolean ("compute-logprob", "Compute log-probabilities",
          "Captions have token-ids and logprobs; without it penalty-mode=nemo "
          "has no effect",
          FALSE, PLAYING));
  g_object_class_install_property (klass, PROP_ALL_PROBS,
      g_param_spec_boolean ("all-probs", "All probabilities",
          "Captions have token-ids, logprobs and full-logprobs, those of the "
          "whole vocabulary",
          FALSE, PLAYING));
}

static void
install_length (GObjectClass *klass)
{
  const NevaSampling d = NEVA_SAMPLING_DEFAULT;

  g_object_class_install_property (klass, PROP_MIN_TOKENS,
      g_param_spec_uint ("min-tokens-to-generate", "Minimum tokens",
          "The model may not end its answer before so many tokens", 0, G_MAXINT,
          d.min_tokens, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_TOKENS,
      g_param_spec_uint ("max-tokens", "Maximum tokens",
          "Longest answer, in tokens", 1, G_MAXINT, DEFAULT_MAX_TOKENS,
          PLAYING));
  g_object_class_install_property (klass, PROP_TOKENS_TO_GENERATE,
      g_param_spec_uint ("tokens-to-generate", "Tokens to generate",
          "The same as max-tokens, by its name in neva_inference.yaml", 1,
          G_MAXINT, DEFAULT_MAX_TOKENS, PLAYING));
  g_object_class_install_property (klass, PROP_END_STRINGS,
      gst_param_spec_array ("end-strings", "End strings",
          "The answer ends where one of these is said",
          g_param_spec_string (
              "end-string", "End string", "An end string", NULL, PLAYING),
          PLAYING));
}

static void
install_output (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_OUTPUT,
      g_param_spec_enum ("output", "Output", "What leaves on the src pad",
          output_type (), GST_NEVA_LLM_OUTPUT_AUTO, READY));
  g_object_class_install_property (klass, PROP_TIMING,
      g_param_spec_enum ("timing", "Timing",
          "Whether video waits for its captions", timing_type (),
          GST_NEVA_LLM_TIMING_LATE, READY));
  g_object_class_install_property (klass, PROP_TEXT_TIME,
      g_param_spec_enum ("text-time", "Text time",
          "Timestamps of text buffers; their duration is always the window's, "
          "and their meta holds the window",
          text_time_type (), GST_NEVA_LLM_TEXT_TIME_AUTO, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_DELAY,
      g_param_spec_uint64 ("max-delay", "Maximum delay",
          "With timing=aligned: longest time (ns of media) that video is held "
          "for its captions, and the latency that is reported when live; more "
          "than a window and the time of an answer",
          0, G_MAXINT64, DEFAULT_MAX_DELAY, PLAYING));
  g_object_class_install_property (klass, PROP_PARTIAL,
      g_param_spec_boolean ("partial", "Partial",
          "Send captions while they grow, marked as not final", FALSE,
          PLAYING));
  g_object_class_install_property (klass, PROP_WRAP_COLUMNS,
      g_param_spec_uint ("wrap-columns", "Wrap columns",
          "Break lines of text so that none is longer than so many characters; "
          "0 = one line",
          0, G_MAXINT, 0, PLAYING));
}

static void
install_queue (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_OVERFLOW,
      g_param_spec_enum ("overflow", "Overflow",
          "What happens to clips that come faster than answers",
          overflow_type (), GST_NEVA_LLM_OVERFLOW_AUTO, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_PENDING,
      g_param_spec_uint ("max-pending", "Maximum pending",
          "Complete clips that may wait to be asked about", 1, 1024,
          DEFAULT_MAX_PENDING, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_INFLIGHT,
      g_param_spec_uint ("max-inflight", "Maximum in flight",
          "Clips of this element that the model is asked about at a time, with "
          "all their questions",
          1, 64, DEFAULT_MAX_INFLIGHT, PLAYING));
  g_object_class_install_property (klass, PROP_ERROR_POLICY,
      g_param_spec_enum ("error-policy", "Error policy",
          "What happens to a clip that cannot be captioned",
          error_policy_type (), GST_NEVA_LLM_ERROR_POLICY_FAIL, PLAYING));
}

void
gst_neva_llm_settings_install (GObjectClass *klass)
{
  install_prompt (klass);
  gst_neva_llm_prompts_install (klass);
  gst_neva_llm_memory_settings_install (klass);
  install_sampling (klass);
  install_scores (klass);
  install_length (klass);
  gst_neva_llm_form_install (klass);
  gst_neva_llm_alert_settings_install (klass);
  install_output (klass);
  install_queue (klass);
}
