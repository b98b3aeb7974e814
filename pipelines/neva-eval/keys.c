/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "options.h"

typedef enum {
  KEY_STRING,
  KEY_STRINGS,
  KEY_BOOL,
  KEY_UINT,
  KEY_INT,
  KEY_SEED,
  KEY_DOUBLE,
  KEY_CHOICE, /* an enumeration: what choices say, in their order */
  KEY_PRECISION,
  KEY_WEIGHTS,
  KEY_IGNORED, /* read, and without effect: the original's, too, or beside the
                  point here */
} Kind;

typedef struct {
  const char *name;
  Kind kind;
  gsize offset;
  const char *about;
  const char *choices; /* separated by spaces */
} Key;

#define AT(member) G_STRUCT_OFFSET (Options, member)

static const Key keys[] = {
    {"neva_model_file", KEY_STRING, AT (neva_model_file),
        "the model: .nemo file, its folder, or a Hugging Face folder"},
    {"base_model_file", KEY_STRING, AT (base_model_file),
        "language model of a checkpoint that holds a projector alone"},
    {"prompt_file", KEY_STRING, AT (prompt_file),
        "questions: .jsonl, or .json with an array"},
    {"output_file", KEY_STRING, AT (output_file),
        "rows: .json becomes an array, anything else lines; - is standard "
        "output"},
    {"add_media_sep", KEY_BOOL, AT (rules.add_media_sep),
        "a space and a newline behind an inserted marker"},
    {"inference.media_base_path", KEY_STRING, AT (media_base_path),
        "folder or .tar of the media"},
    {"inference.media_type", KEY_CHOICE, AT (rules.media_type),
        "key of the record that names the file, and the marker", "video image"},
    {"inference.insert_media_token", KEY_CHOICE, AT (rules.insert),
        "where the marker goes into the prompt", "null left right"},
    {"inference.greedy", KEY_BOOL, AT (sampling.greedy),
        "always the likeliest token"},
    {"inference.top_k", KEY_INT, AT (sampling.top_k), "0: off"},
    {"inference.top_p", KEY_DOUBLE, AT (sampling.top_p), "0 or 1: off"},
    {"inference.temperature", KEY_DOUBLE, AT (sampling.temperature),
        "divides the logits"},
    {"inference.repetition_penalty", KEY_DOUBLE,
        AT (sampling.repetition_penalty), "1: off"},
    {"inference.tokens_to_generate", KEY_UINT, AT (max_tokens),
        "longest answer"},
    {"inference.min_tokens_to_generate", KEY_UINT, AT (sampling.min_tokens),
        "no eos before"},
    {"inference.compute_logprob", KEY_BOOL, AT (sampling.compute_logprob),
        "adds token_ids and logprob to the rows"},
    {"inference.all_probs", KEY_BOOL, AT (all_probs),
        "adds full_logprob, of each generated token; needs compute_logprob"},
    {"inference.end_strings", KEY_STRINGS, AT (end_strings),
        "what ends an answer beside eos"},
    {"inference.add_BOS", KEY_IGNORED, 0, NULL},
    {"inference.batch_size", KEY_IGNORED, 0, NULL},
    {"tensor_model_parallel_size", KEY_UINT, AT (tensor_parallel), NULL},
    {"pipeline_model_parallel_size", KEY_UINT, AT (pipeline_parallel), NULL},
    {"trainer.precision", KEY_PRECISION, AT (weights),
        "32, bf16 or 16: how weights are kept"},
    {"trainer.*", KEY_IGNORED, 0, NULL},
    {"quantization.enable", KEY_BOOL, AT (quantize),
        "calibrate, quantise, and answer with the result"},
    {"quantization.algorithm", KEY_CHOICE, AT (quantize_how),
        "4 bits, or 8 with SmoothQuant; fp8 needs a GPU", "awq int8_sq fp8"},
    {"quantization.num_samples", KEY_INT, AT (quantize_samples),
        "prompts to calibrate with; -1: all"},
    {"quantization.save", KEY_STRING, AT (quantize_save),
        "folder for the quantised model; with resume one that is there is "
        "used"},
    {"quantization.*", KEY_IGNORED, 0, NULL},
    /* this program's own */
    {"order", KEY_CHOICE, AT (grouped),
        "of the rows: as the prompt file has them, or by media file as the "
        "original",
        "input grouped"},
    {"resume", KEY_BOOL, AT (resume),
        "keep the rows of output_file and answer what is missing"},
    {"quiet", KEY_BOOL, AT (quiet), "print no answers and no progress"},
    {"clean", KEY_CHOICE, AT (clean),
        "pred_answer without the end marker, or as the original cuts it",
        "exact nemo"},
    {"repetition_penalty_mode", KEY_CHOICE, AT (sampling.penalty_mode),
        "as documented, or as the original computes it", "documented nemo"},
    {"seed", KEY_SEED, AT (sampling.seed), "of the draws"},
    {"num_frames", KEY_UINT, AT (num_frames),
        "frames of a video; 0: the model's"},
    {"conv_template", KEY_STRING, AT (conv_template),
        "prompt template in place of the model's"},
    {"system_prompt", KEY_STRING, AT (system_prompt),
        "in place of the template's"},
    {"lora", KEY_STRING, AT (lora), ".nemo with adapters to merge"},
    {"vision_tower", KEY_STRING, AT (vision_tower),
        "Hugging Face folder of the tower that a .nemo names"},
    {"weights", KEY_WEIGHTS, AT (weights),
        "in place of trainer.precision: auto f32 bf16 int8 int4"},
    {"device", KEY_STRING, AT (device), "cpu"},
    {"threads", KEY_UINT, AT (threads), "0: all cores"},
    {"context_length", KEY_UINT, AT (context_length), "0: the model's"},
    /* dead in the original */
    {"cluster_type", KEY_IGNORED, 0, NULL},
    {"pipeline_model_parallel_split_rank", KEY_IGNORED, 0, NULL},
    {"checkpoint_dir", KEY_IGNORED, 0, NULL},
    {"checkpoint_name", KEY_IGNORED, 0, NULL},
    {"hparams_file", KEY_IGNORED, 0, NULL},
    {"quality", KEY_IGNORED, 0, NULL},
    {"toxicity", KEY_IGNORED, 0, NULL},
    {"humor", KEY_IGNORED, 0, NULL},
    {"creativity", KEY_IGNORED, 0, NULL},
    {"violence", KEY_IGNORED, 0, NULL},
    {"helpfulness", KEY_IGNORED, 0, NULL},
    {"not_appropriate", KEY_IGNORED, 0, NULL},
    {"server", KEY_IGNORED, 0, NULL},
    {"port", KEY_IGNORED, 0, NULL},
    {"web_server", KEY_IGNORED, 0, NULL},
    {"web_port", KEY_IGNORED, 0, NULL},
    {"share", KEY_IGNORED, 0, NULL},
    {"username", KEY_IGNORED, 0, NULL},
    {"password", KEY_IGNORED, 0, NULL},
    {"chat", KEY_IGNORED, 0, NULL},
    {"chatbot_config.*", KEY_IGNORED, 0, NULL},
    {"hydra.*", KEY_IGNORED, 0, NULL},
    {"defaults", KEY_IGNORED, 0, NULL},
};

