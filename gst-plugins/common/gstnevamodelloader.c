/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loading for elements. A GstNevaModelLoad is one load in one pipeline: several
 * elements that name the same model hold the same one, so its progress and its
 * failure are told once. It lives while an element that started it, or found
 * it, is not stopped. */
#include "config.h"
#include "gstnevamodel.h"
#include "gstnevaerror.h"
#include <neva/parallel.h>

#define PROGRESS_STEP 5 /* percent between two CONTINUE messages */

struct _GstNevaModelLoad {
  guint refs; /* loads_lock */
  char *key;
  gconstpointer pipeline; /* only compared */
  GstElement *element;    /* owned: speaks for the load */
  GstNevaModelOptions options;
  GCancellable *cancellable;
  GThread *thread;
  gint percent; /* last posted; the thread's */

  GMutex lock;
  GCond cond;
  gboolean done;    /* lock */
  NevaModel *model; /* lock; NULL after done: it failed */
};

static GMutex loads_lock;
static GHashTable *loads; /* key -> GstNevaModelLoad, not owned; loads_lock */

static void
post_progress (GstNevaModelLoad *load, GstProgressType type, const char *format)
{
  g_autofree char *name = g_path_get_basename (load->options.path);
  g_autofree char *text = g_strdup_printf (format, name);
  GstMessage *message = gst_message_new_progress (
      GST_OBJECT (load->element), type, "neva-model", text);

  gst_structure_set (gst_message_writable_structure (message), "percent",
      G_TYPE_INT, load->percent, NULL);
  gst_element_post_message (load->element, message);
}

static void
on_progress (double fraction, gpointer user_data)
{
  GstNevaModelLoad *load = user_data;
  const gint percent = (gint) (fraction * 100);

  if (percent < load->percent + PROGRESS_STEP || percent >= 100)
    return;
  load->percent = percent;
  post_progress (load, GST_PROGRESS_TYPE_CONTINUE, "Loading %s");
}

/* So that others in the pipeline find the model. */
static void
publish (GstElement *element, NevaModel *model)
{
  GstContext *context = gst_context_new (GST_NEVA_MODEL_CONTEXT, FALSE);

  gst_structure_set (gst_context_writable_structure (context), "model",
      GST_TYPE_NEVA_MODEL, model, NULL);
  gst_element_set_context (element, context);
  gst_element_post_message (
      element, gst_message_new_have_context (GST_OBJECT (element), context));
}

static void
finish (GstNevaModelLoad *load, NevaModel *model)
{
  g_mutex_lock (&load->lock);
  load->model = model;
  load->done = TRUE;
  g_cond_broadcast (&load->cond);
  g_mutex_unlock (&load->lock);
}

static void
warn_alone (GstElement *element)
{
  static gint warned; /* atomic */

  if (neva_parallel_launched () && neva_parallel_launched_rank () == 0 &&
      g_atomic_int_compare_and_exchange (&warned, FALSE, TRUE))
    GST_ELEMENT_WARNING (element, LIBRARY, SETTINGS,
        ("This is one of several processes, and elements do not share work or "
         "models among processes: each runs its whole pipeline alone. "
         "neva-caption and neva-eval share them"),
        (NULL));
}

/* Whom the program lets run its models. */
static gboolean
find_team (GstElement *element, GError **error)
{
  g_autoptr (GstContext) context =
      gst_element_get_context (element, GST_NEVA_TEAM_CONTEXT);
  const GstStructure *s;
  gpointer team = NULL;

  if (!context) {
    warn_alone (element);
    return TRUE;
  }
  s = gst_context_get_structure (context);
  if (g_strcmp0 (gst_structure_get_string (s, "version"), NEVA_VERSION) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "the program is version %s, the plugin " NEVA_VERSION
        ": they cannot share processes",
        gst_structure_get_string (s, "version"));
    return FALSE;
  }
  gst_structure_get (s, "team", G_TYPE_POINTER, &team, NULL);
  neva_parallel_use_team (team);
  return TRUE;
}

/* Once for all elements that share it. */
static void
warn_of (GstElement *element, NevaModel *model)
{
  const char *notice = neva_model_get_info (model)->notice;

  if (notice)
    GST_ELEMENT_WARNING (element, RESOURCE, NOT_FOUND, ("%s", notice), (NULL));
}

