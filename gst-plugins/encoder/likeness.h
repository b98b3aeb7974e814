/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does a frame look to the model like those before it?
 *
 * Frames come in order, each as vectors of the cells of a coarse grid. What all
 * cells have in common is taken off (where there are eight or more). The frames
 * since the last new one are the state; a frame is new
 *
 *   in part    when one cell is further from the state than what the threshold,
 *              twice the noise of all cells and of this one, and 3.5 times the
 *              frame's own middle cell (light that was not seen before) allow
 *   as a whole when the difference is as strong as the picture (a cut)
 *
 * after what light explains is taken off: what combines the differences within
 * states that were seen so far, of which no cell may have more than its share,
 * so that a thing in one place is not learned as light. All scales are the
 * stream's and the model's own. Not for several threads at once. */
#ifndef GST_NEVA_LIKENESS_H
#define GST_NEVA_LIKENESS_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct _GstNevaLikeness GstNevaLikeness;

GstNevaLikeness *gst_neva_likeness_new (void);
void gst_neva_likeness_free (GstNevaLikeness *self);
/* The next frame is the first. */
void gst_neva_likeness_reset (GstNevaLikeness *self);

/* cells: [n_cells][n]. threshold: a part of what sets the picture's cells apart
 * (root mean square of their distances from their mean). Other n_cells or n
 * than before begin anew. level: out, how far the frame is, as a part of what
 * is allowed; > 1 = new.
 * Returns: TRUE when it is new; the first one is, and one with features that
 * are no numbers, which is otherwise ignored. */
gboolean gst_neva_likeness_is_new (GstNevaLikeness *self, const float *cells,
    gsize n_cells, gsize n, double threshold, double *level);

G_END_DECLS

#endif /* GST_NEVA_LIKENESS_H */