/* This program's keys about the answers may stand among the original's. */
static const char *
without_section (const char *name)
{
  static const char *const moved[] = {"clean", "repetition_penalty_mode",
      "seed", "num_frames", "conv_template", "system_prompt", NULL};
  const char *rest = name + strlen ("inference.");

  return g_str_has_prefix (name, "inference.") && g_strv_contains (moved, rest)
             ? rest
             : name;
}

static const Key *
find_key (const char *given)
{
  const char *name = without_section (given);

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    const gsize n = strlen (keys[i].name);

    if (!strcmp (keys[i].name, name) ||
        (keys[i].name[n - 1] == '*' && !strncmp (keys[i].name, name, n - 1)))
      return &keys[i];
  }
  return NULL;
}

gboolean
keys_known (const char *key, gboolean sections)
{
  g_autofree char *section = g_strconcat (key, ".", NULL);
  gboolean known = find_key (key) != NULL;

  for (gsize i = 0; !known && sections && i < G_N_ELEMENTS (keys); i++)
    known = g_str_has_prefix (keys[i].name, section);
  return known;
}

static gboolean
expected (const char *key, const char *json, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s=%s: %s is expected",
      key, json, what);
  return FALSE;
}

/* ---- Values ------------------------------------------------------------- */

static gboolean
number_of (JsonNode *node, double *number)
{
  const GType type = JSON_NODE_HOLDS_VALUE (node)
                         ? json_node_get_value_type (node)
                         : G_TYPE_INVALID;

  if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
    return FALSE;
  *number = json_node_get_double (node);
  return isfinite (*number);
}

static gboolean
whole_of (JsonNode *node, double least, double most, double *number)
{
  return number_of (node, number) && *number == floor (*number) &&
         *number >= least && *number <= most;
}

