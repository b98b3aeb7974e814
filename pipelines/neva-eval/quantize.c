/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <glib/gstdio.h>
#include "common/console.h"
#include "quantize.h"
#include "work.h"

static void
on_loading (double fraction, gpointer how)
{
  const Quantize *q = how;

  console_progress (
      fraction, "loading the model", q->options->neva_model_file, 0);
}

static void
on_quantising (double fraction, gpointer how)
{
  const Quantize *q = how;

  console_progress (fraction, "quantising", q->options->neva_model_file, 0);
}

static void
on_note (const char *text, gpointer how)
{
  (void) how;
  console_complain ("%s", text);
}

static void
drop_row (gsize index, char *row, gpointer data)
{
  (void) index, (void) data;
  g_free (row);
}

/* ---- Calibration -------------------------------------------------------- */

/* [length]: all but the first ones count as done; *n: how many those are. */
static gboolean *
choose_prompts (const Quantize *q, guint *n)
{
  const gsize length = neva_prompt_file_length (q->file);
  const int most = q->options->quantize_samples;
  gboolean *done = g_new0 (gboolean, length + 1);

  *n = 0;
  for (gsize i = 0; i < length; i++) {
    done[i] = most >= 0 && i >= (gsize) most;
    *n += !done[i];
  }
  return done;
}

static gboolean
answer_prompts (const Quantize *q, NevaModel *model, GError **error)
{
  guint n, failures;
  g_autofree gboolean *done = choose_prompts (q, &n);
  Output *output = output_new_elsewhere (drop_row, NULL);
  Work *work = work_new (
      q->options, model, q->file, q->store, done, TRUE, output, q->cancellable);
  gsize group;

  while (
      !g_cancellable_is_cancelled (q->cancellable) && work_next (work, &group))
    work_run_group (work, group);
  failures = work_finish (work);
  work_free (work);
  output_close (output, NULL);
  if (g_cancellable_set_error_if_cancelled (q->cancellable, error))
    return FALSE;
  if (failures < n)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "%s: none of the first %u prompts could be answered, so there is nothing "
      "to calibrate with",
      q->options->prompt_file, n);
  return FALSE;
}

/* The un-quantised model, on one rank: its layers are looked at as a whole. */
static gboolean
calibrate (const Quantize *q, NevaCalibration *calibration, GError **error)
{
  const Options *o = q->options;
  const NevaModelOptions options = {.base_model = o->base_model_file,
      .vision_tower = o->vision_tower,
      .lora = o->lora,
      .weights = o->weights_given ? NEVA_WEIGHTS_AUTO : o->weights,
      .device = o->device,
      .threads = q->threads,
      .context_length = o->context_length,
      .calibration = calibration};
  g_autoptr (NevaModel) model = neva_model_open (o->neva_model_file, &options,
      on_loading, (gpointer) q, q->cancellable, error);

  return model && answer_prompts (q, model, error);
}

/* ---- The result --------------------------------------------------------- */

static gboolean
make_folder (const Quantize *q, const char *folder, GError **error)
{
  const Options *o = q->options;
  const NevaQuantizeOptions options = {.base_model = o->base_model_file,
      .vision_tower = o->vision_tower,
      .lora = o->lora,
      .algorithm = o->quantize_how,
      .threads = q->threads,
      .note = on_note,
      .progress = on_quantising,
      .user_data = (gpointer) q,
      .cancellable = q->cancellable};
  g_autoptr (NevaCalibration) calibration = neva_calibration_new ();

  return calibrate (q, calibration, error) &&
         neva_quantize (
             o->neva_model_file, folder, calibration, &options, error);
}

static NevaModel *
open_folder (const Quantize *q, const char *folder, GError **error)
{
  const Options *o = q->options;
  const NevaModelOptions options = {
      .weights = o->weights_given ? o->weights : NEVA_WEIGHTS_AUTO,
      .device = o->device,
      .threads = q->threads,
      .context_length = o->context_length,
      .tensor_parallel = o->tensor_parallel,
      .pipeline_parallel = o->pipeline_parallel};

  return neva_model_open (
      folder, &options, on_loading, (gpointer) q, q->cancellable, error);
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
}

NevaModel *
quantize_and_open (const Quantize *q, GError **error)
{
  const char *save = q->options->quantize_save;
  g_autofree char *parent = NULL, *folder = NULL;
  NevaModel *model = NULL;

  if (save && g_file_test (save, G_FILE_TEST_EXISTS)) /* resumed */
    return open_folder (q, save, error);
  if (save)
    return make_folder (q, save, error) ? open_folder (q, save, error) : NULL;
  if (!(parent = g_dir_make_tmp ("neva-eval-XXXXXX", error)))
    return NULL;
  folder = g_build_filename (parent, "model", NULL);
  if (make_folder (q, folder, error))
    model = open_folder (q, folder, error);
  remove_folder (folder); /* the files live as long as they are mapped */
  g_rmdir (parent);
  return model;
}
