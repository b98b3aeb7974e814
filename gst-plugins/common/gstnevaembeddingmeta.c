/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevaembeddingmeta.h"

GType
gst_neva_embedding_meta_api_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const gchar *tags[] = {NULL};
    GType t = g_type_from_name ("GstNevaEmbeddingMetaAPI");

    if (!t)
      t = gst_meta_api_type_register ("GstNevaEmbeddingMetaAPI", tags);
    g_once_init_leave (&type, t);
  }
  return type;
}

static gboolean
embedding_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  ((GstNevaEmbeddingMeta *) meta)->embedding = NULL;
  return TRUE;
}

static void
embedding_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  GstNevaEmbeddingMeta *self = (GstNevaEmbeddingMeta *) meta;

  g_clear_pointer (&self->embedding, neva_embedding_unref);
}

static gboolean
embedding_meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *buffer,
    GQuark type, gpointer data)
{
  return gst_buffer_add_neva_embedding_meta (
             dest, ((GstNevaEmbeddingMeta *) meta)->embedding) != NULL;
}

const GstMetaInfo *
gst_neva_embedding_meta_get_info (void)
{
  static gsize info = 0;

  if (g_once_init_enter (&info)) {
    g_once_init_leave (
        &info, (gsize) gst_meta_register (GST_NEVA_EMBEDDING_META_API_TYPE,
                   "GstNevaEmbeddingMeta", sizeof (GstNevaEmbeddingMeta),
                   embedding_meta_init, embedding_meta_free,
                   embedding_meta_transform));
  }
  return (const GstMetaInfo *) info;
}

GstNevaEmbeddingMeta *
gst_buffer_add_neva_embedding_meta (GstBuffer *buffer, NevaEmbedding *embedding)
{
  GstNevaEmbeddingMeta *meta;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (embedding != NULL, NULL);

  meta = (GstNevaEmbeddingMeta *) gst_buffer_add_meta (
      buffer, GST_NEVA_EMBEDDING_META_INFO, NULL);
  if (meta)
    meta->embedding = neva_embedding_ref (embedding);
  return meta;
}

NevaEmbedding *
gst_buffer_get_neva_embedding (GstBuffer *buffer, NevaModel *model)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_NEVA_EMBEDDING_META_API_TYPE))) {
    NevaEmbedding *embedding = ((GstNevaEmbeddingMeta *) meta)->embedding;

    if (!model || neva_embedding_get_model (embedding) == model)
      return embedding;
  }
  return NULL;
}
