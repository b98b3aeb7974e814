/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaencoder region=roi and nevallm: a caption for every object that upstream
 * has found, related to it. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <string.h>
#include "gstnevacaptionmeta.h"
#include "gstnevaregion.h"
#include "gstnevasamplemeta.h"
#if HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define WIDTH 64
#define HEIGHT 48
#define BYTES (WIDTH * HEIGHT * 3 / 2)
#define CAPS "video/x-raw,format=NV12,width=64,height=48,framerate=10/1"
#define FRAME (GST_SECOND / 10)

typedef struct {
  GstHarness *h;
  GstBus *bus;
  guint next;
} Regions;

static Regions
start (const char *sampler, const char *encoder, const char *llm)
{
  g_autofree char *line = g_strdup_printf (
      "nevaframesampler mode=first %s ! nevaencoder region=roi overflow=block "
      "%s ! nevallm overflow=block %s",
      sampler, encoder, llm);
  Regions r = {gst_harness_new_parse (line), gst_bus_new (), 0};

  gst_element_set_state (r.h->element, GST_STATE_NULL);
  gst_element_set_bus (r.h->element, r.bus);
  gst_element_set_state (r.h->element, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (r.h, CAPS);
  return r;
}

static void
stop (Regions *r)
{
  gst_element_set_bus (r->h->element, NULL);
  gst_bus_set_flushing (r->bus, TRUE);
  gst_object_unref (r->bus);
  gst_harness_teardown (r->h);
}

static GstBuffer *
frame (Regions *r)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, BYTES, NULL);

  gst_buffer_memset (buffer, 0, 0x40, BYTES);
  GST_BUFFER_PTS (buffer) = r->next++ * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  return buffer;
}

static void
add (GstBuffer *buffer, const char *label, gint id, guint x, guint y, guint w,
    guint h)
{
  gst_buffer_add_video_region_of_interest_meta (buffer, label, x, y, w, h)->id =
      id;
}

static void
finish (Regions *r)
{
  gst_harness_push_event (r->h, gst_event_new_eos ());
}

/* What the bus has said: "label@x,y:text|…" of the captions, in order, and
 * "!text|" of warnings and errors. */
static char *
said (Regions *r)
{
  GString *s = g_string_new (NULL);
  GstMessage *m;

  while ((m = gst_bus_pop (r->bus))) {
    const GstStructure *c = gst_message_get_structure (m);
    g_autoptr (GError) error = NULL;
    gint64 x = -1, y = -1;

    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, NULL);
    else if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING)
      gst_message_parse_warning (m, &error, NULL);
    if (error)
      g_string_append_printf (s, "!%s|", error->message);
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ELEMENT &&
        gst_structure_has_name (c, "neva-caption")) {
      gst_structure_get_int64 (c, "region-x", &x);
      gst_structure_get_int64 (c, "region-y", &y);
      g_string_append_printf (s,
          "%s@%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ":%s|",
          gst_structure_get_string (c, "region-type"), x, y,
          gst_structure_get_string (c, "text"));
    }
    gst_message_unref (m);
  }
  return g_string_free (s, FALSE);
}

static guint64
stat (Regions *r, const char *factory, const char *field)
{
  GstElement *e = gst_harness_find_element (r->h, factory);
  GstStructure *s = NULL;
  guint64 value = G_MAXUINT64;

  g_object_get (e, "stats", &s, NULL);
  fail_unless (gst_structure_get_uint64 (s, field, &value), "%s", field);
  gst_structure_free (s);
  gst_object_unref (e);
  return value;
}

#define SECOND "window=1000000000"

