/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enumerations that are properties of nevaframesampler. `mode` has the values
 * of NevaChoice, `gate` those of NevaGateKind. */
#ifndef NEVA_SAMPLER_ENUMS_H
#define NEVA_SAMPLER_ENUMS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_SAMPLER_OUTPUT_SELECTED,
  GST_NEVA_SAMPLER_OUTPUT_ALL
} GstNevaSamplerOutput;

typedef enum {
  GST_NEVA_SAMPLER_ALIGN_INDEX,
  GST_NEVA_SAMPLER_ALIGN_TIME
} GstNevaSamplerAlign;

typedef enum {
  GST_NEVA_SAMPLER_SEEK_AUTO,
  GST_NEVA_SAMPLER_SEEK_NEVER
} GstNevaSamplerSeek;

#define GST_TYPE_NEVA_SAMPLER_GATE (gst_neva_sampler_gate_get_type ())
#define GST_TYPE_NEVA_SAMPLER_MODE (gst_neva_sampler_mode_get_type ())
#define GST_TYPE_NEVA_SAMPLER_OUTPUT (gst_neva_sampler_output_get_type ())
#define GST_TYPE_NEVA_SAMPLER_ALIGN (gst_neva_sampler_align_get_type ())
#define GST_TYPE_NEVA_SAMPLER_SEEK (gst_neva_sampler_seek_get_type ())

GType gst_neva_sampler_gate_get_type (void);
GType gst_neva_sampler_mode_get_type (void);
GType gst_neva_sampler_output_get_type (void);
GType gst_neva_sampler_align_get_type (void);
GType gst_neva_sampler_seek_get_type (void);

G_END_DECLS

#endif /* NEVA_SAMPLER_ENUMS_H */
