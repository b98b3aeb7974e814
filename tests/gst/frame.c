/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GStreamer pictures as the engine sees them: planes, strides, colorimetry. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include "common/gstnevaframe.h"

/* Maps a picture of these caps. */
static void
map (GstVideoFrame *frame, GstBuffer **buffer, const char *caps_string)
{
  GstCaps *caps = gst_caps_from_string (caps_string);
  GstVideoInfo info;

  fail_unless (gst_video_info_from_caps (&info, caps), "%s", caps_string);
  gst_caps_unref (caps);
  *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  fail_unless (gst_video_frame_map (frame, &info, *buffer, GST_MAP_READ));
}

static void
unmap (GstVideoFrame *frame, GstBuffer *buffer)
{
  gst_video_frame_unmap (frame);
  gst_buffer_unref (buffer);
}

GST_START_TEST (test_planes_are_y_u_v_whatever_their_order)
{
  static const char *const formats[] = {"I420", "YV12", "I420_10LE"};

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *caps =
        g_strdup_printf ("video/x-raw,format=%s,width=10,height=6", formats[i]);
    GstVideoFrame frame;
    GstBuffer *buffer;
    NevaFrame out;

    map (&frame, &buffer, caps);
    fail_unless (gst_neva_frame_init (&out, &frame, 5));
    fail_unless (out.width == 10 && out.height == 6 && out.pts_ns == 5);
    for (guint c = 0; c < 3; c++) {
      fail_unless (out.plane[c] == GST_VIDEO_FRAME_COMP_DATA (&frame, c));
      fail_unless_equals_int (
          out.stride[c], GST_VIDEO_FRAME_COMP_STRIDE (&frame, c));
    }
    unmap (&frame, buffer);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_format_has_the_name_of_its_bytes)
{
  static const struct {
    const char *gst;
    NevaPixelFormat neva;
  } formats[] = {{"RGB", NEVA_PIXEL_RGB}, {"BGR", NEVA_PIXEL_BGR},
      {"RGBx", NEVA_PIXEL_RGBA}, {"BGRx", NEVA_PIXEL_BGRA},
      {"xRGB", NEVA_PIXEL_ARGB}, {"ABGR", NEVA_PIXEL_ABGR},
      {"GRAY8", NEVA_PIXEL_GRAY8}, {"NV12", NEVA_PIXEL_NV12},
      {"P010_10LE", NEVA_PIXEL_P010_10LE}};

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *caps = g_strdup_printf (
        "video/x-raw,format=%s,width=6,height=4", formats[i].gst);
    GstVideoFrame frame;
    GstBuffer *buffer;
    NevaFrame out;

    map (&frame, &buffer, caps);
    fail_unless (gst_neva_frame_init (&out, &frame, -1));
    fail_unless (out.format == formats[i].neva, "%s", formats[i].gst);
    fail_unless (out.plane[0] == GST_VIDEO_FRAME_PLANE_DATA (&frame, 0));
    if (GST_VIDEO_FRAME_N_PLANES (&frame) == 2)
      fail_unless (out.plane[1] == GST_VIDEO_FRAME_PLANE_DATA (&frame, 1));
    unmap (&frame, buffer);
  }
}
GST_END_TEST;

GST_START_TEST (test_colorimetry_is_what_the_caps_say)
{
  static const struct {
    const char *caps;
    NevaColorMatrix matrix;
    NevaColorRange range;
    gint site;
  } cases[] = {
      {"format=I420,height=480,colorimetry=bt601,chroma-site=jpeg",
          NEVA_MATRIX_BT601, NEVA_RANGE_LIMITED, NEVA_CHROMA_CENTERED},
      {"format=I420,height=480,colorimetry=bt709,chroma-site=mpeg2",
          NEVA_MATRIX_BT709, NEVA_RANGE_LIMITED, NEVA_CHROMA_H_COSITED},
      {"format=NV12,height=480,colorimetry=1:4:0:0,chroma-site=cosited",
          NEVA_MATRIX_BT601, NEVA_RANGE_FULL,
          NEVA_CHROMA_H_COSITED | NEVA_CHROMA_V_COSITED},
      {"format=I420_10LE,height=480,colorimetry=bt2020-10,chroma-site=mpeg2",
          NEVA_MATRIX_BT2020, NEVA_RANGE_LIMITED, NEVA_CHROMA_H_COSITED},
      {"format=I420,height=480,colorimetry=smpte240m,chroma-site=mpeg2",
          NEVA_MATRIX_SMPTE240M, NEVA_RANGE_LIMITED, NEVA_CHROMA_H_COSITED},
      /* left open: GStreamer goes by the height */
      {"format=I420,height=1080", NEVA_MATRIX_BT709, NEVA_RANGE_LIMITED,
          NEVA_CHROMA_H_COSITED},
      {"format=I420,height=480", NEVA_MATRIX_BT601, NEVA_RANGE_LIMITED,
          NEVA_CHROMA_CENTERED},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *caps =
        g_strdup_printf ("video/x-raw,width=640,%s", cases[i].caps);
    GstVideoFrame frame;
    GstBuffer *buffer;
    NevaFrame out;

    map (&frame, &buffer, caps);
    fail_unless (gst_neva_frame_init (&out, &frame, -1));
    fail_unless (out.matrix == cases[i].matrix, "%s: %d", caps, out.matrix);
    fail_unless (out.range == cases[i].range, "%s: %d", caps, out.range);
    fail_unless ((gint) out.chroma_site == cases[i].site, "%s: %d", caps,
        out.chroma_site);
    unmap (&frame, buffer);
  }
}
GST_END_TEST;

GST_START_TEST (test_strides_of_a_video_meta_are_honoured)
{
  gsize offset[4] = {16};
  gint stride[4] = {100};
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 1000, NULL);
  GstVideoFrame frame;
  GstVideoInfo info;
  NevaFrame out;
  GstMapInfo bytes;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, 8, 8);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_FORMAT_RGB, 8, 8, 1, offset, stride);
  gst_buffer_map (buffer, &bytes, GST_MAP_READ);
  fail_unless (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  fail_unless (gst_neva_frame_init (&out, &frame, -1));
  fail_unless (out.plane[0] == bytes.data + 16 && out.stride[0] == 100);
  gst_buffer_unmap (buffer, &bytes);
  unmap (&frame, buffer);
}
GST_END_TEST;

GST_START_TEST (test_other_formats_are_refused)
{
  GstVideoFrame frame;
  GstBuffer *buffer;
  NevaFrame out;

  map (&frame, &buffer, "video/x-raw,format=Y444,width=6,height=4");
  fail_if (gst_neva_frame_init (&out, &frame, -1));
  unmap (&frame, buffer);
}
GST_END_TEST;

static Suite *
frame_suite (void)
{
  Suite *s = suite_create ("frame");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_planes_are_y_u_v_whatever_their_order);
  tcase_add_test (tc, test_a_format_has_the_name_of_its_bytes);
  tcase_add_test (tc, test_colorimetry_is_what_the_caps_say);
  tcase_add_test (tc, test_strides_of_a_video_meta_are_honoured);
  tcase_add_test (tc, test_other_formats_are_refused);
  return s;
}

GST_CHECK_MAIN (frame);
