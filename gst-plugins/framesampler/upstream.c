/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "upstream.h"

/* A pipeline deeper than this is not one that we understand. */
#define MAX_DEPTH 64
#define MAX_PADS 256

static void
stage_clear (gpointer data)
{
  NevaStage *s = data;

  gst_clear_object (&s->factory);
  g_clear_pointer (&s->pad, g_free);
}

void
neva_upstream_clear (NevaUpstream *up)
{
  g_clear_pointer (&up->path, g_free);
  g_clear_pointer (&up->stages, g_array_unref);
  gst_clear_object (&up->decoder_pad);
}

/* The element pad on the other side of a link, through the ghost pads of bins;
 * NULL if the link leads nowhere. Takes pad; returns a new reference. */
static GstPad *
other_side (GstPad *pad)
{
  GstPad *peer = gst_pad_get_peer (pad);

  for (guint i = 0; peer && i < MAX_DEPTH; i++) {
    GstPad *next = NULL;

    if (GST_IS_GHOST_PAD (peer)) /* into a bin */
      next = gst_ghost_pad_get_target (GST_GHOST_PAD (peer));
    else if (GST_IS_PROXY_PAD (peer)) { /* out of a bin */
      g_autoptr (GstPad) outer =
          GST_PAD (gst_proxy_pad_get_internal (GST_PROXY_PAD (peer)));

      next = outer ? gst_pad_get_peer (outer) : NULL;
    } else
      return peer;
    gst_object_unref (peer);
    peer = next;
  }
  gst_clear_object (&peer);
  return NULL;
}

/* Pads inside the element that data passes to or from; transfer full. */
static GList *
internal_links (GstPad *pad)
{
  g_autoptr (GstIterator) it = gst_pad_iterate_internal_links (pad);
  GList *list = NULL;
  GValue v = G_VALUE_INIT;
  gboolean done = it == NULL;

  while (!done) {
    switch (gst_iterator_next (it, &v)) {
      case GST_ITERATOR_OK:
        list = g_list_prepend (list, g_value_dup_object (&v));
        g_value_reset (&v);
        break;
      case GST_ITERATOR_RESYNC:
        g_list_free_full (g_steal_pointer (&list), gst_object_unref);
        gst_iterator_resync (it);
        break;
      case GST_ITERATOR_DONE:
      case GST_ITERATOR_ERROR:
        done = TRUE;
        break;
    }
  }
  if (G_IS_VALUE (&v))
    g_value_unset (&v);
  return list;
}

static gboolean
has_klass (GstElement *element, const gchar *word)
{
  const gchar *klass =
      gst_element_get_metadata (element, GST_ELEMENT_METADATA_KLASS);

  return klass && strstr (klass, word) != NULL;
}

static gchar *
local_path (GstElement *source)
{
  g_autofree gchar *uri = NULL;

  if (!GST_IS_URI_HANDLER (source))
    return NULL;
  uri = gst_uri_handler_get_uri (GST_URI_HANDLER (source));
  if (!uri || !gst_uri_has_protocol (uri, "file"))
    return NULL;
  return g_filename_from_uri (uri, NULL, NULL);
}

/* Walks from a src pad up to the source. On success *path holds the src pads
 * passed, the source's first. */
static const gchar *
walk_up (GstPad *sinkpad, GPtrArray *path)
{
  g_autoptr (GstPad) pad = other_side (sinkpad);

  for (guint i = 0; i < MAX_DEPTH; i++) {
    g_autoptr (GstElement) element = NULL;
    GList *links;
    guint n;

    if (!pad || !(element = gst_pad_get_parent_element (pad)))
      return "the pad is not linked to an element";
    g_ptr_array_insert (path, 0, gst_object_ref (pad));
    if (GST_OBJECT_FLAG_IS_SET (element, GST_ELEMENT_FLAG_SOURCE) ||
        element->numsinkpads == 0)
      return NULL;

    links = internal_links (pad);
    n = g_list_length (links);
    gst_object_unref (pad);
    pad = n == 1 ? other_side (links->data) : NULL;
    g_list_free_full (links, gst_object_unref);
    if (n != 1)
      return "an element upstream joins several streams";
  }
  return "the pipeline is too deep";
}

