/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place where an engine error becomes a bus message, and an engine log
 * line one of GStreamer's. Call without the element's object lock. */
#ifndef GST_NEVA_ERROR_H
#define GST_NEVA_ERROR_H

#include <gst/gst.h>
#include <neva/error.h>

G_BEGIN_DECLS

/* What a chain function returns once an error was posted. Upstream stops
 * without a second error of its own ("Internal data stream error"), and the EOS
 * that it sends lets downstream finish what it has. */
#define GST_NEVA_FLOW_STOPPED GST_FLOW_EOS

/* Posts one ERROR message: the error's text, and `what` ("cannot encode a
 * frame") before it if it is not NULL. NEVA_ERROR_CANCELLED posts nothing.
 * error: borrowed. */
void gst_neva_post_error (
    GstElement *element, const char *what, const GError *error);
/* The same as a WARNING: what is named was skipped, and the stream goes on. */
void gst_neva_post_warning (
    GstElement *element, const char *what, const GError *error);
/* Either, with details for programs. type: GST_MESSAGE_ERROR or
 * GST_MESSAGE_WARNING; details: (transfer full) (nullable). */
void gst_neva_post_details (GstElement *element, GstMessageType type,
    const char *what, GstStructure *details, const GError *error);

/* Sends the engine's log to the debug category "neva". Once, from plugin_init.
 */
void gst_neva_log_init (void);

G_END_DECLS

#endif /* GST_NEVA_ERROR_H */
