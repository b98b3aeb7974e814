/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Remembers which pictures of the stream are damaged where no index of the file
 * tells: packets on their way into the decoder whose structure is broken (H.264
 * and H.265 with lengths), and frames that the decoder itself has marked. */
#ifndef NEVA_DAMAGE_H
#define NEVA_DAMAGE_H

#include <gst/gst.h>

#include "packet.h"

G_BEGIN_DECLS

typedef struct {
  GMutex lock;
  NevaPacketFormat format; /* lock; of the packets */
  GArray *found;           /* lock; GstClockTime, PTS */

  /* Streaming thread. */
  GstPad *pad; /* of the decoder; owned, or NULL */
  gulong probe;
} NevaDamage;

void neva_damage_init (NevaDamage *d);
void neva_damage_clear (NevaDamage *d);
/* Forgets what was found, as after a flush. */
void neva_damage_reset (NevaDamage *d);

/* Streaming thread. Looks at what goes into the first decoder above this pad,
 * if there is one, until unwatch (). Packets that went in before are not seen.
 */
void neva_damage_watch (NevaDamage *d, GstPad *sinkpad);
/* Streaming thread, or stopped. */
void neva_damage_unwatch (NevaDamage *d);

/* Streaming thread, with each frame. */
void neva_damage_look (NevaDamage *d, GstBuffer *frame);
/* How many damaged pictures there were in [from, to), PTS; *first: the
 * earliest. Forgets those before `from`. */
guint neva_damage_count (
    NevaDamage *d, GstClockTime from, GstClockTime to, GstClockTime *first);

G_END_DECLS

#endif /* NEVA_DAMAGE_H */
