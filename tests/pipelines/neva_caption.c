/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-caption as a user runs it (argv[1]: the program), on clips that are
 * drawn here: formats, windows, exit codes, Ctrl-C, the subtitle track of
 * --mux. */
#include "config.h"
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "caption_fixture.h"
#include "check.h"

static void
check_output (const char *arguments, const char *want)
{
  g_auto (Result) r = run ("%s|%s", clip, arguments);

  CHECK (r.code == 0, "%s: exit code %d: %s", arguments, r.code, r.err);
  CHECK_STR (r.out, want);
  CHECK_STR (r.err, ""); /* quiet when it is no terminal */
}

static void
test_formats (void)
{
  check_output ("-m|fake:a red ball", "a red ball\n");
  check_output ("-m|fake:a red ball|-w|2s",
      "00:00:00.000 - 00:00:02.000  a red ball\n"
      "00:00:02.000 - 00:00:04.000  a red ball\n"
      "00:00:04.000 - 00:00:05.000  a red ball\n");
  check_output ("-m|fake:one --> two|-f|srt|-w|3s",
      "1\n00:00:00,000 --> 00:00:03,000\none -> two\n\n"
      "2\n00:00:03,000 --> 00:00:05,000\none -> two\n\n");
  check_output ("-m|fake:<a> & b|-f|vtt|--window=5s",
      "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\n&lt;a&gt; &amp; b\n\n");
  /* subtitles have windows of 4 s unless told otherwise */
  check_output ("-m|fake:x|-f|srt", "1\n00:00:00,000 --> 00:00:04,000\nx\n\n"
                                    "2\n00:00:04,000 --> 00:00:05,000\nx\n\n");
  check_output ("-m|fake:x|-w|4s|--overlap|2s",
      "00:00:00.000 - 00:00:04.000  x\n"
      "00:00:02.000 - 00:00:05.000  x\n"
      "00:00:04.000 - 00:00:05.000  x\n");
}

static void
test_json (void)
{
  g_auto (Result) r = run ("%s|-m|fake:say \"hi\"|-f|json|-n|3|-w|2s|-p|Why "
                           "\"so\"?|-p|And?",
      clip);
  g_auto (GStrv) lines = g_strsplit (r.out ? r.out : "", "\n", -1);
  JsonObject *object;
  JsonArray *frames;

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (g_strv_length (lines) == 7, "3 windows, 2 prompts: %s", r.out);
  if (g_strv_length (lines) != 7)
    return;

  g_autoptr (JsonNode) root = json_from_string (lines[1], NULL);
  CHECK (root && JSON_NODE_HOLDS_OBJECT (root), "%s", lines[1]);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return;
  object = json_node_get_object (root);
  CHECK_STR (json_object_get_string_member (object, "file"), clip);
  CHECK_STR (json_object_get_string_member (object, "text"), "say \"hi\"");
  CHECK_STR (json_object_get_string_member (object, "prompt"), "Why \"so\"?");
  CHECK_STR (json_object_get_string_member (object, "finish"), "stop");
  CHECK (json_object_get_double_member (object, "start") == 2.0, "start");
  CHECK (json_object_get_double_member (object, "end") == 4.0, "end");
  frames = json_object_get_array_member (object, "frames");
  CHECK (json_array_get_length (frames) == 3, "frames");
  CHECK (json_array_get_double_element (frames, 0) == 2.0 &&
             json_array_get_double_element (frames, 2) == 3.9,
      "%s", lines[1]);
}

/* Several videos, one of which is none. */
static void
test_several (void)
{
  g_autofree char *out = g_build_filename (folder, "out", NULL);
  g_autofree char *srt = g_build_filename (out, "clip.srt", NULL);
  g_autofree char *list = g_build_filename (folder, "list.jsonl", NULL);
  g_autofree char *text = NULL;

  g_mkdir (out, 0755);
  g_auto (Result) r = run ("%s|%s|-m|fake:x|-f|srt|-o|%s", sound, clip, out);
  CHECK (r.code == 3, "%d", r.code);
  CHECK (strstr (r.err, "no video") && strstr (r.err, sound), "%s", r.err);
  CHECK (g_file_get_contents (srt, &text, NULL, NULL) &&
             strstr (text, "00:00:04,000 --> "),
      "%s", text ? text : srt);

  g_file_set_contents (list,
      "{\"video\": \"clip.avi\", \"question\": \"Why?\"}\n\n"
      "{\"file\": \"clip.avi\", \"prompt\": \"How?\"}\n",
      -1, NULL);
  g_auto (Result) asked = run ("-l|%s|-m|fake:echo", list);
  CHECK (asked.code == 0, "%s", asked.err);
  CHECK (strstr (asked.out, "prompt=Why?") && strstr (asked.out, "prompt=How?"),
      "%s", asked.out);
}