GST_START_TEST (test_each_object_has_a_caption)
{
  Regions r =
      start (SECOND, "model=fake:echo", "prompt=\"A {object} of {objects}?\"");
  g_autofree char *got = NULL;
  GstBuffer *b = frame (&r);

  add (b, "person", 7, 4, 6, 20, 30);
  add (b, "car", 8, 30, 10, 30, 20);
  gst_harness_push (r.h, b);
  finish (&r);
  got = said (&r);
  fail_unless_equals_string (got,
      "person@4,6:prompt=A person of person (x 4, y 6, width 20, height 30), "
      "car (x 30, y 10, width 30, height 20)?; frames=1; times=0.000|"
      "car@30,10:prompt=A car of person (x 4, y 6, width 20, height 30), "
      "car (x 30, y 10, width 30, height 20)?; frames=1; times=0.000|");
  fail_unless_equals_uint64 (stat (&r, "nevaencoder", "regions"), 2);
  stop (&r);
}
GST_END_TEST;

/* A fake model sees a picture's first pixel, and the gate whether that changes:
 * in the crop, here, and not in the frame. */
GST_START_TEST (test_the_crop_is_the_picture)
{
  Regions r =
      start ("window=100000000", "gate=embedding model=fake:x", "output=meta");
  static const guint8 lumas[] = {0x40, 0xc0, 0xc0, 0x40};

  for (guint i = 0; i < G_N_ELEMENTS (lumas); i++) {
    GstBuffer *b = frame (&r);

    for (gsize y = 10; y < 30; y++)
      gst_buffer_memset (b, y * WIDTH + 20, lumas[i], 16);
    add (b, "car", 1, 20, 10, 16, 20);
    gst_harness_push (r.h, b);
  }
  finish (&r);
  fail_unless_equals_uint64 (stat (&r, "nevaencoder", "windows"), 4);
  fail_unless_equals_uint64 (stat (&r, "nevaencoder", "windows-gated"), 1);
  fail_unless_equals_uint64 (stat (&r, "nevallm", "captions"), 3);
  stop (&r);
}
GST_END_TEST;

GST_START_TEST (test_the_largest_are_kept_and_others_counted)
{
  Regions r = start (SECOND, "max-regions=2 model=fake:x", "");
  g_autofree char *got = NULL;
  GstBuffer *b = frame (&r);

  add (b, "a", 1, 0, 0, 8, 8);
  add (b, "b", 2, 2, 0, 20, 20);
  add (b, "c", 3, 4, 0, 10, 10);
  add (b, "d", 4, 6, 0, 30, 30);
  gst_harness_push (r.h, b);
  finish (&r);
  got = said (&r);
  fail_unless_equals_string (got, "b@2,0:x|d@6,0:x|");
  fail_unless_equals_uint64 (stat (&r, "nevaencoder", "regions-dropped"), 2);
  stop (&r);
}
GST_END_TEST;

GST_START_TEST (test_boxes_outside_are_one_warning)
{
  Regions r = start (SECOND, "max-regions=9 model=fake:x", "");
  g_autofree char *got = NULL;
  GstBuffer *b = frame (&r);

  add (b, "empty", 1, 10, 10, 0, 5);
  add (b, "flat", 2, 10, 10, 5, 0);
  add (b, "far", 3, G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT);
  add (b, "beside", 4, WIDTH, 0, 5, 5);
  add (b, "below", 5, 0, HEIGHT, 5, 5);
  add (b, "huge", 6, 0, 0, G_MAXUINT, G_MAXUINT);
  add (b, "pixel", 7, WIDTH - 1, HEIGHT - 1, 1, 1);
  gst_harness_push (r.h, b);
  finish (&r);
  got = said (&r);
  fail_unless (g_str_has_prefix (got, "!The object 'empty' (id 1) at 10,10"));
  fail_unless (
      g_str_has_suffix (got, ".|huge@0,0:x|pixel@63,47:x|"), "%s", got);
  fail_unless (strchr (got + 1, '!') == NULL);
  fail_unless_equals_uint64 (stat (&r, "nevaencoder", "regions-outside"), 5);
  stop (&r);
}
GST_END_TEST;

