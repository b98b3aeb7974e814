/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check-reference: what the stages share. A stage compares one result with the
 * stored one and prints one line. */
#ifndef NEVA_REFERENCE_STAGES_H
#define NEVA_REFERENCE_STAGES_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include "checkpoint/safetensors.h"
#include "text/tokenizer.h"
#include "vision/preprocess.h"

typedef struct {
  const char *where;  /* last part of the folder or file */
  const char *device; /* of models; NULL: the CPU */
  guint tp, pp;       /* ranks that share a model */
  guint judged, failed;
} Report;

/* One line: name, error found, bound. NaN fails. */
void report_error (Report *r, const char *stage, double error, double bound);
/* One line: so many of so many are equal; anything less than all fails. */
void report_equal (Report *r, const char *stage, gsize equal, gsize total);
/* A failure that has no numbers. */
void report_failure (Report *r, const char *stage, const char *what);

/* The stored array; NULL after report_failure when it is missing or not of this
 * type. */
const void *stored (Report *r, const NevaSafetensors *st, const char *name,
    const char *dtype, gsize *n_elements);

/* Largest |a - b| and |b|; NaN if any difference is NaN. */
double largest_difference (const float *a, const float *b, gsize n);
double largest (const float *b, gsize n);

JsonNode *read_json (Report *r, const char *folder, const char *name);

void check_text (Report *r, const char *folder);
/* "texts" of expected.json, as NeMo encodes and decodes them. legacy: with
 * sentencepiece_legacy. Nothing where there are none. */
void check_nemo_text (Report *r, JsonObject *expected,
    const NevaTokenizer *tokenizer, gboolean legacy);
void check_model (Report *r, const char *folder);
void check_preprocessing_file (Report *r, const char *file);
void check_frame_choice_file (Report *r, const char *file);
void check_sampling_file (Report *r, const char *file);
/* The stored frames resized by `p`: [n][height][width][3], or NULL after
 * report_failure. (transfer full) */
guint8 *resize_frames (
    Report *r, const NevaPreprocess *p, const NevaSafetensors *st);
/* `resized` (if stored) and `pixel_values` from the stored frames. */
void check_pixels (
    Report *r, const NevaPreprocess *p, const NevaSafetensors *st);

#endif /* NEVA_REFERENCE_STAGES_H */
