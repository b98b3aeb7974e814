/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-caption --resume (argv[1]: the program): what a run leaves that ended
 * before its time, and how another one goes on with it. */
#include "config.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "caption_fixture.h"
#include "check.h"

static void
check_resumed (const char *path, const char *arguments, const char *want)
{
  g_autofree char *text = NULL;
  g_autofree char *journal = g_strconcat (path, ".partial", NULL);
  g_auto (Result) r = run ("%s|-o|%s|--resume", arguments, path);

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (g_file_get_contents (path, &text, NULL, NULL), "%s", path);
  CHECK_STR (text, want);
  CHECK (!g_file_test (journal, G_FILE_TEST_EXISTS), "%s is left", journal);
}

/* With failures, with other options, of nothing, and once it is complete. */
static void
test_resume (void)
{
  g_autofree char *path = g_build_filename (folder, "rows.jsonl", NULL);
  g_autofree char *journal = g_strconcat (path, ".partial", NULL);
  g_autofree char *arguments =
      g_strdup_printf ("%s|-m|fake:echo|-w|2s|-p|Why?|-p|How?|-p|Where?", clip);
  g_autofree char *text = NULL;
  g_auto (Result) all = run ("%s|-f|json", arguments);
  g_auto (Result) failing =
      run ("%s|%s.no|-m|fake:echo|-w|2s|-o|%s", clip, clip, path);
  g_auto (Result) other =
      run ("%s|%s.no|-m|fake:echo|-w|3s|-o|%s|--resume", clip, clip, path);

  CHECK (all.code == 0 && failing.code == 3, "%d, %d", all.code, failing.code);
  CHECK (g_file_get_contents (journal, &text, NULL, NULL) &&
             strstr (text, "{\"job\": 0,") && !strstr (text, "{\"job\": 1,"),
      "%s", text);
  CHECK (other.code == 2 && strstr (other.err, "other options"), "%d: %s",
      other.code, other.err);

  g_unlink (journal);
  g_unlink (path);
  check_resumed (path, arguments, all.out);
  g_auto (Result) again = run ("%s|-o|%s|--resume", arguments, path);
  CHECK (again.code == 0 && strstr (again.err, "is complete"), "%d: %s",
      again.code, again.err);
}

/* As a killed run leaves it: videos finished out of turn, the last line of the
 * journal cut off. */
static void
test_resume_cut (void)
{
  g_autofree char *path = g_build_filename (folder, "cut.jsonl", NULL);
  g_autofree char *journal = g_strconcat (path, ".partial", NULL);
  g_autofree char *later = g_build_filename (folder, "later.avi", NULL);
  g_autofree char *last = g_build_filename (folder, "last.avi", NULL);
  g_autofree char *arguments =
      g_strdup_printf ("%s|%s|%s|-m|fake:echo|-w|2s", later, clip, last);
  g_autofree char *kept = NULL, *text = NULL;
  g_auto (Result) first = run ("%s|-o|%s", arguments, path);

  CHECK (first.code == 3, "%d", first.code);
  CHECK (g_file_get_contents (journal, &kept, NULL, NULL), "%s", journal);
  text = g_strconcat (kept, "{\"job\": 2, \"fi", NULL);
  g_file_set_contents (journal, text, -1, NULL);
  g_file_set_contents (path, "half a li", -1, NULL);
  CHECK (symlink (clip, later) == 0 && symlink (clip, last) == 0, "links");
  g_auto (Result) whole = run ("%s|-f|json", arguments);
  CHECK (whole.code == 0, "%d: %s", whole.code, whole.err);
  check_resumed (path, arguments, whole.out);
}

static void
test_resume_refused (void)
{
  g_autofree char *path = g_build_filename (folder, "refused.jsonl", NULL);
  g_autofree char *journal = g_strconcat (path, ".partial", NULL);
  g_autofree char *head = NULL, *first = NULL;
  const char *lines[] = {"nonsense", "{}", "[1]",
      "{\"job\": 9, \"file\": \"x\", \"prompt\": \"\", \"text\": \"\"}",
      "{\"job\": -1, \"file\": \"x\", \"prompt\": \"\", \"text\": \"\"}",
      "{\"job\": 0, \"file\": \"x\", \"prompt\": \"\", \"text\": \"\"}"};

  g_auto (Result) r = run ("%s|%s/no.avi|-m|fake:x|-o|%s", clip, folder, path);
  CHECK (r.code == 3, "%d", r.code);
  CHECK (g_file_get_contents (journal, &head, NULL, NULL), "%s", journal);
  first = g_strndup (head, strcspn (head, "\n") + 1);
  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autofree char *text = g_strconcat (first, lines[i], "\n", NULL);

    g_file_set_contents (journal, text, -1, NULL);
    g_auto (Result) again =
        run ("%s|%s/no.avi|-m|fake:x|-o|%s|--resume", clip, folder, path);
    CHECK (again.code == 2 && strstr (again.err, "line 2"), "%s: %d: %s",
        lines[i], again.code, again.err);
  }
  g_auto (Result) nowhere = run ("%s|-m|fake:x|--resume", clip);
  CHECK (nowhere.code == 2 && strstr (nowhere.err, "--resume"), "%d: %s",
      nowhere.code, nowhere.err);
}

/* A file of a folder has its name when it is finished. */
static void
test_folder (void)
{
  g_autofree char *out = g_build_filename (folder, "folder", NULL);
  g_autofree char *cut = g_build_filename (folder, "cut.avi", NULL);
  g_autofree char *done = g_build_filename (out, "clip.srt", NULL);
  g_autofree char *text = NULL;

  g_mkdir (out, 0755);
  g_file_set_contents (cut, "no video", -1, NULL);
  g_auto (Result) r = run ("%s|%s|-m|fake:x|-f|srt|-o|%s", clip, cut, out);
  CHECK (r.code == 3, "%d: %s", r.code, r.err);
  g_autofree char *failed = g_build_filename (out, "cut.srt", NULL);
  CHECK (g_file_test (done, G_FILE_TEST_EXISTS) &&
             !g_file_test (failed, G_FILE_TEST_EXISTS),
      "%s", out);

  /* what is there is not made again */
  g_file_set_contents (done, "mine", -1, NULL);
  g_unlink (cut);
  CHECK (symlink (clip, cut) == 0, "link");
  g_auto (Result) resumed =
      run ("%s|%s|-m|fake:x|-f|srt|-o|%s|--resume", clip, cut, out);
  CHECK (resumed.code == 0, "%d: %s", resumed.code, resumed.err);
  CHECK (g_file_test (failed, G_FILE_TEST_EXISTS), "%s", failed);
  CHECK (g_file_get_contents (done, &text, NULL, NULL), "%s", done);
  CHECK_STR (text, "mine");

  g_autofree char *namesake = g_build_filename (folder, "clip.mkv", NULL);
  CHECK (symlink (clip, namesake) == 0, "link");
  g_auto (Result) two = run ("%s|%s|-m|fake:x|-o|%s", clip, namesake, out);
  CHECK (two.code == 2 && strstr (two.err, "clip.txt"), "%d: %s", two.code,
      two.err);
}

int
main (int argc, char **argv)
{
  if (fixture_begin (argc, argv)) {
    test_resume ();
    test_resume_cut ();
    test_resume_refused ();
    test_folder ();
  }
  fixture_finish ();
  return check_finish ();
}