GST_START_TEST (test_without_objects_there_is_no_caption)
{
  Regions r = start (SECOND, "model=fake:x", "output=text");

  for (guint i = 0; i < 21; i++)
    gst_harness_push (r.h, frame (&r));
  finish (&r);
  fail_unless (gst_bus_pop_filtered (r.bus, GST_MESSAGE_ELEMENT) == NULL);
  fail_unless_equals_uint64 (stat (&r, "nevallm", "without-objects"), 3);
  fail_unless_equals_uint64 (stat (&r, "nevallm", "answers"), 0);
  stop (&r);
}
GST_END_TEST;

GST_START_TEST (test_the_prompt_names_what_was_found)
{
  GstHarness *h = gst_harness_new_parse (
      "nevaframesampler mode=first ! nevallm overflow=block model=fake:echo "
      "prompt=\"Seen: {objects}.\"");
  Regions r = {h, gst_bus_new (), 0};
  GstBuffer *b;
  GstMessage *m;

  gst_element_set_bus (h->element, r.bus);
  gst_harness_set_src_caps_str (h, CAPS);
  b = frame (&r);
  add (b, "dog", 3, 1, 2, 3, 4);
  gst_harness_push (h, b);
  finish (&r);
  m = gst_bus_pop_filtered (r.bus, GST_MESSAGE_ELEMENT);
  fail_unless (m != NULL);
  fail_unless_equals_string (
      gst_structure_get_string (gst_message_get_structure (m), "prompt"),
      "Seen: dog (x 1, y 2, width 3, height 4).");
  fail_if (
      gst_structure_has_field (gst_message_get_structure (m), "region-type"));
  gst_message_unref (m);
  stop (&r);
}
GST_END_TEST;

/* The text of the parameter that an object's meta has got, or NULL. */
static const char *
related (GstBuffer *b, gint id)
{
  GstVideoRegionOfInterestMeta *meta =
      gst_buffer_get_video_region_of_interest_meta_id (b, id);
  GstStructure *s =
      meta ? gst_video_region_of_interest_meta_get_param (meta, "neva-caption")
           : NULL;

  return s ? gst_structure_get_string (s, "text") : NULL;
}

GST_START_TEST (test_captions_are_related_to_their_objects)
{
  Regions r = start (SECOND " output=all", "model=fake:echo",
      "timing=aligned prompt={object}");
  GstBuffer *b;
  guint n = 0;

  for (guint i = 0; i < 10; i++) {
    b = frame (&r);
    /* Two of a kind; both walk; the second is not numbered by anybody. */
    add (b, "person", 5, 2 + i, 4, 16, 30);
    add (b, "person", 6, 36 - i, 4, 16, 30);
    gst_harness_push (r.h, b);
  }
  finish (&r);
  while (n < 10 && (b = gst_harness_pull (r.h))) {
    fail_unless (g_str_has_prefix (related (b, 5), "prompt=person"));
    fail_unless (g_str_has_prefix (related (b, 6), "prompt=person"));
    n++;
    gst_buffer_unref (b);
  }
  stop (&r);
}
GST_END_TEST;

GST_START_TEST (test_likeness)
{
  GstNevaRegion *a = gst_neva_region_new ("cat", 0, 0, 10, 10);
  GstNevaRegion *same = gst_neva_region_new ("cat", 0, 0, 10, 10);
  GstNevaRegion *near = gst_neva_region_new ("cat", 2, 0, 10, 10);
  GstNevaRegion *by_id = gst_neva_region_new ("cat", 9, 9, 10, 10);
  GstNevaRegion *far = gst_neva_region_new ("cat", 30, 0, 10, 10);
  GstNevaRegion *other = gst_neva_region_new ("dog", 0, 0, 10, 10);
  GstNevaRegion *bad = gst_neva_region_new ("a\xff", 0, 0, 0, 0);

  a->id = by_id->id = far->id = 3;
  fail_unless (
      gst_neva_region_likeness (a, same) > gst_neva_region_likeness (a, by_id));
  fail_unless (
      gst_neva_region_likeness (a, by_id) > gst_neva_region_likeness (a, near));
  fail_unless (gst_neva_region_likeness (a, near) > 0);
  fail_unless (!(gst_neva_region_likeness (a, far) > 0));
  fail_unless (!(gst_neva_region_likeness (a, other) > 0));
  fail_unless (g_utf8_validate (bad->label, -1, NULL));
  gst_neva_region_unref (a);
  gst_neva_region_unref (same);
  gst_neva_region_unref (near);
  gst_neva_region_unref (by_id);
  gst_neva_region_unref (far);
  gst_neva_region_unref (other);
  gst_neva_region_unref (bad);
}
GST_END_TEST;

