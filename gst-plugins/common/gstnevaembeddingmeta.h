/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevaencoder attaches to a frame that it submitted: a handle on the
 * frame's visual tokens, which may still be computed. A buffer carries one meta
 * per model that looks at it. */
#ifndef GST_NEVA_EMBEDDING_META_H
#define GST_NEVA_EMBEDDING_META_H

#include <gst/gst.h>
#include <neva/request.h>

G_BEGIN_DECLS

typedef struct {
  GstMeta meta;

  NevaEmbedding *embedding; /* a reference of the meta's own */
} GstNevaEmbeddingMeta;

#define GST_NEVA_EMBEDDING_META_API_TYPE                                       \
  (gst_neva_embedding_meta_api_get_type ())
#define GST_NEVA_EMBEDDING_META_INFO (gst_neva_embedding_meta_get_info ())

/* No tags: the meta survives conversion and scaling. It keeps the visual tokens
 * (not the picture) alive. */
GType gst_neva_embedding_meta_api_get_type (void);
const GstMetaInfo *gst_neva_embedding_meta_get_info (void);

/* Takes a reference of its own; the buffer must be writable. */
GstNevaEmbeddingMeta *gst_buffer_add_neva_embedding_meta (
    GstBuffer *buffer, NevaEmbedding *embedding);

/* (transfer none): this model's embedding of the buffer's picture, or the first
 * one if model is NULL; NULL when there is none. */
NevaEmbedding *gst_buffer_get_neva_embedding (
    GstBuffer *buffer, NevaModel *model);

G_END_DECLS

#endif /* GST_NEVA_EMBEDDING_META_H */