static void
test_failures (void)
{
  g_autofree char *garbage = g_build_filename (folder, "garbage.mp4", NULL);
  g_autofree char *empty = g_build_filename (folder, "empty.mp4", NULL);
  const struct {
    char *arguments;
    int code;
    const char *says;
  } rows[] = {
      {g_strdup ("-m|fake:x"), 2, "no video named"},
      {g_strdup_printf ("%s|-m|fake:x|-w|soon", clip), 2, "--window soon"},
      {g_strdup_printf ("%s|-m|fake:x|-w|2s|--overlap|2s", clip), 2,
          "--overlap"},
      {g_strdup_printf ("%s|-m|fake:x|-f|pdf", clip), 2, "pdf"},
      {g_strdup_printf ("%s|-m|fake:x|--tensor-parallel|0", clip), 2,
          "from 1 to 64"},
      {g_strdup_printf ("%s|-m|fake:x|--pipeline-parallel|65", clip), 2,
          "from 1 to 64"},
      {g_strdup_printf ("%s|--no-such-option", clip), 2, "no-such-option"},
      {g_strdup_printf ("%s|%s|-m|fake:x|-f|srt", clip, clip), 2, "FOLDER"},
      {g_strdup_printf ("%s|-m|fake:x|-f|srt|-o|%s|-p|A|-p|B", clip, folder), 2,
          "one prompt"},
      {g_strdup_printf ("%s|%s|-m|fake:x|--mux|x.mkv", clip, clip), 2, "--mux"},
      {g_strdup_printf ("%s|-m|fake:x|-o|%s", clip, clip), 2, "overwrite"},
      {g_strdup_printf ("%s.not|-m|fake:x", clip), 3, "no such file"},
      {g_strdup_printf ("%s|-m|fake:x", sound), 3, "no video"},
      {g_strdup_printf ("%s|-m|fake:x", garbage), 3, "garbage.mp4"},
      {g_strdup_printf ("%s|-m|fake:x", empty), 3, "empty.mp4"},
      {g_strdup_printf ("%s|-m|%s/none", clip, folder), 4, "none"},
      {g_strdup_printf ("%s|-m|fake:x|--template|none-such", clip), 4,
          "none-such"},
      {g_strdup_printf ("%s|-m|fake:x|--choices|a,,b", clip), 4,
          "choices: number 2"},
      {g_strdup_printf ("%s|-m|fake:x|--json-schema|%s/no.json", clip, folder),
          4, "no.json"},
      {g_strdup_printf ("%s|-m|fake:x|--choices|a|--grammar|root ::= .", clip),
          4, "more than one of"},
      {g_strdup_printf ("%s|-m|fake:x|-o|%s/no/where", clip, folder), 5,
          "where"},
      {g_strdup_printf ("%s|-m|fake:x|-o|/dev/full", clip), 5, "/dev/full"},
  };

  g_file_set_contents (garbage, "this is not a video at all", -1, NULL);
  g_file_set_contents (empty, "", 0, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Result) r = run ("%s", rows[i].arguments);

    CHECK (r.code == rows[i].code, "%s: exit code %d, not %d: %s",
        rows[i].arguments, r.code, rows[i].code, r.err);
    CHECK (
        strstr (r.err, rows[i].says), "%s: says %s", rows[i].arguments, r.err);
    g_free (rows[i].arguments);
  }
}

