/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "encoder.h"
#include "common/gstnevaenum.h"

GST_NEVA_DEFINE_ENUM (gst_neva_encoder_frames_get_type, "GstNevaEncoderFrames",
    {GST_NEVA_ENCODER_FRAMES_AUTO,
        "All frames, until one comes that nevaframesampler marked; then "
        "the marked ones",
        "auto"},
    {GST_NEVA_ENCODER_FRAMES_MARKED, "Only frames that nevaframesampler marked",
        "marked"},
    {GST_NEVA_ENCODER_FRAMES_ALL, "All frames", "all"})

GST_NEVA_DEFINE_ENUM (gst_neva_encoder_overflow_get_type,
    "GstNevaEncoderOverflow",
    {GST_NEVA_ENCODER_OVERFLOW_AUTO, "Block, on live streams drop", "auto"},
    {GST_NEVA_ENCODER_OVERFLOW_BLOCK,
        "The stream waits for the model and for room in its queue", "block"},
    {GST_NEVA_ENCODER_OVERFLOW_DROP, "The frame goes on without being encoded",
        "drop"})

GST_NEVA_DEFINE_ENUM (gst_neva_encoder_gate_get_type, "GstNevaEncoderGate",
    {GST_NEVA_ENCODER_GATE_NONE, "Every clip is captioned", "none"},
    {GST_NEVA_ENCODER_GATE_EMBEDDING,
        "Clips in which something looks new to the model", "embedding"})

GST_NEVA_DEFINE_ENUM (gst_neva_encoder_region_get_type, "GstNevaEncoderRegion",
    {GST_NEVA_ENCODER_REGION_FULL_FRAME, "The picture is captioned",
        "full-frame"},
    {GST_NEVA_ENCODER_REGION_ROI,
        "Each object that was found in the picture is captioned, by itself",
        "roi"})
