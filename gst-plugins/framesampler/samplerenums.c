/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "samplerenums.h"

#include "common/gstnevaenum.h"
#include "choice.h"
#include "gate.h"

GST_NEVA_DEFINE_ENUM (gst_neva_sampler_mode_get_type, "GstNevaSamplerMode",
    {NEVA_CHOICE_UNIFORM, "num-frames frames, from the first to the last",
        "uniform"},
    {NEVA_CHOICE_FIRST, "The first frame", "first"},
    {NEVA_CHOICE_MIDDLE, "The middle frame", "middle"},
    {NEVA_CHOICE_LAST, "The last frame", "last"},
    {NEVA_CHOICE_ALL, "Every frame", "all"})

GST_NEVA_DEFINE_ENUM (gst_neva_sampler_gate_get_type, "GstNevaSamplerGate",
    {NEVA_GATE_NONE, "Every clip is captioned", "none"},
    {NEVA_GATE_MOTION, "Clips in which something moves", "motion"},
    {NEVA_GATE_SCENE, "Clips in which a new scene begins", "scene"})

GST_NEVA_DEFINE_ENUM (gst_neva_sampler_output_get_type, "GstNevaSamplerOutput",
    {GST_NEVA_SAMPLER_OUTPUT_SELECTED, "Only the chosen frames leave",
        "selected"},
    {GST_NEVA_SAMPLER_OUTPUT_ALL,
        "Every frame leaves, the chosen ones carry the meta", "all"})

GST_NEVA_DEFINE_ENUM (gst_neva_sampler_align_get_type, "GstNevaSamplerAlign",
    {GST_NEVA_SAMPLER_ALIGN_INDEX, "Equal steps of the frame number", "index"},
    {GST_NEVA_SAMPLER_ALIGN_TIME, "Equal steps of time", "time"})

GST_NEVA_DEFINE_ENUM (gst_neva_sampler_seek_get_type, "GstNevaSamplerSeek",
    {GST_NEVA_SAMPLER_SEEK_AUTO,
        "Decode only what is needed, where seeking disturbs nobody", "auto"},
    {GST_NEVA_SAMPLER_SEEK_NEVER, "Decode the whole stream", "never"})
