/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* region=roi: the objects of a frame, one by one. */
#include "config.h"
#include "common/gstnevaregionsmeta.h"
#include "encoder.h"

GST_DEBUG_CATEGORY_EXTERN (neva_encoder_debug);
#define GST_CAT_DEFAULT neva_encoder_debug

typedef struct {
  GstNevaRegion *region; /* borrowed */
  NevaFrame picture;
  guint place; /* in the order of the buffer */
} Candidate;

static int
by_size (const void *a, const void *b)
{
  const Candidate *x = a, *y = b;
  const guint64 m = (guint64) x->picture.width * x->picture.height;
  const guint64 n = (guint64) y->picture.width * y->picture.height;

  if (m != n)
    return m < n ? 1 : -1;
  return (x->place > y->place) - (x->place < y->place);
}

static int
by_place (const void *a, const void *b)
{
  const Candidate *x = a, *y = b;

  return (x->place > y->place) - (x->place < y->place);
}

static void
count (GstNevaEncoder *self, guint64 *counter, guint n)
{
  GST_OBJECT_LOCK (self);
  *counter += n;
  GST_OBJECT_UNLOCK (self);
}

/* Said once a stream; after that it is counted. */
static void
report_outside (
    GstNevaEncoder *self, const GstNevaRegion *r, const NevaFrame *frame)
{
  count (self, &self->n_regions_outside, 1);
  if (self->outside_warned)
    return;
  self->outside_warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("The object '%s' (id %d) at %" G_GINT64_FORMAT ",%" G_GINT64_FORMAT
       " of %" G_GINT64_FORMAT "×%" G_GINT64_FORMAT
       " pixels is empty or lies outside of the picture of %u×%u, and is left "
       "out. Others like it are only counted.",
          r->label, r->id, r->x, r->y, r->width, r->height, frame->width,
          frame->height),
      (NULL));
}

/* Those that lie within, at most max-regions of them, in the buffer's order.
 * (element-type Candidate) */
static GArray *
choose (GstNevaEncoder *self, const GPtrArray *regions, const NevaFrame *frame)
{
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (Candidate));
  guint most;

  GST_OBJECT_LOCK (self);
  most = self->max_regions;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < regions->len; i++) {
    GstNevaRegion *r = regions->pdata[i];
    Candidate c = {r, *frame, i};

    if (neva_frame_crop (&c.picture, r->x, r->y, r->width, r->height))
      g_array_append_val (chosen, c);
    else
      report_outside (self, r, frame);
  }
  if (chosen->len > most) {
    g_array_sort (chosen, by_size);
    count (self, &self->n_regions_dropped, chosen->len - most);
    g_array_set_size (chosen, most);
    g_array_sort (chosen, by_place);
  }
  return chosen;
}

GstFlowReturn
gst_neva_encoder_encode_regions (
    GstNevaEncoder *self, GstBuffer *buffer, const NevaFrame *frame)
{
  g_autoptr (GPtrArray) regions = gst_neva_regions_find (buffer);
  g_autoptr (GArray) chosen = choose (self, regions, frame);
  g_autoptr (GArray) handles = gst_neva_region_handles_new ();
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = 0; i < chosen->len && ret == GST_FLOW_OK; i++) {
    const Candidate *c = &g_array_index (chosen, Candidate, i);
    g_autoptr (NevaEmbedding) embedding = NULL;

    ret = gst_neva_encoder_encode (self, buffer, &c->picture, &embedding);
    if (embedding)
      gst_neva_region_handles_add (handles, c->region, embedding);
  }
  count (self, &self->n_regions, handles->len);
  count (self, &self->n_submitted, handles->len > 0);
  gst_buffer_add_neva_regions_meta (buffer, handles);
  return ret;
}
