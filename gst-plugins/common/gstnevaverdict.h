/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a clip is worth a caption, where that is only known after its
 * GstNevaClip event has passed: the event carries a verdict (field "verdict")
 * that is still open, and whoever would caption the clip waits for it. Any
 * thread. */
#ifndef GST_NEVA_VERDICT_H
#define GST_NEVA_VERDICT_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_VERDICT_OPEN,
  GST_NEVA_VERDICT_PASS,
  GST_NEVA_VERDICT_GATED
} GstNevaVerdictState;

typedef struct _GstNevaVerdict GstNevaVerdict;

#define GST_TYPE_NEVA_VERDICT (gst_neva_verdict_get_type ())
GType gst_neva_verdict_get_type (void); /* boxed */

/* OPEN. (transfer full) */
GstNevaVerdict *gst_neva_verdict_new (void);
GstNevaVerdict *gst_neva_verdict_ref (GstNevaVerdict *verdict);
void gst_neva_verdict_unref (GstNevaVerdict *verdict);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstNevaVerdict, gst_neva_verdict_unref)

GstNevaVerdictState gst_neva_verdict_get (GstNevaVerdict *verdict);
/* The first one counts. state: not OPEN. */
void gst_neva_verdict_set (GstNevaVerdict *verdict, GstNevaVerdictState state);
/* When the verdict is no longer open, maybe at once, `element` is told by
 * `func` on whatever thread that is; it must not block. No reference is held on
 * the element. */
void gst_neva_verdict_watch (GstNevaVerdict *verdict, GstElement *element,
    void (*func) (GstElement *element));

G_END_DECLS

#endif /* GST_NEVA_VERDICT_H */
