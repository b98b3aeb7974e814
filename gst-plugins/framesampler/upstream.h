/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks up the pipeline from a sink pad: which file feeds it, through which
 * demuxer and parsers, and whether anything else lives on that source. */
#ifndef NEVA_UPSTREAM_H
#define NEVA_UPSTREAM_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* One element between the file and the decoder that turns bytes into packets.
 */
typedef struct {
  GstElementFactory *factory;
  gchar *pad; /* name of the src pad that leads to us */
  gboolean demuxer;
} NevaStage;

typedef struct {
  gchar *path;         /* the file, in the file system's encoding */
  GArray *stages;      /* NevaStage, from the file on */
  GstPad *decoder_pad; /* sink pad of the first decoder, or NULL */
  gboolean exclusive;  /* no other branch of the source leads to an element
                          that consumes it: seeking disturbs nobody */
} NevaUpstream;

/* Fills *up and returns TRUE if a local file feeds the pad through elements
 * that can be repeated. Otherwise returns FALSE, leaves *up empty and sets
 * *why to a static string. Any thread; takes no lock across calls. */
gboolean neva_upstream_inspect (
    GstPad *sinkpad, NevaUpstream *up, const gchar **why);
void neva_upstream_clear (NevaUpstream *up);

/* The sink pad of the first decoder above, whatever the source is; (transfer
 * full), NULL if there is none. Any thread. */
GstPad *neva_upstream_find_decoder (GstPad *sinkpad);

G_END_DECLS

#endif /* NEVA_UPSTREAM_H */
