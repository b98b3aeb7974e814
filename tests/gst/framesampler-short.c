/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler on files of which the end is missing: it says so, once, and
 * is silent about files that are whole, or lack nothing of their video. The
 * clips are made here: two seconds of video with three of sound. */
#include "config.h"

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>

typedef struct {
  const gchar *name, *muxer, *properties;
  gboolean tells_length; /* of the video, apart from the sound's */
} Container;

static const Container containers[] = {
    {"mov, index in front", "qtmux", "faststart=true", TRUE},
    {"matroska", "matroskamux", "", FALSE},
};

static const gchar *const ways[] = {
    "seek=auto", "seek=never", "output=all", "mode=all", "window=1000000000"};

static gchar *dir, *clip;
static guint checked;

static gboolean
run_to_end (const gchar *line, guint *warnings, gchar **text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) p = gst_parse_launch (line, &error);
  g_autoptr (GstBus) bus = NULL;
  gboolean over = FALSE, ok = FALSE;

  fail_unless (p != NULL && !error, "%s", error ? error->message : line);
  bus = gst_element_get_bus (p);
  gst_element_set_state (p, GST_STATE_PLAYING);
  while (!over) {
    g_autoptr (GstMessage) m =
        gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND,
            GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

    if (m && GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING) {
      g_autoptr (GError) warning = NULL;

      gst_message_parse_warning (m, &warning, NULL);
      (*warnings)++;
      g_free (*text);
      *text = g_strdup (warning->message);
      continue;
    }
    over = TRUE;
    ok = m && GST_MESSAGE_TYPE (m) == GST_MESSAGE_EOS;
  }
  gst_element_set_state (p, GST_STATE_NULL);
  return ok;
}

static void
make_clip (const Container *c)
{
  g_autofree gchar *line = g_strdup_printf (
      "%s name=mux %s ! filesink location=%s "
      "videotestsrc num-buffers=60 pattern=ball ! "
      "video/x-raw,format=I420,width=128,height=96,framerate=30/1 ! jpegenc ! "
      "mux. "
      "audiotestsrc num-buffers=30 samplesperbuffer=800 ! "
      "audio/x-raw,format=S16LE,rate=8000,channels=1 ! mux.",
      c->muxer, c->properties, clip);
  guint warnings = 0;
  g_autofree gchar *text = NULL;

  fail_unless (run_to_end (line, &warnings, &text), "%s: not made", c->name);
}

/* The clip's first `size` bytes. warns: what must be said, or NULL. */
static void
check_first (
    const Container *c, const gchar *data, gsize size, const gchar *warns)
{
  g_autofree gchar *path = g_build_filename (dir, "part", NULL);

  fail_unless (g_file_set_contents (path, data, (gssize) size, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree gchar *line = g_strdup_printf (
        "filesrc location=%s ! decodebin ! nevaframesampler %s ! fakesink",
        path, ways[i]);
    g_autofree gchar *text = NULL;
    guint warnings = 0;

    fail_unless (run_to_end (line, &warnings, &text), "%s, %s: no end", c->name,
        ways[i]);
    fail_unless (warnings == (warns ? 1 : 0) &&
                     (!warns || (strstr (text, "is cut short: ") &&
                                    strstr (text, warns))),
        "%s, %" G_GSIZE_FORMAT " bytes, %s: %u warnings: %s", c->name, size,
        ways[i], warnings, text ? text : "none");
    checked++;
  }
  g_unlink (path);
}

static void
check_container (const Container *c)
{
  g_autoptr (GstElementFactory) mux = gst_element_factory_find (c->muxer);
  g_autoptr (GstElementFactory) encoder = gst_element_factory_find ("jpegenc");
  g_autofree gchar *data = NULL, *warns = NULL;
  gsize size;

  if (!mux || !encoder) {
    g_print ("SKIP %s: no %s or jpegenc\n", c->name, c->muxer);
    return;
  }
  make_clip (c);
  fail_unless (g_file_get_contents (clip, &data, &size, NULL));

  check_first (c, data, size, NULL);
  warns = g_strdup_printf (
      " %" G_GSIZE_FORMAT " bytes of it are missing", size - size / 2);
  check_first (c, data, size / 2, warns);
  if (c->tells_length)
    check_first (c, data, size - 100, NULL); /* of the sound */
}

GST_START_TEST (test_missing_end_is_said)
{
  dir = g_dir_make_tmp ("neva-short-XXXXXX", NULL);
  clip = g_build_filename (dir, "clip", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (containers); i++)
    check_container (&containers[i]);
  g_unlink (clip);
  g_rmdir (dir);
  g_free (clip);
  g_free (dir);
}

GST_END_TEST;

static Suite *
short_suite (void)
{
  Suite *s = suite_create ("framesampler-short");
  TCase *t = tcase_create ("files");

  tcase_set_timeout (t, 120);
  tcase_add_test (t, test_missing_end_is_said);
  suite_add_tcase (s, t);
  return s;
}

int
main (int argc, char **argv)
{
  g_setenv ("CK_FORK", "no", FALSE);
  gst_check_init (&argc, &argv);
  if (gst_check_run_suite (short_suite (), "framesampler-short", __FILE__))
    return 1;
  return checked ? 0 : 77;
}
