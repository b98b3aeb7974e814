/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/nemo_tokenizer.h"
#include "checkpoint/json_file.h"
#include "checkpoint/pretrained.h"
#include "text/tokenizer.h"

#define CONFIG_NAME "tokenizer_config.json"
/* "<32 hexadecimal digits>_" before the name of what came into the archive */
#define PREFIX_LENGTH 33

static GBytes *
find (NevaBundle *bundle, const char *name, GError **error)
{
  GBytes *bytes = name ? neva_bundle_find (bundle, name) : NULL;

  if (!bytes)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: its tokenizer '%s' is not in it", neva_bundle_path (bundle),
        name ? name : "(not named)");
  return bytes;
}

/* A copy, so that what is read later is what the archive's check covers. */
static void
keep (NevaFileSet *files, const char *name, GBytes *bytes)
{
  gsize length;
  const void *data = g_bytes_get_data (bytes, &length);
  g_autoptr (GBytes) copy = g_bytes_new (data, length);

  neva_file_set_add (files, name, copy);
}

static void
add_json (NevaFileSet *files, const char *name, JsonObject *object)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GBytes) bytes = NULL;
  char *text;

  json_node_set_object (root, object);
  text = json_to_string (root, FALSE);
  bytes = g_bytes_new_take (text, strlen (text));
  neva_file_set_add (files, name, bytes);
}

/* A copy that may be changed: what the parser gives may not. */
static JsonObject *
read_config (const NevaFileSet *files, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object = json_object_new ();
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (!neva_file_set_find (files, CONFIG_NAME))
    return object;
  root =
      neva_file_set_json (files, CONFIG_NAME, NEVA_MAX_TOKENIZER_BYTES, error);
  if (!root) {
    json_object_unref (object);
    return NULL;
  }
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &key, &value))
    json_object_set_member (object, key, json_node_copy (value));
  return object;
}

/* A list with the strings of another, and those of NeMo's that it lacks. */
static JsonArray *
join_tokens (JsonNode *old, char *const *tokens)
{
  JsonArray *list = json_array_new ();
  JsonArray *from =
      old && JSON_NODE_HOLDS_ARRAY (old) ? json_node_get_array (old) : NULL;

  for (guint i = 0; from && i < json_array_get_length (from); i++)
    json_array_add_element (
        list, json_node_copy (json_array_get_element (from, i)));
  for (; tokens && *tokens; tokens++)
    json_array_add_string_element (list, *tokens);
  return list;
}

/* Adds to tokenizer_config.json, or makes one. NeMo's wrapper of Hugging Face's
 * tokenizers forgets which tokens they call additional. */
static gboolean
configure (NevaFileSet *files, const NevaNemoInfo *info, GError **error)
{
  static const char additional[] = "additional_special_tokens";
  g_autoptr (JsonObject) object = read_config (files, error);

  if (!object)
    return FALSE;
  if (info->legacy_tokenizer) {
    json_object_set_boolean_member (object, "legacy", TRUE);
    json_object_set_boolean_member (object, "add_bos_token", FALSE);
  }
  json_object_set_array_member (
      object, NEVA_NEMO_TOKENS, join_tokens (NULL, info->special_tokens));
  json_object_set_array_member (object, additional,
      join_tokens (
          json_object_get_member (object, additional), info->special_tokens));
  /* NeMo's wrapper of sentencepiece knows no names but the model's */
  if (info->bos_token && !info->legacy_tokenizer)
    json_object_set_string_member (object, "bos_token", info->bos_token);
  if (info->eos_token && !info->legacy_tokenizer)
    json_object_set_string_member (object, "eos_token", info->eos_token);
  add_json (files, CONFIG_NAME, object);
  return TRUE;
}

/* ---- GPT2BPE ------------------------------------------------------------ */

/* Lines "left right"; the first may be a comment. */
static JsonArray *
read_merges (GBytes *bytes)
{
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  const char *end = text + length;
  JsonArray *merges = json_array_new ();
  gboolean first = TRUE;

  while (text < end) {
    const char *stop = memchr (text, '\n', end - text);
    const gsize n = (stop ? stop : end) - text;
    g_autofree char *line = g_strndup (text, n);

    g_strchomp (line);
    if (*line && !(first && g_str_has_prefix (line, "#version")))
      json_array_add_string_element (merges, line);
    first = FALSE;
    text += n + 1;
  }
  return merges;
}

static JsonObject *
byte_level (void)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "type", "ByteLevel");
  json_object_set_boolean_member (object, "add_prefix_space", FALSE);
  json_object_set_boolean_member (object, "trim_offsets", TRUE);
  json_object_set_boolean_member (object, "use_regex", TRUE);
  return object;
}

