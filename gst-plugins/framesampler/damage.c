/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "damage.h"

#include "upstream.h"

/* A stream that is broken throughout need not be listed. */
#define MAX_FOUND 4096

void
neva_damage_init (NevaDamage *d)
{
  *d = (NevaDamage){.pad = NULL};
  g_mutex_init (&d->lock);
  d->found = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
}

void
neva_damage_clear (NevaDamage *d)
{
  neva_damage_unwatch (d);
  g_array_unref (d->found);
  g_mutex_clear (&d->lock);
}

void
neva_damage_reset (NevaDamage *d)
{
  g_mutex_lock (&d->lock);
  g_array_set_size (d->found, 0);
  g_mutex_unlock (&d->lock);
}

/* A packet that is damaged may also come out as a damaged frame. */
static void
add (NevaDamage *d, GstClockTime pts)
{
  gboolean known = d->found->len >= MAX_FOUND;

  for (guint i = 0; i < d->found->len && !known; i++)
    known = g_array_index (d->found, GstClockTime, i) == pts;
  if (!known && GST_CLOCK_TIME_IS_VALID (pts))
    g_array_append_val (d->found, pts);
}

static void
look_at_packet (NevaDamage *d, GstBuffer *packet)
{
  GstMapInfo map;

  if (d->format.codec == NEVA_CODEC_OTHER ||
      !gst_buffer_map (packet, &map, GST_MAP_READ))
    return;
  if (neva_packet_kind (&d->format, map.data, map.size) == NEVA_PACKET_DAMAGED)
    add (d, GST_BUFFER_PTS (packet));
  gst_buffer_unmap (packet, &map);
}

static GstPadProbeReturn
on_data (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  NevaDamage *d = user_data;

  g_mutex_lock (&d->lock);
  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    GstCaps *caps;

    if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
      gst_event_parse_caps (event, &caps);
      neva_packet_format_init (&d->format, caps);
    }
  } else {
    look_at_packet (d, GST_PAD_PROBE_INFO_BUFFER (info));
  }
  g_mutex_unlock (&d->lock);
  return GST_PAD_PROBE_OK;
}

void
neva_damage_watch (NevaDamage *d, GstPad *sinkpad)
{
  g_autoptr (GstPad) pad = neva_upstream_find_decoder (sinkpad);
  g_autoptr (GstCaps) caps = NULL;

  if (pad == d->pad)
    return;
  neva_damage_unwatch (d);
  if (!pad)
    return;
  caps = gst_pad_get_current_caps (pad);
  g_mutex_lock (&d->lock);
  neva_packet_format_init (&d->format, caps);
  g_mutex_unlock (&d->lock);
  d->pad = gst_object_ref (pad);
  d->probe = gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_data,
      d, NULL);
}

void
neva_damage_unwatch (NevaDamage *d)
{
  if (d->pad)
    gst_pad_remove_probe (d->pad, d->probe);
  gst_clear_object (&d->pad);
}

void
neva_damage_look (NevaDamage *d, GstBuffer *frame)
{
  if (!GST_BUFFER_FLAG_IS_SET (frame, GST_BUFFER_FLAG_CORRUPTED))
    return;
  g_mutex_lock (&d->lock);
  add (d, GST_BUFFER_PTS (frame));
  g_mutex_unlock (&d->lock);
}

guint
neva_damage_count (
    NevaDamage *d, GstClockTime from, GstClockTime to, GstClockTime *first)
{
  guint n = 0;

  *first = GST_CLOCK_TIME_NONE;
  g_mutex_lock (&d->lock);
  for (guint i = d->found->len; i-- > 0;) {
    const GstClockTime pts = g_array_index (d->found, GstClockTime, i);

    if (pts < from) {
      g_array_remove_index_fast (d->found, i);
    } else if (pts < to) {
      n++;
      *first = MIN (*first, pts);
    }
  }
  g_mutex_unlock (&d->lock);
  return n;
}
