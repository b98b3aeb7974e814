/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-live as a user runs it (argv[1]: the program), without its page: what it
 * prints, how it ends, and that no source stops another. */
#include "config.h"
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "check.h"
#include "program.h"

static char *folder, *clip, *sound;

static gboolean
make_clips (void)
{
  g_autofree char *video = g_strdup_printf (
      "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,width=64,"
      "height=48,framerate=10/1 ! jpegenc ! avimux ! filesink location=%s",
      clip);
  g_autofree char *audio = g_strdup_printf (
      "audiotestsrc num-buffers=20 ! wavenc ! filesink location=%s", sound);

  return make_media (video) && make_media (audio);
}

/* How many lines hold the part. */
static guint
count_lines (const char *text, const char *part)
{
  g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", -1);
  guint n = 0;

  for (guint i = 0; lines[i]; i++)
    n += strstr (lines[i], part) != NULL;
  return n;
}

/* ---- Lines -------------------------------------------------------------- */

/* A file is played as fast as it was filmed, and is over when it ends. */
static void
test_file (void)
{
  const gint64 began = g_get_monotonic_time ();
  g_auto (Result) r = run ("%s|-m|fake:a red ball|-w|1s", clip);

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (count_lines (r.out, "  v  a red ball") == 2, "%s", r.out);
  CHECK (g_get_monotonic_time () - began > 1500 * 1000, "2 s of video");
  CHECK (strstr (r.err, "neva-live: v: live\n") &&
             strstr (r.err, "neva-live: v: ended\n"),
      "%s", r.err);
}

/* Streams of all kinds at once; names; one that is no video. */
static void
test_several (void)
{
  g_auto (Result) r =
      run ("door=%s|%s|test://ball?frames=20&width=64&height=48&framerate=10|"
           "test://ball?frames=10&width=64&height=48&framerate=10|%s|"
           "-m|fake:x y|-w|1s",
          clip, clip, sound);

  CHECK (r.code == 3, "%d: %s", r.code, r.err);
  CHECK (count_lines (r.out, "  door  x y") == 2, "%s", r.out);
  CHECK (count_lines (r.out, "  v  x y") == 2, "%s", r.out);
  CHECK (count_lines (r.out, "  ball  x y") == 2, "%s", r.out);
  CHECK (count_lines (r.out, "  ball 2  x y") == 1, "%s", r.out);
  CHECK (strstr (r.err, "neva-live: s: failed: there is no video in it"), "%s",
      r.err);
}

/* Questions of yes and no beside the caption's. */
static void
test_alerts (void)
{
  g_auto (Result) r = run ("%s|-m|fake:echo?yes=80|-w|1s|-p|what|-a|Is it on "
                           "fire?|-a|Is anybody there?",
      clip);

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (count_lines (r.out, "prompt=what") == 2, "%s", r.out);
  CHECK (count_lines (r.out, "  ALERT: Is it on fire?") == 1, "%s", r.out);
  CHECK (count_lines (r.out, "  ALERT: Is anybody there?") == 1, "%s", r.out);
  CHECK (count_lines (r.out, "alert is over: ") == 2, "%s", r.out);

  g_auto (Result) none = run (
      "%s|-m|fake:echo?yes=80|-w|1s|-a|Is it on fire?|--alert-threshold|0.9",
      clip);
  CHECK (count_lines (none.out, "ALERT") == 0, "%s", none.out);
}

/* ---- Ends --------------------------------------------------------------- */

static void
test_failures (void)
{
  g_autofree char *missing = g_build_filename (folder, "missing.mp4", NULL);
  g_autofree char *garbage = g_build_filename (folder, "garbage.mp4", NULL);
  const struct {
    char *arguments;
    int code;
    const char *says;
  } rows[] = {
      {g_strdup ("-m|fake:x"), 2, "no camera or video named"},
      {g_strdup_printf ("%s|-m|fake:x|-w|soon", clip), 2, "--window soon"},
      {g_strdup_printf ("%s|-m|fake:x|-w|1ms", clip), 2, "--window"},
      {g_strdup_printf ("%s|-m|fake:x|-w|2s|--overlap|2s", clip), 2,
          "--overlap"},
      {g_strdup_printf ("%s|-m|fake:x|--http|70000", clip), 2, "no such port"},
      {g_strdup_printf ("%s|-m|fake:x|--http|0|--listen|here", clip), 2,
          "--listen here"},
      {g_strdup_printf ("%s|-m|fake:x|--http|0|--token|a b c d e f g", clip), 2,
          "token"},
      {g_strdup_printf ("%s|-m|fake:x|--http|0|--token|short", clip), 2,
          "8 to 256"},
      {g_strdup_printf ("%s|--no-such-option", clip), 2, "no-such-option"},
      {g_strdup ("test://nothing|-m|fake:x"), 3, "no such pattern"},
      {g_strdup ("test://ball?depth=3|-m|fake:x"), 3, "depth=3"},
      {g_strdup ("test://ball?width=0|-m|fake:x"), 3, "width=0"},
      {g_strdup ("gate=|-m|fake:x"), 3, "'gate=': no camera or video"},
      {g_strdup_printf ("%s|-m|fake:x", missing), 3, "no such file"},
      {g_strdup_printf ("%s|-m|fake:x", garbage), 3, "failed"},
      {g_strdup_printf ("%s|-m|%s", clip, missing), 4, "missing.mp4"},
      {g_strdup_printf ("%s|-m|fake:x?fail=load", clip), 4, ""},
  };

  g_file_set_contents (garbage, "this is no video at all, not a bit", -1, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Result) r = run ("%s", rows[i].arguments);

    CHECK (
        r.code == rows[i].code, "%s: %d: %s", rows[i].arguments, r.code, r.err);
    CHECK (r.err && *r.err && strstr (r.err, rows[i].says), "%s: %s",
        rows[i].arguments, r.err);
    g_free (rows[i].arguments);
  }
}