static gboolean
add_gpt2 (NevaFileSet *files, GBytes *vocab, GBytes *merges, GError **error)
{
  static const char end_of_text[] = "<|endoftext|>";
  gsize length;
  const char *text = g_bytes_get_data (vocab, &length);
  g_autofree char *name = neva_file_set_path (files, "vocab.json");
  g_autoptr (JsonNode) root =
      neva_json_parse_object (text ? text : "", length, name, error);
  g_autoptr (JsonObject) whole = json_object_new ();
  g_autoptr (JsonObject) config = json_object_new ();
  JsonObject *model, *end;
  JsonArray *added;

  if (!root)
    return FALSE;
  model = json_object_new ();
  json_object_set_string_member (model, "type", "BPE");
  json_object_set_object_member (
      model, "vocab", json_object_ref (json_node_get_object (root)));
  json_object_set_array_member (model, "merges", read_merges (merges));
  json_object_set_object_member (whole, "model", model);
  json_object_set_object_member (whole, "pre_tokenizer", byte_level ());
  json_object_set_object_member (whole, "decoder", byte_level ());
  added = json_array_new ();
  if (json_object_has_member (json_node_get_object (root), end_of_text)) {
    end = json_object_new ();
    json_object_set_int_member (end, "id", -1);
    json_object_set_string_member (end, "content", end_of_text);
    json_object_set_boolean_member (end, "special", TRUE);
    json_array_add_object_element (added, end);
  }
  json_object_set_array_member (whole, "added_tokens", added);
  add_json (files, "tokenizer.json", whole);
  json_object_set_string_member (config, "bos_token", end_of_text);
  json_object_set_string_member (config, "eos_token", end_of_text);
  add_json (files, CONFIG_NAME, config);
  return TRUE;
}

/* ---- Reading ------------------------------------------------------------ */

/* The files that a Hugging Face folder had, by their old names. */
static NevaFileSet *
read_kept (NevaBundle *bundle, char *const *names, GError **error)
{
  g_autoptr (NevaFileSet) files = neva_file_set_new (neva_bundle_path (bundle));

  for (; *names; names++) {
    GBytes *bytes;

    if (strlen (*names) <= PREFIX_LENGTH) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: model_config.yaml: neva.tokenizer_files: '%s' is no file of an "
          "archive",
          neva_bundle_path (bundle), *names);
      return NULL;
    }
    if (!(bytes = find (bundle, *names, error)))
      return NULL;
    keep (files, *names + PREFIX_LENGTH, bytes);
  }
  return g_steal_pointer (&files);
}

/* A file of the archive, or a folder by name. */
static NevaFileSet *
read_huggingface (NevaBundle *bundle, const NevaNemoInfo *info, GError **error)
{
  g_autofree char *below = g_path_get_dirname (neva_bundle_path (bundle));
  g_autofree char *folder = NULL;
  GBytes *bytes;
  NevaFileSet *files;

  if (!info->tokenizer_name) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: model_config.yaml names no tokenizer", neva_bundle_path (bundle));
    return NULL;
  }
  if ((bytes = neva_bundle_find (bundle, info->tokenizer_name))) {
    files = neva_file_set_new (neva_bundle_path (bundle));
    keep (files, "tokenizer.json", bytes);
    return files;
  }
  folder = neva_pretrained_find (info->tokenizer_name, below, "tokenizer",
      neva_bundle_path (bundle), error);
  return folder ? neva_file_set_read (folder, neva_tokenizer_file_names (),
                      NEVA_MAX_TOKENIZER_BYTES, error)
                : NULL;
}

NevaFileSet *
neva_nemo_tokenizer_read (
    NevaBundle *bundle, const NevaNemoInfo *info, GError **error)
{
  g_autoptr (NevaFileSet) files = NULL;
  GBytes *a, *b;

  if (info->tokenizer_files)
    return read_kept (bundle, info->tokenizer_files, error);
  if (info->tokenizer_file) {
    files = neva_file_set_new (neva_bundle_path (bundle));
    if (!(a = find (bundle, info->tokenizer_file, error)))
      return NULL;
    keep (files, "tokenizer.model", a);
  } else if (info->vocab_file || info->merge_file) {
    files = neva_file_set_new (neva_bundle_path (bundle));
    if (!(a = find (bundle, info->vocab_file, error)) ||
        !(b = find (bundle, info->merge_file, error)) ||
        !add_gpt2 (files, a, b, error))
      return NULL;
  } else if (!(files = read_huggingface (bundle, info, error))) {
    return NULL;
  }
  return configure (files, info, error) ? g_steal_pointer (&files) : NULL;
}