/* By the demo model: what fake ones say has any form. */
static void
test_forms (void)
{
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *model =
      g_build_filename (source ? source : ".", "models", "demo", NULL);
  g_autofree char *schema = g_build_filename (folder, "shape.json", NULL);

  g_file_set_contents (schema, "{\"enum\": [\"disc\", \"ball\"]}", -1, NULL);
  {
    g_auto (Result) r =
        run ("%s|-m|%s|--choices|7\\,5,9|--choices|a b", clip, model);

    CHECK (r.code == 0, "%d: %s", r.code, r.err);
    CHECK (g_str_equal (r.out, "7,5\n") || g_str_equal (r.out, "9\n") ||
               g_str_equal (r.out, "a b\n"),
        "%s", r.out);
  }
  {
    g_auto (Result) r = run ("%s|-m|%s|--json-schema|%s", clip, model, schema);

    CHECK (r.code == 0, "%d: %s", r.code, r.err);
    CHECK (
        g_str_equal (r.out, "\"disc\"\n") || g_str_equal (r.out, "\"ball\"\n"),
        "%s", r.out);
  }
  {
    g_auto (Result) r =
        run ("%s|-m|%s|--grammar|root ::= \"so\" [0-9]", clip, model);

    CHECK (r.code == 0, "%d: %s", r.code, r.err);
    CHECK (g_str_has_prefix (r.out, "so") && strlen (r.out) == 4, "%s", r.out);
  }
}

/* More than one nevallm takes; the one that is refused leaves the others. */
static void
test_many_prompts (void)
{
  g_autoptr (GString) line = g_string_new (clip);
  g_autofree char *many = g_strnfill (200, 'x');

  for (guint i = 0; i < 70; i++)
    g_string_append_printf (line, "|-p|%s%u!", i == 66 ? many : "q", i);
  g_string_append (line, "|-m|fake:echo|--context-length=200|-f|json");
  g_auto (Result) r = run ("%s", line->str);
  g_auto (GStrv) lines = g_strsplit (r.out, "\n", -1);
  CHECK (r.code == 4, "%d: %s", r.code, r.err);
  CHECK (strstr (r.err, "leaves no room"), "%s", r.err);
  CHECK (g_strv_length (lines) == 70, "69 answers: %s", r.out);
  for (guint i = 0, n = 0; i < 70 && lines[n]; i++) {
    g_autofree char *text = g_strdup_printf ("\"text\": \"prompt=q%u!;", i);

    if (i != 66)
      CHECK (strstr (lines[n++], text), "%u: %s", i, lines[n]);
  }
}

/* Without a decoder the package that has one is named. */
static void
test_missing_plugin (void)
{
  g_setenv ("GST_PLUGIN_FEATURE_RANK",
      "jpegdec:NONE,avdec_mjpeg:NONE,vajpegdec:NONE,vaapijpegdec:NONE,"
      "nvjpegdec:NONE,v4l2jpegdec:NONE",
      TRUE);
  g_auto (Result) r = run ("%s|-m|fake:x", clip);
  g_unsetenv ("GST_PLUGIN_FEATURE_RANK");
  CHECK (r.code == 3, "%d", r.code);
  CHECK (strstr (r.err, "install gstreamer1.0-plugins-good"), "%s", r.err);
}

/* Waits until the file holds `text`, 2 min at most. */
static gboolean
appears (const char *path, const char *text)
{
  for (int i = 0; i < 2400; i++) {
    g_autofree char *content = NULL;

    if (g_file_get_contents (path, &content, NULL, NULL) &&
        strstr (content, text))
      return TRUE;
    g_usleep (50000);
  }
  return FALSE;
}

static void
test_interrupt (void)
{
  g_autofree char *srt = g_build_filename (folder, "kept.srt", NULL);
  g_autofree char *text = NULL;
  char *argv[] = {(char *) program, clip, (char *) "-m",
      (char *) "fake:slow?delay=400", (char *) "-w", (char *) "500ms",
      (char *) "-o", srt, NULL};
  GPid pid;
  int status;

  if (!g_spawn_async (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
          &pid, NULL)) {
    CHECK (FALSE, "%s", program);
    return;
  }
  CHECK (appears (srt, "slow\n\n"), "the first caption is written at once");
  kill (pid, SIGINT);
  CHECK (waitpid (pid, &status, 0) == pid, "gone");
  CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 130, "status %x",
      (guint) status);
  CHECK (g_file_get_contents (srt, &text, NULL, NULL) &&
             g_str_has_prefix (text, "1\n00:00:00,000 --> 00:00:00,500\nslow"),
      "%s", text);
  CHECK (text && g_str_has_suffix (text, "slow\n\n") &&
             !strstr (text, "00:00:05,000"),
      "%s", text);
}

