/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A video:
 *   uridecodebin ! nevaframesampler ! videoconvert ! videoflip ! appsink
 * An image, which nobody turns, as in the original:
 *   filesrc ! gdkpixbufdec ! videoconvert ! appsink
 * because libjpeg's own conversion to RGB is Pillow's to the last bit, while
 * jpegdec gives I420 and halves 4:4:4 chroma for it; and where gdk-pixbuf
 * cannot read it
 *   uridecodebin ! videoconvert ! appsink
 */
#include "config.h"
#include <gst/app/gstappsink.h>
#include <gst/pbutils/pbutils.h>
#include <gst/video/video.h>
#include <string.h>
#include "common/missing.h"
#include "common/console.h"
#include "decode.h"
#include "gstnevaframe.h"

#define POLL (50 * GST_MSECOND)

typedef struct {
  NevaModel *model;
  const char *name;
  GCancellable *cancellable;
  GstElement *pipeline, *first, *sink;
  GPtrArray *frames; /* NevaEmbedding */
  gint64 duration;   /* ns; 0: not known */
  gint linked;       /* atomic: a video stream was found */
  gint no_video;     /* atomic: there is none */
} Decode;

/* ---- The pipeline ------------------------------------------------------- */

static void
on_pad (GstElement *source, GstPad *pad, gpointer data)
{
  Decode *d = data;
  g_autoptr (GstPad) sink = gst_element_get_static_pad (d->first, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  (void) source;
  if (!gst_pad_is_linked (sink) && caps && gst_caps_get_size (caps) > 0 &&
      gst_structure_has_name (
          gst_caps_get_structure (caps, 0), "video/x-raw") &&
      gst_pad_link (pad, sink) == GST_PAD_LINK_OK)
    g_atomic_int_set (&d->linked, TRUE);
}

static void
on_no_more_pads (GstElement *source, gpointer data)
{
  Decode *d = data;

  (void) source;
  if (!g_atomic_int_get (&d->linked))
    g_atomic_int_set (&d->no_video, TRUE);
}

/* (transfer none): made and in the pipeline; NULL with error. */
static GstElement *
add (Decode *d, const char *element, GError **error)
{
  GstElement *made = missing_make (element);

  if (made)
    gst_bin_add (GST_BIN (d->pipeline), made);
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "GStreamer has no element '%s'", element);
  return made;
}

static void
set_sink (Decode *d)
{
  g_autoptr (GstCaps) taken =
      gst_caps_from_string (GST_VIDEO_CAPS_MAKE (GST_NEVA_VIDEO_FORMATS));

  g_object_set (d->sink, "caps", taken, "sync", FALSE, NULL);
}

static void
configure (Decode *d, GstElement *source, const char *uri)
{
  g_autoptr (GstCaps) any = gst_caps_from_string ("video/x-raw(ANY)");

  /* only what leads to video is decoded */
  g_object_set (
      source, "uri", uri, "caps", any, "expose-all-streams", FALSE, NULL);
  g_signal_connect (source, "pad-added", G_CALLBACK (on_pad), d);
  g_signal_connect (source, "no-more-pads", G_CALLBACK (on_no_more_pads), d);
  set_sink (d);
}

static gboolean
link_failed (GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "the elements do not fit together");
  return FALSE;
}

static gboolean
build_video (Decode *d, const char *uri, const DecodeWhat *what, GError **error)
{
  GstElement *source, *convert, *flip;

  if (!(source = add (d, "uridecodebin", error)) ||
      !(d->first = add (d, "nevaframesampler", error)) ||
      !(convert = add (d, "videoconvert", error)) ||
      !(flip = add (d, "videoflip", error)) ||
      !(d->sink = add (d, "appsink", error)))
    return FALSE;
  configure (d, source, uri);
  g_object_set (d->first, "num-frames", what->num_frames, NULL);
  gst_util_set_object_arg (G_OBJECT (d->first), "mode",
      what->frame_choice ? what->frame_choice : "uniform");
  gst_util_set_object_arg (G_OBJECT (flip), "video-direction", "auto");
  return gst_element_link_many (d->first, convert, flip, d->sink, NULL) ||
         link_failed (error);
}

static gboolean
build_image (Decode *d, const char *uri, GError **error)
{
  GstElement *source;

  if (!(source = add (d, "uridecodebin", error)) ||
      !(d->first = add (d, "videoconvert", error)) ||
      !(d->sink = add (d, "appsink", error)))
    return FALSE;
  configure (d, source, uri);
  return gst_element_link (d->first, d->sink) || link_failed (error);
}

static gboolean
build_pixbuf (Decode *d, const char *path, GError **error)
{
  GstElement *source, *decoder, *convert;

  if (!(source = add (d, "filesrc", error)) ||
      !(decoder = add (d, "gdkpixbufdec", error)) ||
      !(convert = add (d, "videoconvert", error)) ||
      !(d->sink = add (d, "appsink", error)))
    return FALSE;
  g_object_set (source, "location", path, NULL);
  set_sink (d);
  return gst_element_link_many (source, decoder, convert, d->sink, NULL) ||
         link_failed (error);
}

/* ---- Running it --------------------------------------------------------- */

