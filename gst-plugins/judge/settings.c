/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values and declaration of nevajudge's properties; see settings.h. */
#include "config.h"
#include "settings.h"
#include "common/gstnevaenum.h"

#define DEFAULT_DEVICE "cpu"
#define DEFAULT_CATEGORY "llava_bench_detail"
#define DEFAULT_THRESHOLD 5.0
#define DEFAULT_MAX_WAIT (5 * GST_SECOND)
#define DEFAULT_MAX_PENDING 4
#define DEFAULT_MAX_INFLIGHT 1
#define DEFAULT_MAX_TOKENS 1024
#define DEFAULT_TIMEOUT 30
#define DEFAULT_RETRIES 2

enum {
  PROP_JUDGE = GST_NEVA_JUDGE_FIRST_SETTING,
  PROP_DEVICE,
  PROP_API_KEY_FILE,
  PROP_RULE,
  PROP_CATEGORY,
  PROP_QUESTION,
  PROP_CONTEXT,
  PROP_MODE,
  PROP_ERROR_POLICY,
  PROP_THRESHOLD,
  PROP_MAX_WAIT,
  PROP_MAX_PENDING,
  PROP_MAX_INFLIGHT,
  PROP_MAX_TOKENS,
  PROP_TIMEOUT,
  PROP_RETRIES
};

/* ---- Enumerations ---- */

GST_NEVA_DEFINE_STATIC_ENUM (mode_type, "GstNevaJudgeMode",
    {GST_NEVA_JUDGE_MODE_SCORE, "One JSON text per judged window", "score"},
    {GST_NEVA_JUDGE_MODE_BEST, "The text of the best candidate", "best"},
    {GST_NEVA_JUDGE_MODE_GATE,
        "The text of the best candidate if it has more than the threshold, "
        "else a gap",
        "gate"})

GST_NEVA_DEFINE_STATIC_ENUM (error_policy_type, "GstNevaJudgeErrorPolicy",
    {GST_NEVA_JUDGE_ERROR_POLICY_SKIP,
        "A window that cannot be judged is a warning and counts -1", "skip"},
    {GST_NEVA_JUDGE_ERROR_POLICY_FAIL,
        "A window that cannot be judged is an error and ends the stream",
        "fail"})

/* ---- Values ---- */

void
gst_neva_judge_settings_init (GstNevaJudgeSettings *settings)
{
  *settings = (GstNevaJudgeSettings){.category = g_strdup (DEFAULT_CATEGORY),
      .device = g_strdup (DEFAULT_DEVICE),
      .threshold = DEFAULT_THRESHOLD,
      .max_wait = DEFAULT_MAX_WAIT,
      .max_pending = DEFAULT_MAX_PENDING,
      .max_inflight = DEFAULT_MAX_INFLIGHT,
      .max_tokens = DEFAULT_MAX_TOKENS,
      .timeout = DEFAULT_TIMEOUT,
      .retries = DEFAULT_RETRIES};
}

void
gst_neva_judge_settings_copy (
    GstNevaJudgeSettings *dest, const GstNevaJudgeSettings *src)
{
  *dest = *src;
  dest->judge = g_strdup (src->judge);
  dest->device = g_strdup (src->device);
  dest->key_file = g_strdup (src->key_file);
  dest->rule = g_strdup (src->rule);
  dest->category = g_strdup (src->category);
  dest->question = g_strdup (src->question);
  dest->context = g_strdup (src->context);
}

void
gst_neva_judge_settings_clear (GstNevaJudgeSettings *settings)
{
  g_clear_pointer (&settings->judge, g_free);
  g_clear_pointer (&settings->device, g_free);
  g_clear_pointer (&settings->key_file, g_free);
  g_clear_pointer (&settings->rule, g_free);
  g_clear_pointer (&settings->category, g_free);
  g_clear_pointer (&settings->question, g_free);
  g_clear_pointer (&settings->context, g_free);
}

/* The field of a property that is a string; NULL: it is none. */
static char **
string_field (GstNevaJudgeSettings *s, guint id)
{
  switch (id) {
    case PROP_JUDGE:
      return &s->judge;
    case PROP_DEVICE:
      return &s->device;
    case PROP_API_KEY_FILE:
      return &s->key_file;
    case PROP_RULE:
      return &s->rule;
    case PROP_CATEGORY:
      return &s->category;
    case PROP_QUESTION:
      return &s->question;
    case PROP_CONTEXT:
      return &s->context;
    default:
      return NULL;
  }
}

static guint *
number_field (GstNevaJudgeSettings *s, guint id)
{
  switch (id) {
    case PROP_MAX_PENDING:
      return &s->max_pending;
    case PROP_MAX_INFLIGHT:
      return &s->max_inflight;
    case PROP_MAX_TOKENS:
      return &s->max_tokens;
    case PROP_TIMEOUT:
      return &s->timeout;
    case PROP_RETRIES:
      return &s->retries;
    default:
      return NULL;
  }
}