static gpointer
load_thread (gpointer data)
{
  GstNevaModelLoad *load = data;
  const GstNevaModelOptions *o = &load->options;
  const NevaModelOptions options = {.base_model = o->base_model,
      .vision_tower = o->vision_tower,
      .lora = o->lora,
      .weights = o->weights,
      .device = o->device,
      .threads = o->threads,
      .context_length = o->context_length,
      .kv_cache_bytes = o->kv_cache_bytes,
      .key_file = o->key_file,
      .timeout_s = o->timeout,
      .retries = o->retries ? (gint) o->retries : -1,
      .tensor_parallel = o->tensor_parallel,
      .pipeline_parallel = o->pipeline_parallel};
  g_autoptr (GError) error = NULL;
  NevaModel *model = NULL;

  post_progress (load, GST_PROGRESS_TYPE_START, "Loading %s");
  if (find_team (load->element, &error))
    model = neva_model_open (
        o->path, &options, on_progress, load, load->cancellable, &error);
  if (model) {
    publish (load->element, model);
    warn_of (load->element, model);
    finish (load, model);
    load->percent = 100;
    post_progress (load, GST_PROGRESS_TYPE_COMPLETE, "Loaded %s");
  } else if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED)) {
    finish (load, NULL);
    post_progress (load, GST_PROGRESS_TYPE_CANCELED, "Loading of %s cancelled");
  } else {
    /* Told before anybody fails because of it. */
    post_progress (load, GST_PROGRESS_TYPE_ERROR, "Cannot load %s");
    gst_neva_post_error (load->element, "Cannot load the model", error);
    finish (load, NULL);
  }
  return NULL;
}

static GstNevaModelLoad *
load_ref (GstNevaModelLoad *load)
{
  g_mutex_lock (&loads_lock);
  load->refs++;
  g_mutex_unlock (&loads_lock);
  return load;
}

static void
load_unref (GstNevaModelLoad *load)
{
  gboolean last;

  g_mutex_lock (&loads_lock);
  last = --load->refs == 0;
  if (last) {
    g_hash_table_remove (loads, load->key);
    if (g_hash_table_size (loads) == 0)
      g_clear_pointer (&loads, g_hash_table_unref);
  }
  g_mutex_unlock (&loads_lock);
  if (!last)
    return;

  g_cancellable_cancel (load->cancellable);
  g_thread_join (load->thread);
  g_clear_pointer (&load->model, neva_model_unref);
  gst_neva_model_options_clear (&load->options);
  g_object_unref (load->cancellable);
  gst_object_unref (load->element);
  g_mutex_clear (&load->lock);
  g_cond_clear (&load->cond);
  g_free (load->key);
  g_free (load);
}

/* What the element is part of; only to be compared. */
static gconstpointer
pipeline_of (GstElement *element)
{
  GstObject *top = gst_object_ref (GST_OBJECT (element)), *parent;

  while ((parent = gst_object_get_parent (top))) {
    gst_object_unref (top);
    top = parent;
  }
  gst_object_unref (top);
  return top;
}

static char *
make_key (gconstpointer pipeline, const GstNevaModelOptions *o)
{
  return g_strdup_printf ("%p|%s|%s|%s|%s|%d|%s|%u|%" G_GUINT64_FORMAT
                          "|%s|%u|%u|%ux%u",
      pipeline, o->path, o->base_model ? o->base_model : "",
      o->vision_tower ? o->vision_tower : "", o->lora ? o->lora : "",
      (int) o->weights, o->device ? o->device : "cpu", o->context_length,
      o->kv_cache_bytes, o->key_file ? o->key_file : "", o->timeout, o->retries,
      o->tensor_parallel, o->pipeline_parallel);
}

