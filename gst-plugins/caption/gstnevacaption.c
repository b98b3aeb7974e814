/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-nevacaption
 * @title: nevacaption
 * @see_also: nevaframesampler, nevaencoder, nevallm
 *
 * Captions video: the three elements in one.
 *
 * |[
 *  sink -> queue -> nevaframesampler -> nevaencoder -> queue -> nevallm -> src
 *                   (output=all)                                      \-> text
 * ]|
 *
 * All properties of the three are the bin's own; what several have under the
 * same name and type (the model and its options) goes to all of them. The
 * children, named sampler, encoder and llm, are reached as usual: `sampler::…`.
 * Captions leave as metas on the video, as element messages, and as text on the
 * request pad `text`.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=v.mp4 ! decodebin ! videoconvert !
 *     nevacaption model=models/demo window=4000000000 name=c ! textoverlay
 * name=o ! videoconvert ! autovideosink c.text ! queue ! o.text_sink
 * ]|
 */
#include "config.h"
#include "gstnevacaption.h"
#include "encoder/gstnevaencoder.h"
#include "framesampler/gstnevaframesampler.h"
#include "llm/gstnevallm.h"

/* Pictures that wait between two threads. Few: they are big, and what decides
 * about dropping is inside the elements, not here. */
#define QUEUE_BUFFERS 8

enum { PROP_0, PROP_STATS, PROP_FIRST };

/* In the order in which a name is looked for. */
enum { LLM, SAMPLER, ENCODER, N_PARTS };

struct _GstNevaCaption {
  GstBin parent;

  GstElement *parts[N_PARTS]; /* owned by the bin */
  const char *missing;        /* factory that is not there, or NULL */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(ANY); "
                     "text/x-raw, format = (string) { utf8, pango-markup }"));
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE ("text",
    GST_PAD_SRC, GST_PAD_REQUEST,
    GST_STATIC_CAPS ("text/x-raw, format = (string) { utf8, pango-markup }"));
static GstStaticPadTemplate prompt_template = GST_STATIC_PAD_TEMPLATE (
    "text_%s", GST_PAD_SRC, GST_PAD_REQUEST,
    GST_STATIC_CAPS ("text/x-raw, format = (string) { utf8, pango-markup }"));

