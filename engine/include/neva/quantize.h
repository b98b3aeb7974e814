/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantisation with calibration: what a model's matrices are given while it
 * answers questions is looked at, then a folder with matrices of codes is
 * written that opens like any other.
 *
 *   calibration = neva_calibration_new ();
 *   model = neva_model_open (from, { .calibration = calibration }, …);
 *   … ask it, one question at a time for results that can be repeated …
 *   neva_model_unref (model);
 *   neva_quantize (from, to, calibration, …);
 */
#ifndef NEVA_QUANTIZE_H
#define NEVA_QUANTIZE_H

#include <gio/gio.h>
#include <neva/model.h>

G_BEGIN_DECLS

typedef enum {
  NEVA_QUANTIZE_AWQ,     /* weights 4 bits in groups of 128 along the input, the
                            inputs' scales searched for; AutoAWQ's files */
  NEVA_QUANTIZE_INT8_SQ, /* SmoothQuant: weights 8 bits, a scale per output
                            channel, inputs 8 bits; compressed-tensors' files */
  NEVA_QUANTIZE_FP8      /* weights and inputs E4M3, a scale for each matrix
                            and each input: largest / 448;
                            compressed-tensors' files. Computes on GPUs of
                            compute capability 8.9 or later only */
} NevaQuantization;

/* What was seen of the inputs of a model's linear layers. */
typedef struct _NevaCalibration NevaCalibration;

NevaCalibration *neva_calibration_new (void);
NevaCalibration *neva_calibration_ref (NevaCalibration *calibration);
void neva_calibration_unref (NevaCalibration *calibration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaCalibration, neva_calibration_unref)

/* Can a device ("cpu", NULL, …) compute with what the algorithm writes? FALSE
 * with NEVA_ERROR_UNSUPPORTED saying what it lacks. */
gboolean neva_quantization_check (
    NevaQuantization algorithm, const char *device, GError **error);

/* Is a model of neva_model_open () a folder whose matrices are codes? FALSE,
 * too, for what cannot be read. */
gboolean neva_model_is_quantized (const char *model);

/* Zero-initialise; every zero is the default. */
typedef struct {
  /* As in NevaModelOptions: what the source leaves to others. */
  const char *base_model, *vision_tower, *lora;
  NevaQuantization algorithm;
  gboolean overwrite; /* replace what is there */
  guint threads;      /* as in NevaModelOptions */

  /* Told which layers stay as they are, and why; NULL: nobody. */
  void (*note) (const char *text, gpointer user_data);
  NevaProgressFunc progress;
  gpointer user_data; /* of both */
  GCancellable *cancellable;
} NevaQuantizeOptions;

/* from: what the calibrated model was opened from; to: a folder that is not
 * there. Linear layers of the vision tower, the projector and the decoder
 * become codes; the word table, the output matrix and a mixture's router never
 * do. A layer that the format cannot hold, or that the calibration says nothing
 * of, stays as it is. calibration NULL: no scales, weights are rounded to
 * nearest; an error for FP8. options may be NULL. Blocking. */
gboolean neva_quantize (const char *from, const char *to,
    NevaCalibration *calibration, const NevaQuantizeOptions *options,
    GError **error);

G_END_DECLS

#endif /* NEVA_QUANTIZE_H */
