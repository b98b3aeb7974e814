/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "index.h"

#include <glib/gstdio.h>

#include "lazysrc.h"
#include "packet.h"

/* Longer than a disk needs to wake up, or a network to answer; several times,
 * as the process may have been stopped meanwhile. */
#define STALL (4 * GST_SECOND)
#define STALLS 3

/* Bytes of a packet in which the headers of its units are looked for before all
 * of it is read. */
#define HEAD 1024

/* The reading pipeline: a file source ! demuxer ! [parser] ! fakesink, as
 * upstream's stages say. Its sink pad's probe fills the index. */
typedef struct {
  GstElement *pipeline; /* owned by neva_index_new () */
  GstElement **stages;  /* one per stage, then the sink; owned by pipeline */
  const NevaUpstream *up;
  NevaIndex *index;
  NevaPacketFormat format;
  gint moved;          /* atomic: a packet came since it was looked at */
  guint64 bytes, most; /* of packets; more come of a file that repeats itself */
} Reader;

/* A parser is slow and adds nothing where a container's blocks are frames. */
static gboolean
packs_whole_frames (GstElementFactory *factory)
{
  static const gchar *const names[] = {"qtdemux", "matroskademux", NULL};

  return g_strv_contains (
      names, gst_plugin_feature_get_name (GST_PLUGIN_FEATURE (factory)));
}

/* Its packets lie in the file as they are, and it does not look into them. */
static gboolean
leaves_packets_unread (GstElementFactory *factory)
{
  return g_str_equal (
      gst_plugin_feature_get_name (GST_PLUGIN_FEATURE (factory)), "qtdemux");
}

static GstElement *
make_source (const NevaUpstream *up)
{
  const NevaStage *first =
      up->stages->len > 0 ? &g_array_index (up->stages, NevaStage, 0) : NULL;
  GstElement *source;

  if (first && leaves_packets_unread (first->factory))
    return neva_lazy_source_new (up->path);
  source = gst_element_factory_make ("filesrc", NULL);
  if (source)
    g_object_set (source, "location", up->path, NULL);
  return source;
}

/* Decoders of GStreamer 1.26 (FFmpeg 7) give broken pictures after a seek to
 * where a group of pictures is open. */
static gboolean
needs_closed_groups (void)
{
  guint major, minor, micro, nano;

  gst_version (&major, &minor, &micro, &nano);
  return major > 1 || minor >= 24;
}

static void
judge_data (Reader *r, const guint8 *data, gsize size, NevaPacket *p)
{
  p->damaged = neva_packet_kind (&r->format, data, size) == NEVA_PACKET_DAMAGED;
  p->key &= !neva_packet_recovers_late (&r->format, data, size);
  if (needs_closed_groups ())
    p->key &= !neva_packet_is_open (&r->format, data, size);
}

/* What only the coded data tells. */
static void
judge_packet (Reader *r, GstBuffer *buffer, NevaPacket *p)
{
  const gsize size = gst_buffer_get_size (buffer);
  guint8 head[HEAD];
  GstMapInfo map;
  gsize have;

  if (r->format.codec == NEVA_CODEC_OTHER)
    return;
  have = neva_lazy_peek (buffer, head, sizeof head);
  if (have > 0 && neva_packet_head_suffices (&r->format, head, have, size)) {
    judge_data (r, head, size, p);
  } else if (gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    judge_data (r, map.data, map.size, p);
    gst_buffer_unmap (buffer, &map);
  }
}

static void
add_packet (Reader *r, GstBuffer *buffer)
{
  NevaPacket p = {.pts = GST_BUFFER_PTS (buffer),
      .duration = GST_BUFFER_DURATION (buffer),
      .order = r->index->packets->len,
      .sync = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT),
      .hidden = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DECODE_ONLY)};

  /* Codec headers that travel as buffers are not frames. */
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_HEADER) &&
      !GST_CLOCK_TIME_IS_VALID (p.pts))
    return;
  p.key = p.sync;
  judge_packet (r, buffer, &p);
  if (!GST_CLOCK_TIME_IS_VALID (p.pts))
    r->index->timed = FALSE;
  g_array_append_val (r->index->packets, p);
  g_atomic_int_set (&r->moved, TRUE);
  r->bytes += gst_buffer_get_size (buffer);
  if (r->bytes > r->most) {
    gst_element_post_message (
        r->pipeline, gst_message_new_application (GST_OBJECT (r->pipeline),
                         gst_structure_new_empty ("neva-endless")));
    r->most = G_MAXUINT64;
  }
}