G_DEFINE_TYPE (GstNevaCaption, gst_neva_caption, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE (
    nevacaption, "nevacaption", GST_RANK_NONE, GST_TYPE_NEVA_CAPTION)

static GType
part_type (guint part)
{
  switch (part) {
    case LLM:
      return GST_TYPE_NEVA_LLM;
    case SAMPLER:
      return GST_TYPE_NEVA_FRAME_SAMPLER;
    default:
      return GST_TYPE_NEVA_ENCODER;
  }
}

/* ---- Properties --------------------------------------------------------- */

/* A property belongs to one class only, so the bin's are copies. */
static GParamSpec *
copy_spec (GParamSpec *spec)
{
  const char *name = spec->name, *nick = g_param_spec_get_nick (spec),
             *blurb = g_param_spec_get_blurb (spec);
  const GParamFlags flags = spec->flags;

#define COPY_NUMBER(TYPE, function)                                            \
  if (G_IS_PARAM_SPEC_##TYPE (spec)) {                                         \
    const typeof (*G_PARAM_SPEC_##TYPE (spec)) *s =                            \
        G_PARAM_SPEC_##TYPE (spec);                                            \
    return function (                                                          \
        name, nick, blurb, s->minimum, s->maximum, s->default_value, flags);   \
  }
  COPY_NUMBER (INT, g_param_spec_int)
  COPY_NUMBER (UINT, g_param_spec_uint)
  COPY_NUMBER (UINT64, g_param_spec_uint64)
  COPY_NUMBER (DOUBLE, g_param_spec_double)
#undef COPY_NUMBER

  if (G_IS_PARAM_SPEC_STRING (spec))
    return g_param_spec_string (
        name, nick, blurb, G_PARAM_SPEC_STRING (spec)->default_value, flags);
  if (G_IS_PARAM_SPEC_BOOLEAN (spec))
    return g_param_spec_boolean (
        name, nick, blurb, G_PARAM_SPEC_BOOLEAN (spec)->default_value, flags);
  if (G_IS_PARAM_SPEC_ENUM (spec))
    return g_param_spec_enum (name, nick, blurb, spec->value_type,
        G_PARAM_SPEC_ENUM (spec)->default_value, flags);
  if (GST_IS_PARAM_SPEC_ARRAY_LIST (spec))
    return gst_param_spec_array (name, nick, blurb,
        GST_PARAM_SPEC_ARRAY_LIST (spec)->element_spec
            ? g_param_spec_string (name, nick, blurb, NULL, flags)
            : NULL,
        flags);
  return NULL;
}

static void
install_part_properties (GObjectClass *klass, guint part, guint *next_id)
{
  GObjectClass *of_part = g_type_class_ref (part_type (part));
  g_autofree GParamSpec **specs = NULL;
  guint n = 0;

  specs = g_object_class_list_properties (of_part, &n);
  for (guint i = 0; i < n; i++) {
    GParamSpec *copy;

    /* Those of GstObject are the bin's already; `frames` is decided here. */
    if (g_object_class_find_property (klass, specs[i]->name) ||
        (part == ENCODER && g_str_equal (specs[i]->name, "frames")))
      continue;
    copy = copy_spec (specs[i]);
    if (copy)
      g_object_class_install_property (klass, (*next_id)++, copy);
  }
  g_type_class_unref (of_part);
}

static gboolean
has_property (GstElement *part, const GParamSpec *spec)
{
  const GParamSpec *of_part = part ? g_object_class_find_property (
                                         G_OBJECT_GET_CLASS (part), spec->name)
                                   : NULL;

  return of_part && of_part->value_type == spec->value_type;
}

static void
gst_neva_caption_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNevaCaption *self = GST_NEVA_CAPTION (object);

  for (guint i = 0; i < N_PARTS; i++)
    if (has_property (self->parts[i], pspec))
      g_object_set_property (G_OBJECT (self->parts[i]), pspec->name, value);
}

static GstStructure *
part_stats (GstElement *part)
{
  GstStructure *stats = NULL;

  if (part)
    g_object_get (part, "stats", &stats, NULL);
  return stats ? stats : gst_structure_new_empty ("none");
}

static void
gst_neva_caption_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNevaCaption *self = GST_NEVA_CAPTION (object);

  if (id == PROP_STATS) {
    GstStructure *sampler = part_stats (self->parts[SAMPLER]);
    GstStructure *encoder = part_stats (self->parts[ENCODER]);
    GstStructure *llm = part_stats (self->parts[LLM]);

    g_value_take_boxed (
        value, gst_structure_new ("neva-caption-stats", "sampler",
                   GST_TYPE_STRUCTURE, sampler, "encoder", GST_TYPE_STRUCTURE,
                   encoder, "llm", GST_TYPE_STRUCTURE, llm, NULL));
    gst_structure_free (sampler);
    gst_structure_free (encoder);
    gst_structure_free (llm);
    return;
  }
  for (guint i = 0; i < N_PARTS; i++)
    if (has_property (self->parts[i], pspec)) {
      g_object_get_property (G_OBJECT (self->parts[i]), pspec->name, value);
      return;
    }
}

/* ---- The text pad ------------------------------------------------------- */

static GstPad *
gst_neva_caption_request_new_pad (GstElement *element, GstPadTemplate *template,
    const char *name, const GstCaps *caps)
{
  GstNevaCaption *self = GST_NEVA_CAPTION (element);
  GstPad *target, *ghost;

  /* A pad of one prompt's answers is `text_` and its id. */
  if (g_str_equal (GST_PAD_TEMPLATE_NAME_TEMPLATE (template), "text"))
    name = "text";
  if (!self->parts[LLM] || !name)
    return NULL;
  /* The pad behind pushes at once, and whom it pushes to must be awake. */
  ghost = gst_ghost_pad_new_no_target_from_template (name, template);
  gst_pad_set_active (ghost, GST_STATE (element) > GST_STATE_READY);
  target = gst_element_request_pad_simple (self->parts[LLM], name);
  if (!target) {
    gst_object_unref (gst_object_ref_sink (ghost));
    return NULL;
  }
  gst_element_add_pad (element, ghost);
  gst_ghost_pad_set_target (GST_GHOST_PAD (ghost), target);
  gst_object_unref (target);
  return ghost;
}

