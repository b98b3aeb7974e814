/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an element comes to its model: the properties that name it, loading off
 * the application's thread with PROGRESS messages, one load per pipeline and
 * model, and sharing by GstContext.
 *
 *   static void class_init (…)
 *     gst_neva_model_options_install (object_class, PROP_MODEL_FIRST);
 *   set_property: if (gst_neva_model_options_set (&self->options,
 *                         GST_ELEMENT (self), id - PROP_MODEL_FIRST, value))
 *   READY -> PAUSED: gst_neva_model_loader_start (&self->loader,
 * &self->options) chain: gst_neva_model_loader_wait (&self->loader, &model)
 *   flush start / stop: gst_neva_model_loader_set_flushing (&loader, TRUE / …)
 *   PAUSED -> READY: gst_neva_model_loader_stop (&self->loader)
 */
#ifndef GST_NEVA_MODEL_H
#define GST_NEVA_MODEL_H

#include <gst/gst.h>
#include <neva/model.h>

G_BEGIN_DECLS

/* ---- Properties: model, base-model, vision-tower, lora, weights, device,
 * threads, context-length, kv-cache-bytes, api-key-file, timeout, retries,
 * tensor-parallel, pipeline-parallel.
 * Guarded by the element's object lock, which these functions take. */

typedef struct {
  char *path;                             /* NULL: none named */
  char *base_model, *vision_tower, *lora; /* NULL: none */
  char *device;
  NevaWeights weights;
  guint threads, context_length;
  guint64 kv_cache_bytes;
  char *key_file; /* NULL: none */
  guint timeout, retries;
  guint tensor_parallel, pipeline_parallel;
} GstNevaModelOptions;

/* Property ids that install () takes, from first_id on. */
#define GST_NEVA_MODEL_N_PROPERTIES 14

void gst_neva_model_options_install (GObjectClass *klass, guint first_id);
void gst_neva_model_options_init (GstNevaModelOptions *options);
void gst_neva_model_options_clear (GstNevaModelOptions *options);
/* which: property id - first_id. Returns: FALSE when it is none of these. */
gboolean gst_neva_model_options_set (GstNevaModelOptions *options,
    GstElement *element, guint which, const GValue *value);
gboolean gst_neva_model_options_get (const GstNevaModelOptions *options,
    GstElement *element, guint which, GValue *value);

#define GST_TYPE_NEVA_WEIGHTS (gst_neva_weights_get_type ())
GType gst_neva_weights_get_type (void);

/* ---- Loading ---- */

typedef struct _GstNevaModelLoad GstNevaModelLoad;

typedef struct {
  GstElement *element; /* not owned: the one that this is a part of */
  GMutex lock;
  GstNevaModelLoad *load; /* lock: between start and stop, if a path is named */
  gint flushing;          /* atomic */
} GstNevaModelLoader;

void gst_neva_model_loader_init (
    GstNevaModelLoader *loader, GstElement *element);
void gst_neva_model_loader_clear (GstNevaModelLoader *loader);

/* Begins loading on a thread. A path that is not there is reported at once: an
 * error message is posted and FALSE returned. Everything else that goes wrong
 * is posted, once, by the thread; of several elements of one pipeline that name
 * the same model, one posts. Without a path a model is looked for by GstContext
 * (neighbours, then the application); none being there is no error here. */
gboolean gst_neva_model_loader_start (
    GstNevaModelLoader *loader, GstNevaModelOptions *options);
/* Cancels waiters and, if nobody else waits for it, the load; gives the model
 * back. */
void gst_neva_model_loader_stop (GstNevaModelLoader *loader);

/* (transfer full): the model if it is there by now, else NULL. */
NevaModel *gst_neva_model_loader_peek (GstNevaModelLoader *loader);
/* Waits for the end of loading. GST_FLOW_OK: *model is a new reference, or NULL
 * when no model was named and no context has one. GST_FLOW_FLUSHING;
 * GST_FLOW_ERROR: the message was posted already. Any thread. */
GstFlowReturn gst_neva_model_loader_wait (
    GstNevaModelLoader *loader, NevaModel **model);
/* The same without waiting: GST_FLOW_OK and NULL while the model is loading. */
GstFlowReturn gst_neva_model_loader_try (
    GstNevaModelLoader *loader, NevaModel **model);
/* A model was named, here or by another element of the pipeline. */
gboolean gst_neva_model_loader_is_named (GstNevaModelLoader *loader);
/* TRUE wakes waiters and lets no other wait, until FALSE. */
void gst_neva_model_loader_set_flushing (
    GstNevaModelLoader *loader, gboolean flushing);

/* ---- GstContext "gst.neva.Model": field "model", GST_TYPE_NEVA_MODEL.
 * Posted by the element that loaded a model; taken by elements that name none.
 * An application may set one too. ---- */

#define GST_NEVA_MODEL_CONTEXT "gst.neva.Model"
#define GST_TYPE_NEVA_MODEL (gst_neva_model_get_type ())
GType gst_neva_model_get_type (void); /* boxed NevaModel */

/* ---- GstContext "gst.neva.Team": of a program that is several processes (see
 * neva/parallel.h). Fields "version", the engine's (string), and "team", a
 * NevaTeam or NULL (pointer): the processes that run this one's models. The
 * program sets it on the pipeline. Without it a process that a launcher of MPI
 * started runs its models alone, and a warning says so. ---- */

#define GST_NEVA_TEAM_CONTEXT "gst.neva.Team"

/* From query functions. Returns: TRUE when the query was answered. */
gboolean gst_neva_model_loader_query (
    GstNevaModelLoader *loader, GstQuery *query);

/* "neva-stats": a structure of neva_model_get_stats (), durations in ns.
 * model: may be NULL. (transfer full) */
GstStructure *gst_neva_model_stats (NevaModel *model);

G_END_DECLS

#endif /* GST_NEVA_MODEL_H */
