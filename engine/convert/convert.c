/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/convert.h>
#include <string.h>
#include "convert/nemo_out.h"
#include "convert/st_writer.h"
#include "convert/target.h"

#define DEFAULT_SHARD_BYTES G_GUINT64_CONSTANT (5000000000)
#define MAX_RANKS 1024u

/* A folder that other files than the tensors are written into first. */
static gboolean
write_huggingface (NevaOrigin *o, const char *to, const NevaConvertOptions *k,
    NevaOutProgress *progress, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;
  g_auto (NevaTarget) target = {0};

  if (!(list = neva_hf_plan (o, error)))
    return FALSE;
  progress->total = neva_out_list_bytes (list);
  return neva_target_begin (
             &target, to, TRUE, k->overwrite, progress->total, error) &&
         neva_hf_files (o, target.temp, k->note, k->user_data, error) &&
         neva_st_write (target.temp, list, o->checkpoint.tensors,
             k->shard_bytes ? k->shard_bytes : DEFAULT_SHARD_BYTES, progress,
             error) &&
         neva_target_commit (&target, error);
}

/* "NAME-vision" for "NAME.nemo". (transfer full) */
static char *
vision_folder (const char *to)
{
  const char *dot = g_str_has_suffix (to, ".nemo") ? strrchr (to, '.') : NULL;

  return g_strdup_printf (
      "%.*s-vision", (int) (dot ? (gsize) (dot - to) : strlen (to)), to);
}

static gboolean
write_tower (const NevaOrigin *o, NevaTarget *target, const char *folder,
    gboolean overwrite, const NevaOutList *list, NevaOutProgress *progress,
    GError **error)
{
  return neva_target_begin (
             target, folder, TRUE, overwrite, progress->total, error) &&
         neva_hf_tower_files (o, target->temp, error) &&
         neva_st_write (target->temp, list, o->checkpoint.tensors, G_MAXUINT64,
             progress, error);
}

static gboolean
write_nemo (NevaOrigin *o, const char *to, const NevaConvertOptions *k,
    NevaOutProgress *progress, GError **error)
{
  g_autofree char *folder = vision_folder (to);
  g_autofree char *name = g_path_get_basename (folder);
  g_autoptr (GPtrArray) tower = NULL;
  g_auto (NevaNemoOut) out = {0};
  g_auto (NevaTarget) target = {0};
  g_auto (NevaTarget) vision = {0};
  const guint tp = MAX (1, k->tensor_parallel);
  const guint pp = MAX (1, k->pipeline_parallel);

  if (tp > MAX_RANKS || pp > MAX_RANKS) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "more than %u ranks",
        MAX_RANKS);
    return FALSE;
  }
  if (!neva_nemo_out_plan (&out, o, tp, pp, error))
    return FALSE;
  progress->total = neva_nemo_out_bytes (&out);
  if (!k->vision_name) {
    if (!(tower = neva_hf_tower_plan (o, error)))
      return FALSE;
    progress->total += neva_out_list_bytes (tower);
  }
  return neva_target_begin (
             &target, to, FALSE, k->overwrite, progress->total, error) &&
         (!tower || write_tower (o, &vision, folder, k->overwrite, tower,
                        progress, error)) &&
         neva_nemo_out_write (&out, target.temp,
             k->vision_name ? k->vision_name : name, k->note, progress,
             error) &&
         (!tower || neva_target_commit (&vision, error)) &&
         neva_target_commit (&target, error);
}

gboolean
neva_convert (const char *from, const char *to,
    const NevaConvertOptions *options, GError **error)
{
  static const NevaConvertOptions defaults;
  const NevaConvertOptions *k = options ? options : &defaults;
  const NevaCheckpointParts parts = {k->base_model, k->vision_tower, k->lora};
  g_auto (NevaOrigin) origin = {0};
  NevaOutProgress progress = {.progress = k->progress,
      .user_data = k->user_data,
      .cancellable = k->cancellable};
  gboolean ok;

  if (!*to) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "no target was named");
    return FALSE;
  }
  if (!neva_origin_open (&origin, from, &parts, error))
    return FALSE;
  ok = k->format == NEVA_FORMAT_NEMO
           ? write_nemo (&origin, to, k, &progress, error)
           : write_huggingface (&origin, to, k, &progress, error);
  return ok;
}