/* Takes the options. */
static GstNevaModelLoad *
find_or_start (GstElement *element, GstNevaModelOptions *options)
{
  gconstpointer pipeline = pipeline_of (element);
  char *key = make_key (pipeline, options);
  GstNevaModelLoad *load;

  g_mutex_lock (&loads_lock);
  if (!loads)
    loads = g_hash_table_new (g_str_hash, g_str_equal);
  load = g_hash_table_lookup (loads, key);
  if (load) {
    load->refs++;
    g_free (key);
    gst_neva_model_options_clear (options);
  } else {
    load = g_new0 (GstNevaModelLoad, 1);
    load->refs = 1;
    load->key = key;
    load->pipeline = pipeline;
    load->element = gst_object_ref (element);
    load->options = *options;
    load->cancellable = g_cancellable_new ();
    g_mutex_init (&load->lock);
    g_cond_init (&load->cond);
    g_hash_table_insert (loads, load->key, load);
    load->thread = g_thread_new ("neva-load", load_thread, load);
  }
  g_mutex_unlock (&loads_lock);
  return load;
}

void
gst_neva_model_loader_init (GstNevaModelLoader *loader, GstElement *element)
{
  *loader = (GstNevaModelLoader){.element = element};
  g_mutex_init (&loader->lock);
}

void
gst_neva_model_loader_clear (GstNevaModelLoader *loader)
{
  gst_neva_model_loader_stop (loader);
  g_mutex_clear (&loader->lock);
}

gboolean
gst_neva_model_loader_start (
    GstNevaModelLoader *loader, GstNevaModelOptions *options)
{
  GstElement *element = loader->element;
  GstNevaModelOptions copy;

  g_atomic_int_set (&loader->flushing, FALSE);
  GST_OBJECT_LOCK (element);
  copy = *options;
  copy.path = g_strdup (options->path);
  copy.base_model = g_strdup (options->base_model);
  copy.vision_tower = g_strdup (options->vision_tower);
  copy.lora = g_strdup (options->lora);
  copy.device = g_strdup (options->device);
  copy.key_file = g_strdup (options->key_file);
  GST_OBJECT_UNLOCK (element);

  if (!copy.path || !*copy.path) {
    gst_neva_model_options_clear (&copy);
    return TRUE;
  }
  if (neva_model_is_path (copy.path) &&
      !g_file_test (copy.path, G_FILE_TEST_EXISTS)) {
    g_autoptr (GError) error = g_error_new (
        NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "there is no model '%s'", copy.path);

    gst_neva_post_error (element, NULL, error);
    gst_neva_model_options_clear (&copy);
    return FALSE;
  }

  g_mutex_lock (&loader->lock);
  if (loader->load)
    gst_neva_model_options_clear (&copy);
  else
    loader->load = find_or_start (element, &copy);
  g_mutex_unlock (&loader->lock);
  return TRUE;
}

/* (transfer full) or NULL */
static GstNevaModelLoad *
get_load (GstNevaModelLoader *loader)
{
  GstNevaModelLoad *load;

  g_mutex_lock (&loader->lock);
  load = loader->load ? load_ref (loader->load) : NULL;
  g_mutex_unlock (&loader->lock);
  return load;
}

void
gst_neva_model_loader_set_flushing (
    GstNevaModelLoader *loader, gboolean flushing)
{
  GstNevaModelLoad *load = get_load (loader);

  g_atomic_int_set (&loader->flushing, flushing);
  if (load) {
    g_mutex_lock (&load->lock);
    g_cond_broadcast (&load->cond);
    g_mutex_unlock (&load->lock);
    load_unref (load);
  }
}

void
gst_neva_model_loader_stop (GstNevaModelLoader *loader)
{
  GstNevaModelLoad *load;

  gst_neva_model_loader_set_flushing (loader, TRUE);
  g_mutex_lock (&loader->lock);
  load = g_steal_pointer (&loader->load);
  g_mutex_unlock (&loader->lock);
  if (load)
    load_unref (load);
}

static NevaModel *
model_of_context (GstContext *context)
{
  NevaModel *model = NULL;

  if (context)
    gst_structure_get (gst_context_get_structure (context), "model",
        GST_TYPE_NEVA_MODEL, &model, NULL);
  return model;
}

static gboolean
query_peer (GstElement *element, GstPad *pad, gpointer user_data)
{
  GstQuery *query = gst_query_new_context (GST_NEVA_MODEL_CONTEXT);
  GstContext *context = NULL;

  if (gst_pad_peer_query (pad, query)) {
    gst_query_parse_context (query, &context);
    if (context)
      gst_element_set_context (element, context);
  }
  gst_query_unref (query);
  return context == NULL;
}

