/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/hf_tower.h"
#include "checkpoint/nemo.h"
#include "checkpoint/nemo_clip.h"
#include "checkpoint/nemo_lora.h"
#include "checkpoint/nemo_names.h"
#include "checkpoint/nemo_tensors.h"
#include "checkpoint/nemo_tokenizer.h"
#include "checkpoint/pretrained.h"

static gboolean
is_given (const char *option)
{
  return option && *option;
}

gboolean
neva_nemo_is (const char *path)
{
  g_autofree char *yaml = g_build_filename (path, "model_config.yaml", NULL);

  return g_str_has_suffix (path, ".nemo") ||
         g_file_test (yaml, G_FILE_TEST_EXISTS);
}

void
neva_nemo_clear (NevaNemo *nemo)
{
  g_clear_pointer (&nemo->tensors, neva_tensor_source_free);
  g_clear_pointer (&nemo->tokenizer, neva_file_set_free);
  neva_nemo_info_clear (&nemo->info);
}

static gboolean
check_bundle (gconstpointer bundle, GError **error)
{
  return neva_bundle_check (bundle, error);
}

/* The bundle's tensors under their own names; both live as long as `set`. */
static const NevaTensorSet *
read_tensors (
    NevaBundle *bundle, gboolean gated, NevaTensorSet *set, GError **error)
{
  NevaTensorSet *theirs;

  neva_tensor_set_keep_checked (
      set, bundle, (GDestroyNotify) neva_bundle_free, check_bundle);
  theirs = neva_nemo_tensors_read (bundle, gated, error);
  if (theirs)
    neva_tensor_set_keep (set, theirs, (GDestroyNotify) neva_tensor_set_free);
  return theirs;
}

/* Another checkpoint beside ours; its tensors live as long as `set`. */
static const NevaTensorSet *
read_other (const char *path, NevaConfig *config, NevaNemoInfo *info,
    NevaTensorSet *set, GError **error)
{
  NevaBundle *bundle = neva_bundle_open (path, error);
  const NevaTensorSet *theirs;

  if (!bundle)
    return NULL;
  if (!neva_nemo_config_read (bundle, config, info, error)) {
    neva_bundle_check (bundle, error);
    neva_bundle_free (bundle);
    return NULL;
  }
  theirs = read_tensors (bundle, config->text.gated, set, error);
  return neva_bundle_check (bundle, error) ? theirs : NULL;
}

static gboolean
add_base_model (
    NevaNemo *nemo, const char *path, NevaTensorSet *set, GError **error)
{
  NevaConfig config = {0};
  g_auto (NevaNemoInfo) info = {0};
  const NevaTensorSet *theirs = read_other (path, &config, &info, set, error);

  if (!theirs)
    return FALSE;
  if (config.text.hidden != nemo->config.text.hidden ||
      config.text.layers != nemo->config.text.layers) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: %u layers of width %u, the NeVA checkpoint wants %u of %u", path,
        config.text.layers, config.text.hidden, nemo->config.text.layers,
        nemo->config.text.hidden);
    return FALSE;
  }
  nemo->config.text.vocab = neva_nemo_names_vocab (theirs);
  return neva_nemo_names_map (theirs, &config, TRUE, set, error);
}