static GstPadProbeReturn
on_data (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Reader *r = data;

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    GstCaps *caps;

    if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
      gst_event_parse_caps (event, &caps);
      neva_packet_format_init (&r->format, caps);
    }
  } else
    add_packet (r, GST_PAD_PROBE_INFO_BUFFER (info));
  return GST_PAD_PROBE_OK;
}

/* Links the pad of demuxer stage i that upstream uses, once it appears. */
static void
on_pad_added (GstElement *element, GstPad *pad, gpointer data)
{
  Reader *r = data;
  g_autofree gchar *name = gst_pad_get_name (pad);

  for (guint i = 0; i < r->up->stages->len; i++) {
    const NevaStage *s = &g_array_index (r->up->stages, NevaStage, i);

    if (r->stages[i] == element && g_str_equal (s->pad, name)) {
      g_autoptr (GstPad) sink =
          gst_element_get_static_pad (r->stages[i + 1], "sink");

      if (sink && !gst_pad_is_linked (sink))
        gst_pad_link (pad, sink);
    }
  }
}

static gboolean
link_stage (Reader *r, GstElement *from, guint i)
{
  const NevaStage *s =
      i > 0 ? &g_array_index (r->up->stages, NevaStage, i - 1) : NULL;

  if (s && s->demuxer) {
    g_signal_connect (from, "pad-added", G_CALLBACK (on_pad_added), r);
    return TRUE;
  }
  return gst_element_link (from, r->stages[i]);
}

static gboolean
build (Reader *r, GError **error)
{
  const guint n = r->up->stages->len;
  GstElement *from = make_source (r->up);
  gboolean skip = FALSE;

  if (!from)
    goto missing;
  gst_bin_add (GST_BIN (r->pipeline), from);

  for (guint i = 0; i <= n; i++) {
    const NevaStage *s =
        i < n ? &g_array_index (r->up->stages, NevaStage, i) : NULL;

    if (!s)
      r->stages[i] = gst_element_factory_make ("fakesink", NULL);
    else if (skip && !s->demuxer)
      r->stages[i] = gst_element_factory_make ("identity", NULL);
    else
      r->stages[i] = gst_element_factory_create (s->factory, NULL);
    if (!r->stages[i])
      goto missing;
    skip |= s && s->demuxer && packs_whole_frames (s->factory);
    gst_bin_add (GST_BIN (r->pipeline), r->stages[i]);
  }
  for (guint i = 0; i <= n; i++) {
    if (!link_stage (r, from, i))
      goto missing;
    from = r->stages[i];
  }
  return TRUE;

missing:
  g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
      "the elements that read '%s' cannot be created again", r->up->path);
  return FALSE;
}

/* Some demuxers never say that a file has ended (avdemux_gif of
 * GStreamer 1.22). Returns NULL when nothing has come for a while. */
static GstMessage *
wait_message (Reader *r, GstBus *bus)
{
  GstMessage *message = NULL;

  for (guint idle = 0; !message && idle < STALLS;) {
    message = gst_bus_timed_pop_filtered (bus, STALL,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_APPLICATION);
    idle = g_atomic_int_compare_and_exchange (&r->moved, TRUE, FALSE)
               ? 0
               : idle + 1;
  }
  return message;
}

/* Waits for the end of the file; FALSE if it failed or was cancelled. */
static gboolean
run (Reader *r, NevaIndexCancel *cancel, GError **error)
{
  g_autoptr (GstBus) bus = gst_pipeline_get_bus (GST_PIPELINE (r->pipeline));
  GstMessage *message = NULL;
  gboolean ok = FALSE, cancelled;

  g_mutex_lock (&cancel->lock);
  cancelled = cancel->cancelled;
  if (!cancelled)
    cancel->bus = bus;
  g_mutex_unlock (&cancel->lock);

  if (!cancelled) {
    gst_element_set_state (r->pipeline, GST_STATE_PLAYING);
    message = wait_message (r, bus);
  }
  g_mutex_lock (&cancel->lock);
  cancel->bus = NULL;
  g_mutex_unlock (&cancel->lock);

  if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, error, NULL);
  else if (!cancelled &&
           (!message || gst_message_has_name (message, "neva-endless")))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_LOOP,
        "'%s' does not come to an end", r->up->path);
  ok = message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  gst_clear_message (&message);
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  return ok;
}