gboolean
gst_neva_judge_settings_set (
    GstNevaJudgeSettings *s, guint id, const GValue *value)
{
  char **text = string_field (s, id);
  guint *number = number_field (s, id);

  if (text) {
    g_free (*text);
    *text = g_value_dup_string (value);
    return TRUE;
  }
  if (number) {
    *number = g_value_get_uint (value);
    return TRUE;
  }
  switch (id) {
    case PROP_MODE:
      s->mode = (GstNevaJudgeMode) g_value_get_enum (value);
      return TRUE;
    case PROP_ERROR_POLICY:
      s->error_policy = (GstNevaJudgeErrorPolicy) g_value_get_enum (value);
      return TRUE;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      return TRUE;
    case PROP_MAX_WAIT:
      s->max_wait = g_value_get_uint64 (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_neva_judge_settings_get (
    const GstNevaJudgeSettings *settings, guint id, GValue *value)
{
  GstNevaJudgeSettings *s = (GstNevaJudgeSettings *) settings;
  char **text = string_field (s, id);
  const guint *number = number_field (s, id);

  if (text) {
    g_value_set_string (value, *text);
    return TRUE;
  }
  if (number) {
    g_value_set_uint (value, *number);
    return TRUE;
  }
  switch (id) {
    case PROP_MODE:
      g_value_set_enum (value, (gint) s->mode);
      return TRUE;
    case PROP_ERROR_POLICY:
      g_value_set_enum (value, (gint) s->error_policy);
      return TRUE;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      return TRUE;
    case PROP_MAX_WAIT:
      g_value_set_uint64 (value, s->max_wait);
      return TRUE;
    default:
      return FALSE;
  }
}

/* ---- Declaration ---- */

#define COMMON                                                                 \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_DOC_SHOW_DEFAULT)
#define READY (COMMON | GST_PARAM_MUTABLE_READY)
#define PLAYING (COMMON | GST_PARAM_MUTABLE_PLAYING)

static void
install_judge (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_JUDGE,
      g_param_spec_string ("judge", "Judge",
          "Who judges: a model folder or .nemo file, "
          "openai:<base-url>#<model>, an http or https URL that is posted to "
          "as NVIDIA's hosted functions are, or fake:TEXT for tests",
          NULL, READY));
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Where a judge from a folder or file runs: cpu, cuda, cuda:N, or "
          "auto (the first GPU, else the CPU)",
          DEFAULT_DEVICE, READY));
  g_object_class_install_property (klass, PROP_API_KEY_FILE,
      g_param_spec_string ("api-key-file", "API key file",
          "File whose first line is the endpoint's key (NULL = the environment "
          "variables API_TOKEN or OPENAI_API_KEY)",
          NULL, READY));
  g_object_class_install_property (klass, PROP_RULE,
      g_param_spec_string ("rule", "Rule file",
          "JSON file of what the judge is told by category (NULL = a built-in "
          "rule for captions)",
          NULL, READY));
  g_object_class_install_property (klass, PROP_CATEGORY,
      g_param_spec_string ("category", "Category",
          "Which rule of the rule file holds", DEFAULT_CATEGORY, READY));
  g_object_class_install_property (klass, PROP_QUESTION,
      g_param_spec_string ("question", "Question",
          "What the candidates were asked (NULL = the prompt that their "
          "captions carry)",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_CONTEXT,
      g_param_spec_string ("context", "Context",
          "What the judge is told about the video, where the context pad says "
          "nothing",
          NULL, PLAYING));
}

static void
install_output (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode", "What leaves on the src pad",
          mode_type (), GST_NEVA_JUDGE_MODE_SCORE, READY));
  g_object_class_install_property (klass, PROP_ERROR_POLICY,
      g_param_spec_enum ("error-policy", "Error policy",
          "What a window that cannot be judged is", error_policy_type (),
          GST_NEVA_JUDGE_ERROR_POLICY_SKIP, PLAYING));
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score that text must exceed to pass in mode=gate", -G_MAXDOUBLE,
          G_MAXDOUBLE, DEFAULT_THRESHOLD, PLAYING));
}

static void
install_limits (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_MAX_WAIT,
      g_param_spec_uint64 ("max-wait", "Maximum wait",
          "Live: how long a window's first candidate waits for the others, in "
          "ns",
          0, G_MAXINT64, DEFAULT_MAX_WAIT, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_PENDING,
      g_param_spec_uint ("max-pending", "Maximum pending",
          "Complete windows that may wait for the judge; more are dropped, the "
          "oldest first, if the source is live, and else make upstream wait",
          1, 1024, DEFAULT_MAX_PENDING, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_INFLIGHT,
      g_param_spec_uint ("max-inflight", "Maximum in flight",
          "Windows that are judged at once; they leave in order", 1, 64,
          DEFAULT_MAX_INFLIGHT, READY));
  g_object_class_install_property (klass, PROP_MAX_TOKENS,
      g_param_spec_uint ("max-tokens", "Maximum tokens",
          "Longest reply of the judge, in tokens", 1, G_MAXINT32,
          DEFAULT_MAX_TOKENS, READY));
  g_object_class_install_property (klass, PROP_TIMEOUT,
      g_param_spec_uint ("timeout", "Timeout",
          "Seconds for one request to an endpoint", 1, 86400, DEFAULT_TIMEOUT,
          READY));
  g_object_class_install_property (klass, PROP_RETRIES,
      g_param_spec_uint ("retries", "Retries",
          "Requests to an endpoint after the first, on network faults and busy "
          "servers",
          0, 100, DEFAULT_RETRIES, READY));
}

void
gst_neva_judge_settings_install (GObjectClass *klass)
{
  install_judge (klass);
  install_output (klass);
  install_limits (klass);
}