#if HAVE_GST_ANALYTICS
/* The text of the caption that is related to a detection, or NULL. */
static const char *
related_text (GstAnalyticsRelationMeta *meta, guint detection)
{
  gpointer state = NULL;
  GstAnalyticsMtd mtd;

  while (gst_analytics_relation_meta_iterate (
      meta, &state, GST_ANALYTICS_MTD_TYPE_ANY, &mtd)) {
    const char *name =
        gst_analytics_mtd_type_get_name (gst_analytics_mtd_get_mtd_type (&mtd));

    if (g_strcmp0 (name, "neva-caption") == 0 &&
        gst_analytics_relation_meta_get_relation (meta, detection, mtd.id) ==
            GST_ANALYTICS_REL_TYPE_RELATE_TO)
      return gst_analytics_relation_meta_get_mtd_data (meta, mtd.id);
  }
  return NULL;
}

GST_START_TEST (test_detections_are_captioned_and_related)
{
  Regions r = start (SECOND, "model=fake:echo",
      "timing=aligned prompt=\"{object} of {objects}\"");
  GstAnalyticsRelationMeta *meta;
  GstAnalyticsODMtd car, bus;
  GstBuffer *b = frame (&r);
  const char *text;

  meta = gst_buffer_add_analytics_relation_meta (b);
  fail_unless (gst_analytics_relation_meta_add_od_mtd (
      meta, g_quark_from_static_string ("car"), 4, 4, 20, 20, 0.75f, &car));
  fail_unless (gst_analytics_relation_meta_add_od_mtd (
      meta, g_quark_from_static_string ("bus"), -8, 30, 40, 40, 0.5f, &bus));
  /* The car is known to both kinds of metas, and captioned once. */
  add (b, "car", 2, 4, 4, 20, 20);
  gst_harness_push (r.h, b);
  finish (&r);
  b = gst_harness_pull (r.h);
  meta = gst_buffer_get_analytics_relation_meta (b);
  text = related_text (meta, car.id);
  fail_unless (
      text && g_str_has_prefix (text, "prompt=car of car"), "%s", text);
  text = related_text (meta, bus.id);
  fail_unless (
      text && g_str_has_prefix (text, "prompt=bus of car"), "%s", text);
  fail_unless (related (b, 2) != NULL);
  fail_unless_equals_uint64 (stat (&r, "nevallm", "captions"), 2);
  gst_buffer_unref (b);
  stop (&r);
}
GST_END_TEST;
#endif

static Suite *
regions_suite (void)
{
  Suite *s = suite_create ("regions");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_each_object_has_a_caption);
  tcase_add_test (tc, test_the_crop_is_the_picture);
  tcase_add_test (tc, test_the_largest_are_kept_and_others_counted);
  tcase_add_test (tc, test_boxes_outside_are_one_warning);
  tcase_add_test (tc, test_without_objects_there_is_no_caption);
  tcase_add_test (tc, test_the_prompt_names_what_was_found);
  tcase_add_test (tc, test_captions_are_related_to_their_objects);
  tcase_add_test (tc, test_likeness);
#if HAVE_GST_ANALYTICS
  tcase_add_test (tc, test_detections_are_captioned_and_related);
#endif
  return s;
}

GST_CHECK_MAIN (regions);
