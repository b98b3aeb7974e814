/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "gate.h"

#include "common/gstnevaframe.h"

/* A jump that was none is forgotten after so many frames' time. */
#define MAYBE_TIME (GST_SECOND / 2)

void
neva_gate_init (NevaGate *gate)
{
  *gate = (NevaGate){.maybe = GST_CLOCK_TIME_NONE};
  gst_video_info_init (&gate->info);
}

void
neva_gate_clear (NevaGate *gate)
{
  g_clear_pointer (&gate->motion, neva_motion_free);
}

void
neva_gate_reset (NevaGate *gate)
{
  if (gate->motion)
    neva_motion_reset (gate->motion);
  gate->maybe = GST_CLOCK_TIME_NONE;
}

/* Formats that the model cannot be shown, but that have a plane of luma of 8 or
 * 10 bits: Y444, Y42B, NV21, Y444_10LE and the like. Returns: one whose first
 * plane is the same, or FALSE. */
static gboolean
map_luma_plane (const GstVideoFormatInfo *format, NevaPixelFormat *out)
{
  const guint depth = GST_VIDEO_FORMAT_INFO_DEPTH (format, 0);
  const gint step = GST_VIDEO_FORMAT_INFO_PSTRIDE (format, 0);
  const gboolean wide =
      depth == 10 && step == 2 && GST_VIDEO_FORMAT_INFO_IS_LE (format);

  if (!GST_VIDEO_FORMAT_INFO_IS_YUV (format) ||
      !(wide || (depth == 8 && step == 1)))
    return FALSE;
  *out = !wide                   ? NEVA_PIXEL_GRAY8
         : format->shift[0] == 6 ? NEVA_PIXEL_P010_10LE
                                 : NEVA_PIXEL_I420_10LE;
  return TRUE;
}

static gboolean
init_frame (NevaFrame *frame, const GstVideoFrame *mapped)
{
  NevaPixelFormat format;

  if (gst_neva_frame_init (frame, mapped, -1))
    return TRUE;
  if (!map_luma_plane (mapped->info.finfo, &format))
    return FALSE;
  *frame = (NevaFrame){.format = format,
      .width = (guint) GST_VIDEO_FRAME_WIDTH (mapped),
      .height = (guint) GST_VIDEO_FRAME_HEIGHT (mapped),
      .pts_ns = -1};
  /* Chroma is not looked at. */
  for (guint i = 0; i < 3; i++) {
    frame->plane[i] = GST_VIDEO_FRAME_COMP_DATA (mapped, 0);
    frame->stride[i] = GST_VIDEO_FRAME_COMP_STRIDE (mapped, 0);
  }
  return TRUE;
}

void
neva_gate_set_caps (NevaGate *gate, const GstCaps *caps)
{
  NevaPixelFormat format;
  GstVideoInfo info;

  gate->readable =
      gst_video_info_from_caps (&info, caps) &&
      (gst_neva_frame_is_readable (GST_VIDEO_INFO_FORMAT (&info)) ||
          map_luma_plane (info.finfo, &format));
  if (gate->readable && gst_video_info_is_equal (&info, &gate->info))
    return;
  if (gate->readable)
    gate->info = info;
  neva_gate_reset (gate);
}

static gboolean
look (NevaGate *gate, GstBuffer *buffer, GstClockTime time,
    NevaMotionFrame *seen, GError **error)
{
  GstVideoFrame mapped;
  NevaFrame frame;
  gboolean ok;

  if (!gate->readable) {
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "gate cannot look into frames of this format or memory: put "
        "videoconvert before nevaframesampler");
    return FALSE;
  }
  if (!gst_video_frame_map (&mapped, &gate->info, buffer,
          GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) {
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "a frame cannot be read by gate");
    return FALSE;
  }
  ok = init_frame (&frame, &mapped) &&
       neva_motion_push (gate->motion, &frame, (gint64) time, seen, error);
  gst_video_frame_unmap (&mapped);
  return ok;
}

gboolean
neva_gate_look (NevaGate *gate, const NevaGateConfig *config, GstBuffer *buffer,
    GstClockTime time, NevaHappening *out, GError **error)
{
  const NevaMotionSettings settings = {.kind = config->kind == NEVA_GATE_SCENE
                                                   ? NEVA_MOTION_SCENES
                                                   : NEVA_MOTION_OBJECTS,
      .threshold = config->threshold,
      .area = config->area,
      .cut = config->cut};
  NevaMotionFrame seen;

  *out = NEVA_NOTHING_HAPPENS;
  if (config->kind == NEVA_GATE_NONE) {
    neva_gate_reset (gate);
    return TRUE;
  }
  if (gate->motion)
    neva_motion_set (gate->motion, &settings);
  else
    gate->motion = neva_motion_new (&settings);
  if (!look (gate, buffer, time, &seen, error))
    return FALSE;

  if (seen.maybe)
    gate->maybe = time;
  else if (GST_CLOCK_TIME_IS_VALID (gate->maybe) &&
           (seen.happens || time - gate->maybe > MAYBE_TIME))
    gate->maybe = GST_CLOCK_TIME_NONE;
  out->maybe = gate->maybe;
  if (seen.happens)
    out->sure = (GstClockTime) seen.since_ns;
  return TRUE;
}
