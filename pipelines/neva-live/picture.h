/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The branch of a pipeline that makes JPEGs for the page: one a second, and as
 * many as were asked for while somebody watches. It may lose pictures; it never
 * makes anybody wait. */
#ifndef NEVA_LIVE_PICTURE_H
#define NEVA_LIVE_PICTURE_H

#include "pipeline.h"

gboolean picture_attach (Pipeline *pipeline, GstElement *tee, GError **error);

#endif /* NEVA_LIVE_PICTURE_H */