static gint
by_pts (gconstpointer a, gconstpointer b)
{
  const NevaPacket *x = a, *y = b;

  if (x->pts != y->pts)
    return x->pts < y->pts ? -1 : 1;
  return x->order < y->order ? -1 : 1;
}

NevaIndex *
neva_index_new (const NevaUpstream *up, NevaIndexCancel *cancel, GError **error)
{
  Reader r = {.up = up, .most = G_MAXUINT64};
  GStatBuf st;
  g_autoptr (GstPad) sink = NULL;
  gboolean ok;

  r.pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  r.stages = g_new0 (GstElement *, up->stages->len + 1);
  r.index = g_new0 (NevaIndex, 1);
  r.index->timed = TRUE;
  r.index->packets = g_array_new (FALSE, FALSE, sizeof (NevaPacket));

  /* Parsers add headers, so not the size itself. */
  if (g_stat (up->path, &st) == 0)
    r.most = 2 * (guint64) st.st_size + (1 << 20);
  ok = build (&r, error);
  if (ok) {
    g_object_set (r.stages[up->stages->len], "sync", FALSE, NULL);
    sink = gst_element_get_static_pad (r.stages[up->stages->len], "sink");
    gst_pad_add_probe (sink,
        GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        on_data, &r, NULL);
    ok = run (&r, cancel, error);
  }
  if (ok && r.index->packets->len == 0) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "'%s' has no video packet", up->path);
    ok = FALSE;
  }
  r.index->first = r.index->packets->len > 0
                       ? g_array_index (r.index->packets, NevaPacket, 0).pts
                       : GST_CLOCK_TIME_NONE;
  if (r.index->timed)
    g_array_sort (r.index->packets, by_pts);

  gst_object_unref (r.pipeline);
  g_free (r.stages);
  if (!ok)
    g_clear_pointer (&r.index, neva_index_free);
  return r.index;
}

void
neva_index_free (NevaIndex *index)
{
  if (!index)
    return;
  g_array_unref (index->packets);
  g_free (index);
}

void
neva_index_cancel_init (NevaIndexCancel *cancel)
{
  *cancel = (NevaIndexCancel){.cancelled = FALSE};
  g_mutex_init (&cancel->lock);
}

void
neva_index_cancel_clear (NevaIndexCancel *cancel)
{
  g_mutex_clear (&cancel->lock);
}

void
neva_index_cancel_set (NevaIndexCancel *cancel, gboolean cancelled)
{
  g_mutex_lock (&cancel->lock);
  cancel->cancelled = cancelled;
  if (cancelled && cancel->bus)
    gst_bus_post (cancel->bus, gst_message_new_application (NULL,
                                   gst_structure_new_empty ("neva-cancel")));
  g_mutex_unlock (&cancel->lock);
}

guint
neva_index_key_before (const NevaIndex *index, guint i)
{
  while (i > 0 && !g_array_index (index->packets, NevaPacket, i).key)
    i--;
  return i;
}

guint
neva_index_find (const NevaIndex *index, GstClockTime pts)
{
  guint lo = 0, hi = index->packets->len;

  while (lo < hi) {
    guint mid = lo + (hi - lo) / 2;

    if (g_array_index (index->packets, NevaPacket, mid).pts < pts)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

guint
neva_index_damage_before (const NevaIndex *index, guint i)
{
  const NevaPacket *packets = (NevaPacket *) (void *) index->packets->data;
  const guint n = index->packets->len;
  const guint key = neva_index_key_before (index, i);

  /* Neighbours in presentation order cover what is decoded on the way: within
   * the group of pictures, not later in decoding order than packet i. */
  for (guint j = key; j < n && (j <= i || !packets[j].key); j++)
    if (packets[j].damaged && packets[j].order <= packets[i].order)
      return j;
  return n;
}