/* Several prompts: what one alone gives, and a refused one stops no other. */
static void
test_prompt_alone (void)
{
  g_auto (Result) why = run ("%s|-m|fake:echo|-w|2s|-p|Why?|-f|json", clip);
  g_auto (Result) how = run ("%s|-m|fake:echo|-w|2s|-p|How?|-f|json", clip);
  g_auto (Result) both =
      run ("%s|-m|fake:echo|-w|2s|-p|Why?|-p|How?|-f|json", clip);
  g_autofree char *want = g_strconcat (why.out, how.out, NULL);

  CHECK (both.code == 0, "%d: %s", both.code, both.err);
  CHECK_STR (both.out, want);

  g_autofree char *demo =
      g_build_filename (g_getenv ("NEVA_SOURCE"), "models", "demo", NULL);
  g_auto (Result) alone = run ("%s|%s|-m|%s|-p|Why?", clip, clip, demo);
  g_auto (Result) refused =
      run ("%s|%s|-m|%s|-p|<video><video>|-p|Why?", clip, clip, demo);
  CHECK (refused.code == 4 && strstr (refused.err, "more than once"), "%d: %s",
      refused.code, refused.err);
  CHECK_STR (refused.out, alone.out);
}

/* What is in the track: "start-end text" in ms. */
static void
on_subtitle (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return;
  g_string_append_printf (data, "%u-%u %.*s;",
      (guint) (GST_BUFFER_PTS (buffer) / GST_MSECOND),
      (guint) ((GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer)) /
               GST_MSECOND),
      (int) map.size, (const char *) map.data);
  gst_buffer_unmap (buffer, &map);
}

static void
on_picture (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  ++*(guint *) data;
}

static void
test_mux (void)
{
  g_autofree char *mkv = g_build_filename (folder, "out.mkv", NULL);
  g_autofree char *description = g_strdup_printf (
      "filesrc location=%s ! matroskademux name=d "
      "d.video_0 ! queue ! image/jpeg ! fakesink name=v signal-handoffs=true "
      "d.subtitle_0 ! queue ! text/x-raw ! fakesink name=t "
      "signal-handoffs=true",
      mkv);
  g_auto (Result) r = run ("%s|-m|fake:a ball|--mux|%s", clip, mkv);
  g_autoptr (GString) subtitles = g_string_new (NULL);
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  guint pictures = 0;

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  pipeline = gst_parse_launch (description, &error);
  CHECK (pipeline && !error, "%s", error ? error->message : "");
  if (!pipeline || error)
    return;
  g_autoptr (GstElement) t = gst_bin_get_by_name (GST_BIN (pipeline), "t");
  g_autoptr (GstElement) v = gst_bin_get_by_name (GST_BIN (pipeline), "v");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_signal_connect (t, "handoff", G_CALLBACK (on_subtitle), subtitles);
  g_signal_connect (v, "handoff", G_CALLBACK (on_picture), &pictures);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      bus, 120 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  CHECK (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS, "read back");
  CHECK (pictures == 50, "%u pictures, still JPEG", pictures);
  CHECK_STR (subtitles->str, "0-4000 a ball;4000-5000 a ball;");
}

/* The demo model among ranks answers as it does alone. */
static void
test_ranks (void)
{
  g_autofree char *demo =
      g_build_filename (g_getenv ("NEVA_SOURCE"), "models", "demo", NULL);
  g_auto (Result) one = run ("%s|-q|-m|%s|--weights|f32", clip, demo);
  g_auto (Result) two = run ("%s|-q|-m|%s|--weights|f32|--tensor-parallel|2|"
                             "--pipeline-parallel|5",
      clip, demo);
  g_auto (Result) four = run ("%s|-m|%s|--tensor-parallel|4", clip, demo);

  CHECK (one.code == 0 && two.code == 0, "%d, %d: %s", one.code, two.code,
      two.err);
  CHECK_STR (two.out, one.out);
  CHECK (four.code == 4 && strstr (four.err, "6 attention heads"), "%d: %s",
      four.code, four.err);
}

int
main (int argc, char **argv)
{
  if (fixture_begin (argc, argv)) {
    test_formats ();
    test_json ();
    test_several ();
    test_failures ();
    test_forms ();
    test_many_prompts ();
    test_missing_plugin ();
    test_prompt_alone ();
    test_interrupt ();
    test_mux ();
    test_ranks ();
  }
  fixture_finish ();
  return check_finish ();
}