/* What the element was given, else its neighbours, else the application. */
static NevaModel *
find_by_context (GstElement *element)
{
  GstContext *context =
      gst_element_get_context (element, GST_NEVA_MODEL_CONTEXT);
  NevaModel *model;

  if (!context) {
    if (gst_element_foreach_pad (element, query_peer, NULL))
      gst_element_post_message (
          element, gst_message_new_need_context (
                       GST_OBJECT (element), GST_NEVA_MODEL_CONTEXT));
    context = gst_element_get_context (element, GST_NEVA_MODEL_CONTEXT);
  }
  model = model_of_context (context);
  if (context)
    gst_context_unref (context);
  return model;
}

NevaModel *
gst_neva_model_loader_peek (GstNevaModelLoader *loader)
{
  GstNevaModelLoad *load = get_load (loader);
  NevaModel *model = NULL;

  if (!load)
    return NULL;
  g_mutex_lock (&load->lock);
  if (load->model)
    model = neva_model_ref (load->model);
  g_mutex_unlock (&load->lock);
  load_unref (load);
  return model;
}

/* An element that names no model waits for the one that another element of its
 * pipeline is loading, if it is only one. */
static gboolean
adopt_load (GstNevaModelLoader *loader)
{
  gconstpointer pipeline = pipeline_of (loader->element);
  GstNevaModelLoad *found = NULL, *load;
  gboolean adopted;
  GHashTableIter iter;
  guint n = 0;

  g_mutex_lock (&loads_lock);
  if (loads) {
    g_hash_table_iter_init (&iter, loads);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &load))
      if (load->pipeline == pipeline) {
        found = load;
        n++;
      }
  }
  if (n == 1)
    found->refs++;
  g_mutex_unlock (&loads_lock);
  if (n != 1)
    return FALSE;

  g_mutex_lock (&loader->lock);
  adopted = !loader->load && !g_atomic_int_get (&loader->flushing);
  if (adopted)
    loader->load = found;
  g_mutex_unlock (&loader->lock);
  if (!adopted)
    load_unref (found);
  return adopted;
}

static GstFlowReturn
get_model (GstNevaModelLoader *loader, gboolean wait, NevaModel **model)
{
  GstNevaModelLoad *load = get_load (loader);
  GstFlowReturn ret = GST_FLOW_OK;

  *model = NULL;
  if (!load) {
    if (g_atomic_int_get (&loader->flushing))
      return GST_FLOW_FLUSHING;
    *model = find_by_context (loader->element);
    if (*model || !adopt_load (loader))
      return GST_FLOW_OK;
    load = get_load (loader);
    if (!load)
      return GST_FLOW_FLUSHING;
  }

  g_mutex_lock (&load->lock);
  while (wait && !load->done && !g_atomic_int_get (&loader->flushing))
    g_cond_wait (&load->cond, &load->lock);
  if (g_atomic_int_get (&loader->flushing))
    ret = GST_FLOW_FLUSHING;
  else if (load->model)
    *model = neva_model_ref (load->model);
  else if (load->done)
    ret = GST_FLOW_ERROR;
  g_mutex_unlock (&load->lock);
  load_unref (load);
  return ret;
}

GstFlowReturn
gst_neva_model_loader_wait (GstNevaModelLoader *loader, NevaModel **model)
{
  return get_model (loader, TRUE, model);
}

GstFlowReturn
gst_neva_model_loader_try (GstNevaModelLoader *loader, NevaModel **model)
{
  return get_model (loader, FALSE, model);
}

gboolean
gst_neva_model_loader_is_named (GstNevaModelLoader *loader)
{
  gboolean named;

  g_mutex_lock (&loader->lock);
  named = loader->load != NULL;
  g_mutex_unlock (&loader->lock);
  return named;
}

gboolean
gst_neva_model_loader_query (GstNevaModelLoader *loader, GstQuery *query)
{
  const char *type;
  GstContext *context;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT ||
      !gst_query_parse_context_type (query, &type) ||
      g_strcmp0 (type, GST_NEVA_MODEL_CONTEXT) != 0)
    return FALSE;
  context = gst_element_get_context (loader->element, GST_NEVA_MODEL_CONTEXT);
  if (!context)
    return FALSE;
  gst_query_set_context (query, context);
  gst_context_unref (context);
  return TRUE;
}