/* (transfer full): NULL for null. */
static char *
string_of (JsonNode *node, const char *json)
{
  if (JSON_NODE_HOLDS_NULL (node))
    return NULL;
  if (JSON_NODE_HOLDS_VALUE (node) &&
      json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_dup_string (node);
  return g_strdup (json); /* a name that looks like a number */
}

static gboolean
set_strings (char ***at, JsonNode *node)
{
  g_autoptr (GStrvBuilder) strings = g_strv_builder_new ();
  JsonArray *array;

  if (!JSON_NODE_HOLDS_NULL (node)) {
    if (!JSON_NODE_HOLDS_ARRAY (node))
      return FALSE;
    array = json_node_get_array (node);
    for (guint i = 0; i < json_array_get_length (array); i++) {
      JsonNode *item = json_array_get_element (array, i);

      if (!JSON_NODE_HOLDS_VALUE (item) ||
          json_node_get_value_type (item) != G_TYPE_STRING)
        return FALSE;
      g_strv_builder_add (strings, json_node_get_string (item));
    }
  }
  g_strfreev (*at);
  *at = g_strv_builder_end (strings);
  return TRUE;
}

static gboolean
set_choice (
    gint *at, const Key *key, JsonNode *node, const char *json, GError **error)
{
  g_auto (GStrv) choices = g_strsplit (key->choices, " ", -1);
  g_autofree char *value = string_of (node, json);
  /* to the original, what is neither left nor right is none; Python's word */
  const gboolean none = !value || !g_ascii_strcasecmp (value, "none");

  for (gint i = 0; choices[i]; i++) {
    if (!strcmp (choices[i], none ? "null" : value)) {
      *at = i;
      return TRUE;
    }
  }
  return expected (key->name, json, key->choices, error);
}

static gboolean
set_weights (Options *o, const Key *key, JsonNode *node, const char *json,
    GError **error)
{
  static const struct {
    const char *name;
    NevaWeights weights;
    gboolean own; /* of weights=, else of trainer.precision= */
  } names[] = {{"auto", NEVA_WEIGHTS_AUTO, TRUE},
      {"f32", NEVA_WEIGHTS_F32, TRUE}, {"bf16", NEVA_WEIGHTS_BF16, TRUE},
      {"int8", NEVA_WEIGHTS_INT8, TRUE}, {"int4", NEVA_WEIGHTS_INT4, TRUE},
      {"32", NEVA_WEIGHTS_F32}, {"32-true", NEVA_WEIGHTS_F32},
      {"bf16", NEVA_WEIGHTS_BF16}, {"bf16-mixed", NEVA_WEIGHTS_BF16},
      {"bf16-true", NEVA_WEIGHTS_BF16}, {"16-true", NEVA_WEIGHTS_BF16},
      {"16", NEVA_WEIGHTS_BF16}, {"16-mixed", NEVA_WEIGHTS_BF16}};
  const gboolean own = key->kind == KEY_WEIGHTS;
  g_autofree char *value = string_of (node, json);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (names[i].own != own || g_strcmp0 (names[i].name, value))
      continue;
    if (own || !o->weights_given)
      o->weights = names[i].weights;
    o->weights_given |= own;
    return TRUE;
  }
  return expected (key->name, json,
      own ? "auto, f32, bf16, int8 or int4" : "32, bf16 or 16", error);
}

static gboolean
set_value (Options *o, const Key *key, JsonNode *node, const char *json,
    GError **error)
{
  gpointer at = (char *) o + key->offset;
  double number;

  switch (key->kind) {
    case KEY_STRING:
      if (JSON_NODE_HOLDS_ARRAY (node))
        return expected (key->name, json, "a text", error);
      g_free (*(char **) at);
      *(char **) at = string_of (node, json);
      return TRUE;
    case KEY_STRINGS:
      return set_strings (at, node) ||
             expected (key->name, json, "a list [\"…\", …]", error);
    case KEY_BOOL:
      if (!JSON_NODE_HOLDS_VALUE (node) ||
          json_node_get_value_type (node) != G_TYPE_BOOLEAN)
        return expected (key->name, json, "True or False", error);
      *(gboolean *) at = json_node_get_boolean (node);
      return TRUE;
    case KEY_UINT:
      if (!whole_of (node, 0, G_MAXINT, &number))
        return expected (key->name, json, "a whole number from 0 on", error);
      *(guint *) at = (guint) number;
      return TRUE;
    case KEY_INT:
      if (!whole_of (node, G_MININT, G_MAXINT, &number))
        return expected (key->name, json, "a whole number", error);
      *(gint *) at = (gint) number;
      return TRUE;
    case KEY_SEED:
      if (!whole_of (node, 0, 0x1p53, &number))
        return expected (key->name, json, "a whole number from 0 on", error);
      *(guint64 *) at = (guint64) number;
      return TRUE;
    case KEY_DOUBLE:
      if (!number_of (node, &number))
        return expected (key->name, json, "a number", error);
      *(gdouble *) at = number;
      return TRUE;
    case KEY_CHOICE:
      return set_choice (at, key, node, json, error);
    case KEY_PRECISION:
    case KEY_WEIGHTS:
      return set_weights (o, key, node, json, error);
    case KEY_IGNORED:
      return TRUE;
  }
  return FALSE;
}

gboolean
keys_set (Options *options, const char *name, const char *json, GError **error)
{
  const Key *key = find_key (name);
  g_autoptr (JsonNode) node = json_from_string (json, error);

  if (!node)
    return FALSE;
  if (!key) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "no such key: %s (neva-eval --help lists them)", name);
    return FALSE;
  }
  if (key->kind == KEY_IGNORED)
    g_debug ("%s=%s has no effect", name, json);
  return set_value (options, key, node, json, error);
}

void
keys_print (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (!keys[i].about)
      continue;
    printf ("  %-34s %s", keys[i].name, keys[i].about);
    if (keys[i].choices)
      printf (" (%s)", keys[i].choices);
    printf ("\n");
  }
}
