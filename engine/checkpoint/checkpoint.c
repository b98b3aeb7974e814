/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/error.h>
#include "checkpoint/checkpoint.h"
#include "checkpoint/nemo.h"
#include "text/tokenizer.h"

void
neva_checkpoint_clear (NevaCheckpoint *checkpoint)
{
  g_clear_pointer (&checkpoint->tensors, neva_tensor_source_free);
  g_clear_pointer (&checkpoint->tokenizer, neva_file_set_free);
}

static gboolean
open_nemo (NevaCheckpoint *c, const char *path,
    const NevaCheckpointParts *parts, GError **error)
{
  g_auto (NevaNemo) nemo = {0};

  if (!neva_nemo_open (&nemo, path, parts, error))
    return FALSE;
  c->nemo = TRUE;
  c->config = nemo.config;
  c->tensors = g_steal_pointer (&nemo.tensors);
  c->tokenizer = g_steal_pointer (&nemo.tokenizer);
  return TRUE;
}

static gboolean
open_folder (NevaCheckpoint *c, const char *folder, GError **error)
{
  NevaSafetensors *st;

  if (!neva_hf_config_read (folder, &c->config, error) ||
      !(st = neva_safetensors_open (folder, error)))
    return FALSE;
  c->tensors = neva_tensor_source_from_safetensors (st);
  c->tokenizer = neva_file_set_read (
      folder, neva_tokenizer_file_names (), NEVA_MAX_TOKENIZER_BYTES, error);
  return c->tokenizer != NULL;
}

gboolean
neva_checkpoint_open (NevaCheckpoint *checkpoint, const char *path,
    const NevaCheckpointParts *parts, GError **error)
{
  const struct {
    const char *what, *given;
  } nemo_only[] = {{"a base model", parts->base_model},
      {"a vision tower", parts->vision_tower}, {"LoRA adapters", parts->lora}};

  if (neva_nemo_is (path))
    return open_nemo (checkpoint, path, parts, error);
  for (gsize i = 0; i < G_N_ELEMENTS (nemo_only); i++) {
    if (!nemo_only[i].given || !*nemo_only[i].given)
      continue;
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: %s (%s) goes with a .nemo checkpoint only", path,
        nemo_only[i].what, nemo_only[i].given);
    return FALSE;
  }
  return open_folder (checkpoint, path, error);
}
