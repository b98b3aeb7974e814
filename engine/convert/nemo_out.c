/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "convert/nemo_out.h"
#include "convert/nemo_yaml.h"
#include "convert/pieces.h"
#include "convert/tar_writer.h"
#include "convert/torch_writer.h"

#define HEX_DIGITS 32

/* "<32 hexadecimal digits>_name": by content, so that the same input gives the
 * same archive. (transfer full) */
static char *
artifact_name (GBytes *bytes, const char *name)
{
  g_autofree char *sum =
      g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);

  return g_strdup_printf ("%.*s_%s", HEX_DIGITS, sum, name);
}

static char *
add_artifact (NevaNemoOut *out, const char *name, GBytes *bytes)
{
  char *full = artifact_name (bytes, name);

  neva_file_set_add (out->files, full, bytes);
  return full;
}

/* What a Hugging Face folder had, so that its prompts stay what they were. */
static void
keep_files (NevaNemoOut *out, const NevaFileSet *files)
{
  g_autofree const char **names = neva_file_set_names (files);
  GPtrArray *kept = g_ptr_array_new ();

  for (const char **n = names; *n; n++)
    g_ptr_array_add (
        kept, add_artifact (out, *n, neva_file_set_find (files, *n)));
  g_ptr_array_add (kept, NULL);
  out->kept = (char **) g_ptr_array_free (kept, FALSE);
}

/* *n: size of the tokenizer that NeMo will see. */
static gboolean
plan_tokenizer (NevaNemoOut *out, gsize *n, GError **error)
{
  const NevaOrigin *o = out->origin;
  const NevaFileSet *files = o->checkpoint.tokenizer;
  GBytes *model = neva_file_set_find (files, "tokenizer.model");
  GBytes *json = neva_file_set_find (files, "tokenizer.json");

  *n = neva_tokenizer_size (o->tokenizer);
  out->files = neva_file_set_new (o->path);
  if (model && o->config.nemo) {
    out->model = add_artifact (out, "tokenizer.model", model);
  } else if (model) {
    g_autoptr (NevaFileSet) alone = neva_file_set_new (o->path);
    g_autoptr (NevaTokenizer) tokenizer = NULL;
    g_autoptr (GBytes) longer = NULL;
    gsize n_pieces;

    neva_file_set_add (alone, "tokenizer.model", model);
    if (!(tokenizer = neva_tokenizer_open_files (alone, TRUE, error)))
      return FALSE;
    longer = neva_pieces_append (model, tokenizer, &n_pieces);
    out->model = add_artifact (out, "tokenizer.model", longer);
    *n = MAX (*n, n_pieces);
  } else {
    out->json = add_artifact (out, "tokenizer.json", json);
  }
  if (!o->config.nemo || !model || o->config.legacy_tokenizer)
    keep_files (out, files);
  return TRUE;
}

gboolean
neva_nemo_out_plan (
    NevaNemoOut *out, NevaOrigin *o, guint tp, guint pp, GError **error)
{
  gsize n;

  out->origin = o;
  out->ranks =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);
  if (!plan_tokenizer (out, &n, error) ||
      !neva_nemo_shape (&out->shape, o, tp, pp, n, error))
    return FALSE;
  neva_nemo_plan_config (o, &out->shape);
  for (guint p = 0; p < pp; p++) {
    for (guint t = 0; t < tp; t++) {
      NevaOutList *rank = neva_nemo_plan (o, &out->shape, t, p, error);

      if (!rank)
        return FALSE;
      g_ptr_array_add (out->ranks, rank);
    }
  }
  return TRUE;
}

guint64
neva_nemo_out_bytes (const NevaNemoOut *out)
{
  guint64 bytes = 0;

  for (guint i = 0; i < out->ranks->len; i++)
    bytes += neva_out_list_bytes (out->ranks->pdata[i]);
  return bytes;
}

void
neva_nemo_out_clear (NevaNemoOut *out)
{
  g_clear_pointer (&out->ranks, g_ptr_array_unref);
  g_clear_pointer (&out->files, neva_file_set_free);
  g_clear_pointer (&out->model, g_free);
  g_clear_pointer (&out->json, g_free);
  g_clear_pointer (&out->kept, g_strfreev);
}

/* ---- Writing ------------------------------------------------------------ */

static char *
rank_name (const NevaNemoShape *shape, guint index)
{
  const guint tp = index % shape->tp, pp = index / shape->tp;

  if (shape->pp > 1)
    return g_strdup_printf (
        "./tp_rank_%02u_pp_rank_%03u/model_weights.ckpt", tp, pp);
  if (shape->tp > 1)
    return g_strdup_printf ("./mp_rank_%02u/model_weights.ckpt", tp);
  return g_strdup ("./model_weights.ckpt");
}

static void
write_artifacts (const NevaNemoOut *out, NevaSink *sink)
{
  g_autofree const char **names = neva_file_set_names (out->files);

  for (const char **n = names; *n; n++) {
    g_autofree char *name = g_strconcat ("./", *n, NULL);
    gsize length;
    const void *data =
        g_bytes_get_data (neva_file_set_find (out->files, *n), &length);

    neva_tar_add (sink, name, data, length);
  }
}

static gboolean
write_ranks (const NevaNemoOut *out, NevaSink *sink, NevaOutProgress *progress,
    GError **error)
{
  for (guint i = 0; i < out->ranks->len; i++) {
    g_autofree char *name = rank_name (&out->shape, i);
    const guint64 header = neva_tar_begin (sink, name);

    if (!neva_torch_write (sink, out->ranks->pdata[i],
            out->origin->checkpoint.tensors, progress, error))
      return FALSE;
    neva_tar_end (sink, header, name);
  }
  neva_tar_finish (sink);
  return TRUE;
}

gboolean
neva_nemo_out_write (const NevaNemoOut *out, const char *path,
    const char *vision, NevaNote note, NevaOutProgress *progress,
    GError **error)
{
  const NevaNemoFiles files = {
      vision, out->model, out->json, (const char *const *) out->kept};
  gboolean model, ok;
  g_autofree char *yaml =
      neva_nemo_yaml (out->origin, &out->shape, &files, &model, error);
  g_autoptr (GError) local = NULL;
  NevaSink *sink;

  if (!yaml || !(sink = neva_sink_new (path, error)))
    return FALSE;
  if (model && note)
    note ("NeMo has no keys for all of this model: the rest is in section neva "
          "of model_config.yaml, which only this engine reads",
        progress->user_data);
  write_artifacts (out, sink);
  neva_tar_add (sink, "./model_config.yaml", yaml, strlen (yaml));
  ok = write_ranks (out, sink, progress, &local);
  if (!local)
    return neva_sink_close (sink, error) && ok;
  neva_sink_abandon (sink);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}