/* Sound that nobody can decode is no reason why a video fails, nor news. */
static void
test_unknown_sound_is_not_spoken_of (void)
{
  g_autofree char *path = g_build_filename (folder, "sound.mkv", NULL);
  g_autofree char *making = g_strdup_printf (
      "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,"
      "height=48,framerate=10/1 ! matroskamux name=m ! filesink location=%s "
      "audiotestsrc num-buffers=10 ! audio/x-raw,format=S16LE ! m.",
      path);
  g_autofree char *data = NULL;
  gsize size = 0;
  char *codec, *cluster;

  CHECK (make_media (making), "%s", making);
  CHECK (g_file_get_contents (path, &data, &size, NULL), "%s", path);
  codec = data ? memmem (data, size, "A_PCM/INT/LIT", 13) : NULL;
  cluster = data ? memmem (data, size, "\x1f\x43\xb6\x75", 4) : NULL;
  CHECK (codec && cluster, "%s: no sound or no cluster", path);
  if (!codec || !cluster)
    return;
  codec[8] = 'X';
  for (guint whole = 0; whole < 2; whole++) {
    g_file_set_contents (
        path, data, whole ? (gssize) size : cluster - data, NULL);
    g_auto (Result) r = run ("%s|-m|fake:x", path);

    CHECK (r.code == (whole ? 0 : 3), "whole %u: %d: %s", whole, r.code, r.err);
    CHECK (!strstr (r.err, "decoder"), "whole %u: %s", whole, r.err);
  }
}

/* A window that cannot be captioned ends neither its stream nor the program. */
static void
test_one_bad_answer (void)
{
  g_auto (Result) r = run ("%s|-m|fake:x?fail=answer|-w|1s", clip);

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (strstr (r.err, "cannot be captioned"), "%s", r.err);
  CHECK_STR (r.out, "");
}

/* Ctrl-C ends a camera that would go on, and a file that is played again. */
static void
test_interrupt (void)
{
  const char *argv[] = {program, "test://ball?width=64&height=48", clip,
      "--loop", "-w", "1s", "-m", "fake:a b", NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv,
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
      &error);
  g_autoptr (GDataInputStream) out = NULL;
  guint of_clip = 0;

  CHECK (process, "%s", error ? error->message : "");
  if (!process)
    return;
  out = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  while (of_clip < 3) { /* it has two windows */
    g_autofree char *line =
        g_data_input_stream_read_line (out, NULL, NULL, NULL);

    if (!line)
      break;
    of_clip += strstr (line, "  v  a b") != NULL;
  }
  CHECK (of_clip == 3, "%u captions of the file that is played again", of_clip);
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait (process, NULL, NULL);
  CHECK (g_subprocess_get_if_exited (process) &&
             g_subprocess_get_exit_status (process) == 130,
      "%d", g_subprocess_get_status (process));
}

/* What the model says cannot steer the terminal. */
static void
test_control_characters (void)
{
  g_auto (Result) r = run ("a\033[31mb=%s|-m|fake:red \033[31m\033]0;x\a text|"
                           "-w|2s",
      clip);

  CHECK (r.code == 3 || !strchr (r.out, '\033'), "%s", r.out);
  g_auto (Result) said = run ("%s|-m|fake:red \033[31m\033]0;x\a|-w|2s", clip);
  CHECK (said.code == 0, "%s", said.err);
  CHECK (strstr (said.out, "red ") && !strchr (said.out, '\033') &&
             !strchr (said.out, '\a'),
      "%s", said.out);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  if (argc < 2)
    return EXIT_FAILURE;
  program = argv[1];
  folder = g_dir_make_tmp ("neva-live-XXXXXX", NULL);
  clip = g_build_filename (folder, "v.avi", NULL);
  sound = g_build_filename (folder, "s.wav", NULL);
  if (!make_clips ()) {
    printf ("SKIP: no avimux, jpegenc or wavenc here\n");
    return 77;
  }
  test_file ();
  test_several ();
  test_alerts ();
  test_failures ();
  test_unknown_sound_is_not_spoken_of ();
  test_one_bad_answer ();
  test_interrupt ();
  test_control_characters ();
  return check_finish ();
}
