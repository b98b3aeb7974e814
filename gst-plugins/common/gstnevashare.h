/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An element's share of the model that it has in common with others: who it is
 * among them, and how urgent. */
#ifndef GST_NEVA_SHARE_H
#define GST_NEVA_SHARE_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  guint64 stream; /* neva_stream_new () */
  gint priority;  /* atomic */
} GstNevaShare;

void gst_neva_share_init (GstNevaShare *share);

/* The property `priority`, which may change while playing. */
void gst_neva_share_install (GObjectClass *klass, guint id);
void gst_neva_share_set (GstNevaShare *share, const GValue *value);
void gst_neva_share_get (GstNevaShare *share, GValue *value);

G_END_DECLS

#endif /* GST_NEVA_SHARE_H */