/* Turns the path into stages, up to the first decoder. */
static const gchar *
collect_stages (GPtrArray *path, NevaUpstream *up)
{
  for (guint i = 1; i < path->len; i++) {
    GstPad *pad = g_ptr_array_index (path, i);
    g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
    NevaStage s = {NULL};

    if (!element)
      return "the pipeline is being taken apart";
    if (has_klass (element, "Decoder")) {
      GList *links = internal_links (pad);

      if (links)
        up->decoder_pad = gst_object_ref (links->data);
      g_list_free_full (links, gst_object_unref);
      return NULL;
    }
    s.demuxer = has_klass (element, "Demux");
    if (!s.demuxer && !has_klass (element, "Parser")) {
      if (has_klass (element, "Generic"))
        continue; /* queues, typefind, caps filters */
      return "an element upstream is neither demuxer, parser nor decoder";
    }
    s.factory = gst_element_get_factory (element);
    if (!s.factory)
      return "an element upstream has no factory";
    gst_object_ref (s.factory);
    s.pad = gst_pad_get_name (pad);
    g_array_append_val (up->stages, s);
  }
  return "there is no decoder upstream";
}

/* Whether everything that the src pad leads to ends unlinked or at `ours`. */
static gboolean
leads_only_to (GstPad *srcpad, GstPad *ours, GHashTable *seen)
{
  g_autoptr (GstPad) peer = other_side (srcpad);
  g_autoptr (GstElement) element = NULL;
  GList *links;
  gboolean ok = TRUE;

  if (!peer || peer == ours || g_hash_table_contains (seen, peer))
    return TRUE;
  if (g_hash_table_size (seen) >= MAX_PADS)
    return FALSE;
  g_hash_table_add (seen, gst_object_ref (peer));

  element = gst_pad_get_parent_element (peer);
  if (!element || element->numsrcpads == 0)
    return FALSE; /* a sink, or something that we cannot see through */
  links = internal_links (peer);
  for (GList *l = links; l && ok; l = l->next)
    ok = leads_only_to (l->data, ours, seen);
  g_list_free_full (links, gst_object_unref);
  return ok;
}

GstPad *
neva_upstream_find_decoder (GstPad *sinkpad)
{
  GstPad *pad = other_side (sinkpad);

  for (guint i = 0; pad && i < MAX_DEPTH; i++) {
    g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
    GList *links = element ? internal_links (pad) : NULL;
    GstPad *next = NULL;

    if (g_list_length (links) == 1)
      next = has_klass (element, "Decoder") ? gst_object_ref (links->data)
                                            : other_side (links->data);
    g_list_free_full (links, gst_object_unref);
    gst_object_unref (pad);
    if (next && has_klass (element, "Decoder"))
      return next;
    pad = next;
  }
  gst_clear_object (&pad);
  return NULL;
}

gboolean
neva_upstream_inspect (GstPad *sinkpad, NevaUpstream *up, const gchar **why)
{
  g_autoptr (GPtrArray) path =
      g_ptr_array_new_with_free_func (gst_object_unref);
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (NULL, NULL, gst_object_unref, NULL);
  g_autoptr (GstElement) source = NULL;

  *up = (NevaUpstream){NULL};
  up->stages = g_array_new (FALSE, FALSE, sizeof (NevaStage));
  g_array_set_clear_func (up->stages, stage_clear);

  *why = walk_up (sinkpad, path);
  if (!*why) {
    source = gst_pad_get_parent_element (g_ptr_array_index (path, 0));
    up->path = source ? local_path (source) : NULL;
    if (!up->path)
      *why = "the source is not a local file";
  }
  if (!*why)
    *why = collect_stages (path, up);
  if (*why) {
    neva_upstream_clear (up);
    return FALSE;
  }
  up->exclusive = leads_only_to (g_ptr_array_index (path, 0), sinkpad, seen);
  return TRUE;
}
