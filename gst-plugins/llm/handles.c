/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevaencoder left on the frames: whether it is of the model that answers,
 * and whether a frame on which it left nothing can be encoded here. See llm.h.
 */
#include "config.h"
#include "common/gstnevaembeddingmeta.h"
#include "common/gstnevaframe.h"
#include "llm.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

/* ---- None ---- */

static void fail (GstNevaLlm *self, NevaError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static void
fail (GstNevaLlm *self, NevaError code, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (NEVA_ERROR, (gint) code, format, args);
  va_end (args);
  gst_neva_llm_fail (self, NULL, error);
}

/* The model need not be there yet, but somebody must have named one. */
static gboolean
is_model_named (GstNevaLlm *self)
{
  g_autoptr (NevaModel) model = NULL;
  const GstFlowReturn flow = gst_neva_model_loader_try (&self->loader, &model);

  return flow != GST_FLOW_OK || model ||
         gst_neva_model_loader_is_named (&self->loader);
}

void
gst_neva_llm_check_bare (GstNevaLlm *self, GstBuffer *buffer)
{
  const GstVideoFormat format = GST_VIDEO_INFO_FORMAT (&self->info);

  if (self->bare_checked || !gst_buffer_get_neva_sample_meta (buffer) ||
      gst_buffer_get_neva_regions (buffer) ||
      gst_buffer_get_neva_embedding (buffer, NULL))
    return;
  self->bare_checked = TRUE;
  if (!is_model_named (self))
    fail (self, NEVA_ERROR_NOT_FOUND,
        "no model: set the property 'model', or put nevaencoder before "
        "nevallm");
  else if (!gst_neva_frame_is_readable (format))
    fail (self, NEVA_ERROR_UNSUPPORTED,
        "frames come without nevaencoder before nevallm, and nevallm cannot "
        "show them to the model itself: their format is %s. Put videoconvert "
        "! nevaencoder before nevallm",
        format == GST_VIDEO_FORMAT_UNKNOWN
            ? "not one of system memory"
            : gst_video_format_to_string (format));
}

/* ---- Of another model ---- */

static void
warn_foreign (GstNevaLlm *self, NevaModel *theirs, NevaModel *ours)
{
  const NevaModelInfo *a = neva_model_get_info (theirs);
  const NevaModelInfo *b = neva_model_get_info (ours);
  gboolean again;

  g_mutex_lock (&self->lock);
  again = self->foreign_warned;
  self->foreign_warned = TRUE;
  g_mutex_unlock (&self->lock);
  if (again)
    return;
  GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
      ("nevaencoder and nevallm have loaded two models, %s (weights %s, "
       "context %u) and %s (weights %s, context %u), and each frame is encoded "
       "by both: give the two the same model options, or nevallm none.",
          a->name, a->weights, a->context_length, b->name, b->weights,
          b->context_length),
      (NULL));
}

void
gst_neva_llm_take_handle (GstNevaLlm *self, GstNevaLlmFrame *frame,
    GstBuffer *buffer, NevaModel *model)
{
  NevaEmbedding *handle = gst_buffer_get_neva_embedding (buffer, model);

  gst_neva_llm_take_objects (frame, buffer);
  if (frame->regions)
    return;
  if (handle)
    frame->embedding = neva_embedding_ref (handle);
  if (!handle || (!model && gst_neva_model_loader_is_named (&self->loader))) {
    frame->buffer = gst_buffer_ref (buffer);
    frame->info = self->info;
  }
}

gboolean
gst_neva_llm_settle_handles (
    GstNevaLlm *self, GstNevaLlmClip *clip, NevaModel *model)
{
  g_autoptr (NevaModel) foreign = NULL;
  gboolean ok = TRUE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < clip->frames->len; i++) {
    GstNevaLlmFrame *frame = &g_array_index (clip->frames, GstNevaLlmFrame, i);
    NevaEmbedding *handle, *other;

    if (!frame->buffer)
      continue;
    handle = gst_buffer_get_neva_embedding (frame->buffer, model);
    other = gst_buffer_get_neva_embedding (frame->buffer, NULL);
    if (!handle && other && !foreign)
      foreign = neva_model_ref (neva_embedding_get_model (other));
    if (!frame->embedding)
      continue;
    neva_embedding_unref (frame->embedding);
    frame->embedding = handle ? neva_embedding_ref (handle) : NULL;
    if (handle)
      gst_clear_buffer (&frame->buffer);
    else
      ok = FALSE;
  }
  g_mutex_unlock (&self->lock);
  if (foreign)
    warn_foreign (self, foreign, model);
  return ok;
}
