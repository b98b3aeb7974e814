/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clips of objects: nevaencoder region=roi has left handles on the pictures of
 * the objects of each frame. Every prompt is asked about each of them. See
 * llm.h. */
#include "config.h"
#include "llm.h"

void
gst_neva_llm_take_objects (GstNevaLlmFrame *frame, GstBuffer *buffer)
{
  g_autoptr (GPtrArray) found = gst_neva_regions_find (buffer);
  GArray *regions = gst_buffer_get_neva_regions (buffer);

  if (regions)
    frame->regions = g_array_ref (regions);
  if (found->len > 0)
    frame->objects = gst_neva_regions_describe (found);
}

gboolean
gst_neva_llm_clip_has_regions (const GstNevaLlmClip *clip)
{
  for (guint i = 0; i < clip->frames->len; i++)
    if (g_array_index (clip->frames, GstNevaLlmFrame, i).regions)
      return TRUE;
  return FALSE;
}

guint
gst_neva_llm_clip_count_objects (const GstNevaLlmClip *clip)
{
  guint n = 0;

  for (guint i = 0; i < clip->frames->len; i++) {
    const GArray *regions =
        g_array_index (clip->frames, GstNevaLlmFrame, i).regions;

    n += regions ? regions->len : 0;
  }
  return n;
}

NevaEmbedding *
gst_neva_llm_clip_peek_embedding (const GstNevaLlmClip *clip)
{
  for (guint i = 0; i < clip->frames->len; i++) {
    const GstNevaLlmFrame *frame =
        &g_array_index (clip->frames, GstNevaLlmFrame, i);

    if (frame->embedding)
      return frame->embedding;
    if (frame->regions && frame->regions->len > 0)
      return g_array_index (frame->regions, GstNevaRegionHandle, 0).embedding;
  }
  return NULL;
}

static GstNevaLlmObject *
object_new (const GstNevaLlmClip *clip, guint frame, guint index,
    const GstNevaRegionHandle *handle)
{
  GstNevaLlmObject *object = g_new0 (GstNevaLlmObject, 1);

  object->region = gst_neva_region_ref (handle->region);
  object->embedding = neva_embedding_ref (handle->embedding);
  object->index = index;
  object->pts = frame < clip->times->len
                    ? g_array_index (clip->times, GstNevaSampleTime, frame).pts
                    : GST_CLOCK_TIME_NONE;
  object->objects =
      g_strdup (g_array_index (clip->frames, GstNevaLlmFrame, frame).objects);
  return object;
}

GPtrArray *
gst_neva_llm_clip_questions (
    const GstNevaLlmClip *clip, const GstNevaLlmSettings *settings)
{
  GPtrArray *all = gst_neva_llm_questions_new (settings);
  guint index = 0;

  if (!gst_neva_llm_clip_has_regions (clip))
    return all;
  g_ptr_array_set_size (all, 0);
  for (guint i = 0; i < clip->frames->len; i++) {
    const GArray *regions =
        g_array_index (clip->frames, GstNevaLlmFrame, i).regions;

    for (guint k = 0; regions && k < regions->len; k++, index++) {
      GPtrArray *asked = gst_neva_llm_questions_new (settings);

      for (guint q = 0; q < asked->len; q++)
        ((GstNevaLlmQuestion *) asked->pdata[q])->object = object_new (
            clip, i, index, &g_array_index (regions, GstNevaRegionHandle, k));
      g_ptr_array_extend_and_steal (all, asked);
    }
  }
  return all;
}

char *
gst_neva_llm_clip_last_objects (const GstNevaLlmClip *clip)
{
  for (guint i = clip->frames->len; i > 0; i--) {
    const char *objects =
        g_array_index (clip->frames, GstNevaLlmFrame, i - 1).objects;

    if (objects)
      return g_strdup (objects);
  }
  return NULL;
}

void
gst_neva_llm_tell_object (
    const GstNevaLlmQuestion *question, GstStructure *caption)
{
  const GstNevaLlmObject *object = question->object;
  GValue times = G_VALUE_INIT, item = G_VALUE_INIT;

  if (!object)
    return;
  gst_neva_region_to_structure (object->region, caption);
  gst_structure_set (caption, "region-index", G_TYPE_UINT, object->index, NULL);
  if (!GST_CLOCK_TIME_IS_VALID (object->pts))
    return;
  g_value_init (&times, GST_TYPE_ARRAY);
  g_value_init (&item, G_TYPE_UINT64);
  g_value_set_uint64 (&item, object->pts);
  gst_value_array_append_and_take_value (&times, &item);
  gst_structure_take_value (caption, "frame-times", &times);
}

void
gst_neva_llm_replace_current_object (GstNevaLlm *self,
    const GstNevaLlmClip *clip, const GstNevaLlmQuestion *question,
    GstStructure *caption)
{
  for (guint i = self->current->len; i > 0; i--) {
    const GstStructure *old = self->current->pdata[i - 1];
    guint64 number = 0;
    guint index = G_MAXUINT;

    gst_structure_get_uint64 (old, "clip", &number);
    gst_structure_get_uint (old, "region-index", &index);
    if (number != clip->number || index == G_MAXUINT ||
        (index == question->object->index &&
            g_strcmp0 (gst_structure_get_string (old, "prompt-id"),
                question->prompt->id) == 0))
      g_ptr_array_remove_index (self->current, i - 1);
  }
  if (caption)
    g_ptr_array_add (self->current, caption);
}
