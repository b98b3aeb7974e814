/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/error.h>
#include <string.h>
#include "convert/hf_out.h"
#include "convert/st_writer.h"
#include "convert/target.h"
#include "quantize/quantizer.h"

#define SHARD_BYTES G_GUINT64_CONSTANT (5000000000)

gboolean
neva_quantization_check (
    NevaQuantization algorithm, const char *device, GError **error)
{
  return algorithm != NEVA_QUANTIZE_FP8 ||
         neva_backend_check_fp8 (device, error);
}

gboolean
neva_model_is_quantized (const char *model)
{
  NevaConfig config;

  return neva_model_is_path (model) &&
         g_file_test (model, G_FILE_TEST_IS_DIR) &&
         neva_hf_config_read (model, &config, NULL) &&
         (config.awq || config.int8 || config.fp8);
}

/* ---- Tensors of the source ---------------------------------------------- */

static gboolean
is_float (const NevaTensorView *view)
{
  return g_str_equal (view->dtype, "F32") ||
         g_str_equal (view->dtype, "BF16") || g_str_equal (view->dtype, "F16");
}

const NevaTensorView *
neva_quantizer_view (
    const NevaQuantizer *q, const char *stem, gsize k, GError **error)
{
  const NevaTensorView *v =
      neva_origin_need (&q->origin, error, "%s.weight", stem);
  const guint dims = k ? 2 : 1;

  if (!v)
    return NULL;
  if (is_float (v) && v->n_dims == dims && v->n_elements &&
      (!k || k == G_MAXSIZE || v->shape[1] == k))
    return v;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s': %s expected, %s with %u dimensions and %" G_GSIZE_FORMAT
      " elements found",
      v->name,
      k ? "a matrix of floating-point numbers as wide as its input"
        : "a row of floating-point numbers",
      v->dtype, v->n_dims, v->n_elements);
  return NULL;
}

float *
neva_quantizer_read (
    const NevaQuantizer *q, const NevaTensorView *v, GError **error)
{
  NevaTensorSource *source = q->origin.checkpoint.tensors;
  const guint8 *data = v ? neva_tensor_source_data (source, v, error) : NULL;
  float *w;

  if (!data)
    return NULL;
  if (!(w = g_try_malloc_n (v->n_elements, sizeof *w))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "tensor '%s': no memory for it", v->name);
  } else if (g_str_equal (v->dtype, "F32")) {
    memcpy (w, data, v->n_elements * sizeof *w);
  } else {
    const gboolean bf16 = g_str_equal (v->dtype, "BF16");

    for (gsize i = 0; i < v->n_elements; i++) {
      guint16 half;

      memcpy (&half, data + 2 * i, sizeof half);
      w[i] = bf16 ? neva_bf16_to_f32 (half) : neva_f16_to_f32 (half);
    }
  }
  neva_tensor_source_release (source, v);
  return w;
}

/* ---- All of it ---------------------------------------------------------- */

static void
quantizer_clear (NevaQuantizer *q)
{
  neva_made_codes_free (q->codes);
  g_ptr_array_unref (q->made);
  g_hash_table_unref (q->remarks);
  g_hash_table_unref (q->plus_one);
  g_hash_table_unref (q->rows);
  g_hash_table_unref (q->columns);
  g_hash_table_unref (q->inputs);
  g_hash_table_unref (q->coded);
  g_clear_pointer (&q->sites, g_ptr_array_unref);
  neva_backend_free (q->backend);
  neva_origin_clear (&q->origin);
}

static GHashTable *
new_scales (void)
{
  return g_hash_table_new_full (
      g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_array_unref);
}

static void
quantizer_init (NevaQuantizer *q, NevaCalibration *calibration,
    const NevaQuantizeOptions *options)
{
  *q = (NevaQuantizer){.options = options, .calibration = calibration};
  q->coded = g_hash_table_new (g_str_hash, g_str_equal);
  q->inputs = g_hash_table_new (g_str_hash, g_str_equal);
  q->plus_one = g_hash_table_new (g_str_hash, g_str_equal);
  q->columns = new_scales ();
  q->rows = new_scales ();
  q->remarks = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  q->made = g_ptr_array_new_with_free_func (neva_made_free);
}

/* Progress of the writing, behind the search's. */
static void
on_written (double fraction, gpointer options)
{
  const NevaQuantizeOptions *o = options;

  if (o->progress)
    o->progress (
        NEVA_SEARCH_SHARE + (1 - NEVA_SEARCH_SHARE) * fraction, o->user_data);
}

static gboolean
write_folder (
    NevaQuantizer *q, const char *to, NevaOutList *list, GError **error)
{
  const NevaQuantizeOptions *o = q->options;
  NevaOutProgress progress = {.total = neva_out_list_bytes (list),
      .progress = on_written,
      .user_data = (gpointer) o,
      .cancellable = o->cancellable};
  g_auto (NevaTarget) target = {0};

  return neva_target_begin (
             &target, to, TRUE, o->overwrite, progress.total, error) &&
         neva_hf_files (
             &q->origin, target.temp, o->note, o->user_data, error) &&
         neva_st_write (target.temp, list, q->origin.checkpoint.tensors,
             SHARD_BYTES, &progress, error) &&
         neva_target_commit (&target, error);
}

static gboolean
quantize (NevaQuantizer *q, const char *to, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;

  q->sites = neva_sites_new (&q->origin.config);
  q->backend = neva_backend_new ("cpu", q->options->threads, error);
  if (!q->backend || !neva_quantizer_scale (q, error) ||
      !(list = neva_hf_plan (&q->origin, error)))
    return FALSE;
  q->origin.quantization = neva_quantizer_scheme (q, list);
  list = neva_quantizer_tensors (q, g_steal_pointer (&list), error);
  return list && write_folder (q, to, list, error);
}

gboolean
neva_quantize (const char *from, const char *to, NevaCalibration *calibration,
    const NevaQuantizeOptions *options, GError **error)
{
  static const NevaQuantizeOptions defaults;
  const NevaQuantizeOptions *o = options ? options : &defaults;
  const NevaCheckpointParts parts = {o->base_model, o->vision_tower, o->lora};
  NevaQuantizer q;
  gboolean ok;

  g_return_val_if_fail (from && to, FALSE);

  if (o->algorithm == NEVA_QUANTIZE_FP8 && !calibration) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "fp8: the scales of inputs come from a calibration, and there is none");
    return FALSE;
  }
  if (!*to || (!o->overwrite && g_file_test (to, G_FILE_TEST_EXISTS))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s%s", to,
        *to ? ": is there already" : "no target was named");
    return FALSE;
  }
  quantizer_init (&q, calibration, o);
  ok = neva_origin_open (&q.origin, from, &parts, error) &&
       quantize (&q, to, error);
  quantizer_clear (&q);
  return ok;
}