/* Names of a vision model alone, below "vision_tower." */
static gboolean
add_vision_tensors (const char *folder, NevaTensorSet *set, GError **error)
{
  NevaSafetensors *st = neva_safetensors_open (folder, error);
  g_autofree const char **names = NULL;

  if (!st)
    return FALSE;
  neva_tensor_set_keep (set, st, (GDestroyNotify) neva_safetensors_free);
  names = neva_safetensors_names (st);
  for (gsize i = 0; names[i]; i++) {
    g_autofree char *name = g_strconcat ("vision_tower.", names[i], NULL);

    if (!neva_tensor_set_add (
            set, name, neva_safetensors_find (st, names[i]), error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
has_vision (const NevaTensorSet *set)
{
  const GPtrArray *all = neva_tensor_set_all (set);

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = g_ptr_array_index (all, i);

    if (g_str_has_prefix (view->name, "vision_tower."))
      return TRUE;
  }
  return FALSE;
}

/* (transfer full): the Hugging Face folder of the tower, or its .nemo. */
static char *
find_vision (const NevaNemo *nemo, const char *path,
    const NevaCheckpointParts *parts, GError **error)
{
  g_autofree char *below = g_path_get_dirname (path);

  if (is_given (parts->vision_tower))
    return g_strdup (parts->vision_tower);
  if (nemo->info.vision_folder)
    return neva_pretrained_find (
        nemo->info.vision_folder, below, "vision tower", path, error);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: mm_cfg.vision_encoder.from_pretrained names no vision tower; give "
      "one",
      path);
  return NULL;
}

/* Megatron's tower: its shape is the CLIP checkpoint's, its weights are there
 * or in `theirs`, the NeVA checkpoint's own. */
static gboolean
add_megatron_vision (NevaNemo *nemo, const char *path,
    const NevaTensorSet *theirs, NevaTensorSet *set, GError **error)
{
  NevaBundle *bundle = neva_bundle_open (path, error);

  if (!bundle)
    return FALSE;
  if (!neva_nemo_clip_config_read (bundle, &nemo->config, error)) {
    neva_bundle_check (bundle, error);
    neva_bundle_free (bundle);
    return FALSE;
  }
  if (!neva_nemo_clip_map (theirs, &nemo->config.tower, set, error)) {
    neva_bundle_free (bundle);
    return FALSE;
  }
  if (has_vision (set)) {
    neva_bundle_free (bundle);
    return TRUE;
  }
  theirs = read_tensors (bundle, FALSE, set, error);
  return neva_bundle_check (bundle, error) && theirs &&
         neva_nemo_clip_map (theirs, &nemo->config.tower, set, error);
}

static gboolean
add_hf_vision (
    NevaNemo *nemo, const char *folder, NevaTensorSet *set, GError **error)
{
  NevaConfig *c = &nemo->config;
  const NevaTowerConfig wanted = c->tower;
  const gboolean pad = c->preprocess.pad;

  if (!neva_hf_tower_folder_read (folder, c, error))
    return FALSE;
  c->tower.select_layer = wanted.select_layer;
  c->tower.drop_rows = wanted.drop_rows;
  c->preprocess.pad = pad;
  return has_vision (set) || add_vision_tensors (folder, set, error);
}

static gboolean
add_vision (NevaNemo *nemo, const char *path, const NevaCheckpointParts *parts,
    const NevaTensorSet *theirs, NevaTensorSet *set, GError **error)
{
  g_autofree char *tower = find_vision (nemo, path, parts, error);

  if (!tower || !(neva_nemo_is (tower)
                        ? add_megatron_vision (nemo, tower, theirs, set, error)
                        : add_hf_vision (nemo, tower, set, error)))
    return FALSE;
  neva_nemo_config_rows (&nemo->config);
  return TRUE;
}

/* What was trained beside the adapters replaces what was there. */
static void
take_projector (const NevaTensorSet *mine, NevaTensorSet *set)
{
  const GPtrArray *all = neva_tensor_set_all (mine);

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = all->pdata[i];

    if (g_str_has_prefix (view->name, "multi_modal_projector.") &&
        neva_tensor_set_find (set, view->name))
      neva_tensor_set_replace (set, view->name, view);
  }
}

static gboolean
add_lora (NevaNemo *nemo, const char *path, NevaTensorSet *set, GError **error)
{
  NevaConfig config = {0};
  g_auto (NevaNemoInfo) info = {0};
  const NevaTensorSet *theirs = read_other (path, &config, &info, set, error);
  NevaTensorSet *mine;

  if (!theirs)
    return FALSE;
  if (!neva_nemo_lora_has (theirs)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: no LoRA adapters in it", path);
    return FALSE;
  }
  mine = neva_tensor_set_new (path);
  neva_tensor_set_keep (set, mine, (GDestroyNotify) neva_tensor_set_free);
  if (!neva_nemo_names_map (theirs, &config, FALSE, mine, error))
    return FALSE;
  take_projector (mine, set);
  return neva_nemo_lora_merge (
      theirs, &nemo->config.text, info.lora_dim, info.lora_alpha, set, error);
}

/* An own language model or a base model, and not both. */
static gboolean
check_parts (const NevaTensorSet *set, const char *path, gboolean own,
    const char *base, GError **error)
{
  if (own != is_given (base))
    return TRUE;
  if (own)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s holds a language model of its own; leave out the base model %s",
        path, base);
  else if (neva_tensor_set_all (set)->len == 0)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: no tensor of a model in its weights", path);
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s holds a projector without a language model: give the base model, "
        "too",
        path);
  return FALSE;
}

/* The checkpoint's own parts, then what it leaves to others. */
static gboolean
gather (NevaNemo *nemo, NevaBundle *bundle, const char *path,
    const NevaCheckpointParts *parts, NevaTensorSet *set, GError **error)
{
  const gboolean base = is_given (parts->base_model);
  const NevaTensorSet *theirs =
      read_tensors (bundle, nemo->config.text.gated, set, error);

  if (!theirs ||
      !neva_nemo_names_map (theirs, &nemo->config, FALSE, set, error))
    return FALSE;
  nemo->config.text.vocab = neva_nemo_names_vocab (theirs);
  if (!check_parts (
          set, path, nemo->config.text.vocab > 0, parts->base_model, error))
    return FALSE;
  if ((base && !add_base_model (nemo, parts->base_model, set, error)) ||
      (neva_nemo_lora_has (theirs) &&
          !neva_nemo_lora_merge (theirs, &nemo->config.text,
              nemo->info.lora_dim, nemo->info.lora_alpha, set, error)) ||
      (is_given (parts->lora) && !add_lora (nemo, parts->lora, set, error)))
    return FALSE;
  return add_vision (nemo, path, parts, theirs, set, error) &&
         neva_nemo_config_finish (&nemo->info, path, &nemo->config, error);
}

gboolean
neva_nemo_open (NevaNemo *nemo, const char *path,
    const NevaCheckpointParts *parts, GError **error)
{
  NevaBundle *bundle = neva_bundle_open (path, error);
  NevaTensorSet *set;
  gboolean ok;

  if (!bundle)
    return FALSE;
  if (!neva_nemo_config_read (bundle, &nemo->config, &nemo->info, error)) {
    neva_bundle_check (bundle, error);
    neva_bundle_free (bundle);
    return FALSE;
  }
  set = neva_tensor_set_new (path); /* takes over the bundle in gather () */
  nemo->tensors = neva_tensor_source_from_set (set, path);
  if (!nemo->info.multimodal) {
    neva_bundle_free (bundle);
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s is a language model without mm_cfg: it can be the base model of a "
        "NeVA checkpoint, not one itself",
        path);
    return FALSE;
  }
  ok =
      gather (nemo, bundle, path, parts, set, error) &&
      (nemo->tokenizer = neva_nemo_tokenizer_read (bundle, &nemo->info, error));
  return neva_bundle_check (bundle, error) && ok;
}