static gboolean
take (Decode *d, GstSample *sample, GError **error)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstCaps *caps = gst_sample_get_caps (sample);
  const GstClockTime pts = buffer ? GST_BUFFER_PTS (buffer) : 0;
  NevaEmbedding *embedding = NULL;
  GstVideoFrame frame;
  GstVideoInfo info;
  NevaFrame seen;

  if (!buffer || !caps || !gst_video_info_from_caps (&info, caps) ||
      !gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: a frame cannot be read", d->name);
    return FALSE;
  }
  if (gst_neva_frame_init (
          &seen, &frame, GST_CLOCK_TIME_IS_VALID (pts) ? (gint64) pts : -1))
    embedding = neva_model_encode (d->model, &seen, d->cancellable, error);
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: frames in a format that is not read", d->name);
  gst_video_frame_unmap (&frame);
  if (!embedding)
    return FALSE;
  g_ptr_array_add (d->frames, embedding);
  return TRUE;
}

static void
set_from_message (const Decode *d, GstMessage *message, GError **error)
{
  g_autoptr (GError) why = NULL;

  gst_message_parse_error (message, &why, NULL);
  g_set_error (
      error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", d->name, why->message);
}

/* FALSE with error when the pipeline has failed. */
static gboolean
check_bus (Decode *d, GstBus *bus, char **missing, GError **error)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (bus,
              GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT))) {
    g_autoptr (GstMessage) owned = message;
    g_autoptr (GError) warning = NULL;

    if (gst_is_missing_plugin_message (message)) {
      g_free (*missing);
      *missing = missing_describe (message);
    } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING && !*missing) {
      gst_message_parse_warning (message, &warning, NULL);
      console_complain ("warning: %s: %s", d->name, warning->message);
    } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      if (*missing)
        g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED, "%s: %s",
            d->name, *missing);
      else
        set_from_message (d, message, error);
      return FALSE;
    }
  }
  if (!g_atomic_int_get (&d->no_video))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", d->name,
      *missing ? *missing : "there is no picture in it");
  return FALSE;
}

/* Frames until the end, or `most` of them. */
static gboolean
run (Decode *d, guint most, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (d->pipeline);
  g_autofree char *missing = NULL;
  gboolean ok = TRUE;

  gst_element_set_state (d->pipeline, GST_STATE_PLAYING);
  while (ok && d->frames->len < most) {
    g_autoptr (GstSample) sample =
        gst_app_sink_try_pull_sample (GST_APP_SINK (d->sink), POLL);

    if (g_cancellable_is_cancelled (d->cancellable)) {
      g_set_error (
          error, NEVA_ERROR, NEVA_ERROR_CANCELLED, "%s: cancelled", d->name);
      ok = FALSE;
    } else if (sample) {
      ok = take (d, sample, error);
    } else {
      ok = check_bus (d, bus, &missing, error);
      if (gst_app_sink_is_eos (GST_APP_SINK (d->sink)))
        break;
    }
  }
  /* an error is followed by the end of what there is */
  ok = ok && check_bus (d, bus, &missing, error);
  if (!gst_element_query_duration (
          d->pipeline, GST_FORMAT_TIME, &d->duration) ||
      d->duration < 0)
    d->duration = 0;
  gst_element_set_state (d->pipeline, GST_STATE_NULL);
  return ok;
}

typedef enum { BY_PIXBUF, BY_DECODEBIN } Method;

/* Decodes by one pipeline; d->frames is filled on success. */
static gboolean
attempt (Decode *d, const char *path, const DecodeWhat *what, Method method,
    guint want, GError **error)
{
  g_autofree char *uri = gst_filename_to_uri (path, error);
  gboolean ok;

  if (!uri)
    return FALSE;
  g_ptr_array_set_size (d->frames, 0);
  d->linked = d->no_video = FALSE;
  d->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  if (what->type == NEVA_MEDIA_VIDEO)
    ok = build_video (d, uri, what, error);
  else if (method == BY_PIXBUF)
    ok = build_pixbuf (d, path, error);
  else
    ok = build_image (d, uri, error);
  ok = ok && run (d, want, error);
  gst_object_unref (d->pipeline);
  if (ok && d->frames->len == 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: no picture came out of it", d->name);
    ok = FALSE;
  }
  return ok;
}

GPtrArray *
decode_media (NevaModel *model, const char *path, const char *name,
    const DecodeWhat *what, gint64 *duration_ns, GCancellable *cancellable,
    GError **error)
{
  const gboolean image = what->type == NEVA_MEDIA_IMAGE;
  const guint want = image || what->frame_choice ? 1 : what->num_frames;
  g_autoptr (GstElementFactory) pixbuf =
      image ? gst_element_factory_find ("gdkpixbufdec") : NULL;
  Decode d = {.model = model, .name = name, .cancellable = cancellable};

  d.frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  if (!(pixbuf && attempt (&d, path, what, BY_PIXBUF, want, NULL)) &&
      !attempt (&d, path, what, BY_DECODEBIN, want, error)) {
    g_ptr_array_unref (d.frames);
    return NULL;
  }
  *duration_ns = image ? 0 : d.duration;
  while (d.frames->len < want)
    g_ptr_array_add (
        d.frames, neva_embedding_ref (d.frames->pdata[d.frames->len - 1]));
  return d.frames;
}