static void
gst_neva_caption_release_pad (GstElement *element, GstPad *pad)
{
  GstNevaCaption *self = GST_NEVA_CAPTION (element);
  GstPad *target = gst_ghost_pad_get_target (GST_GHOST_PAD (pad));

  gst_ghost_pad_set_target (GST_GHOST_PAD (pad), NULL);
  if (target) {
    gst_element_release_request_pad (self->parts[LLM], target);
    gst_object_unref (target);
  }
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
}

/* ---- The bin ------------------------------------------------------------ */

static GstStateChangeReturn
gst_neva_caption_change_state (GstElement *element, GstStateChange transition)
{
  GstNevaCaption *self = GST_NEVA_CAPTION (element);

  if (self->missing) {
    GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
        ("The element '%s' is missing.", self->missing), (NULL));
    return GST_STATE_CHANGE_FAILURE;
  }
  return GST_ELEMENT_CLASS (gst_neva_caption_parent_class)
      ->change_state (element, transition);
}

static GstElement *
add (GstNevaCaption *self, const char *factory, const char *name)
{
  GstElement *element = gst_element_factory_make (factory, name);

  if (!element)
    self->missing = factory;
  else
    gst_bin_add (GST_BIN (self), element);
  return element;
}

static GstElement *
add_queue (GstNevaCaption *self, const char *name)
{
  GstElement *queue = add (self, "queue", name);

  if (queue)
    g_object_set (queue, "max-size-buffers", QUEUE_BUFFERS, "max-size-bytes", 0,
        "max-size-time", G_GUINT64_CONSTANT (0), NULL);
  return queue;
}

static void
add_ghost (
    GstNevaCaption *self, GstElement *child, GstStaticPadTemplate *template)
{
  GstPad *target = gst_element_get_static_pad (child, template->name_template);
  GstPadTemplate *t = gst_static_pad_template_get (template);

  gst_element_add_pad (GST_ELEMENT (self),
      gst_ghost_pad_new_from_template (template->name_template, target, t));
  gst_object_unref (t);
  gst_object_unref (target);
}

static void
gst_neva_caption_init (GstNevaCaption *self)
{
  GstElement *in = add_queue (self, "in"), *out = add_queue (self, "encoded");
  GstElement *sampler, *encoder, *llm;

  sampler = self->parts[SAMPLER] = add (self, "nevaframesampler", "sampler");
  encoder = self->parts[ENCODER] = add (self, "nevaencoder", "encoder");
  llm = self->parts[LLM] = add (self, "nevallm", "llm");
  if (self->missing)
    return;

  /* The video goes on, and only what the sampler chose is encoded. */
  gst_util_set_object_arg (G_OBJECT (sampler), "output", "all");
  gst_util_set_object_arg (G_OBJECT (encoder), "frames", "marked");
  gst_element_link_many (in, sampler, encoder, out, llm, NULL);
  add_ghost (self, in, &sink_template);
  add_ghost (self, llm, &src_template);
}

static void
gst_neva_caption_forget (GstNevaCaption *self)
{
  if (self->parts[LLM])
    g_signal_emit_by_name (self->parts[LLM], "forget");
}

static void
gst_neva_caption_class_init (GstNevaCaptionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  guint next_id = PROP_FIRST;

  object_class->set_property = gst_neva_caption_set_property;
  object_class->get_property = gst_neva_caption_get_property;
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "The statistics of the three elements", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  for (guint i = 0; i < N_PARTS; i++)
    install_part_properties (object_class, i, &next_id);
  /**
   * GstNevaCaption::forget:
   *
   * The signal of nevallm.
   */
  g_signal_new_class_handler ("forget", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (gst_neva_caption_forget),
      NULL, NULL, NULL, G_TYPE_NONE, 0);

  element_class->change_state = gst_neva_caption_change_state;
  element_class->request_new_pad = gst_neva_caption_request_new_pad;
  element_class->release_pad = gst_neva_caption_release_pad;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template (element_class, &text_template);
  gst_element_class_add_static_pad_template (element_class, &prompt_template);
  gst_element_class_set_static_metadata (element_class, "NeVA captions",
      "Filter/Analyzer/Video",
      "Describes video in words by a vision-language model",
      "The NeVA for GStreamer authors");
}
