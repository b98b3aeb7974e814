/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-caption's times, subtitle texts and package names, without running it.
 */
#include "config.h"
#include <string.h>
#include "check.h"
#include "common/duration.h"
#include "common/missing.h"
#include "common/subtitle.h"
#include "format.h"
#include "options.h"

static void
test_times (void)
{
  static const struct {
    const char *text;
    gint64 ms; /* -1: refused */
  } rows[] = {{"4s", 4000}, {"4", 4000}, {"500ms", 500}, {"1.5s", 1500},
      {"2m", 120000}, {"2min", 120000}, {"1h", 3600000}, {"1:30", 90000},
      {"1:00:00.5", 3600500}, {"0", 0}, {".5", 500}, {"", -1}, {"s", -1},
      {"-1", -1}, {"4x", -1}, {"1:", -1}, {":1", -1}, {"1:2:3:4", -1},
      {"1e3", -1}, {"nan", -1}, {"inf", -1}, {"1..2", -1},
      {"99999999999999999999", -1}, {"4 s", -1}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstClockTime time = 77;
    const gboolean ok = duration_parse (rows[i].text, &time);

    CHECK (ok == (rows[i].ms >= 0), "\"%s\"", rows[i].text);
    CHECK (!ok || time == (GstClockTime) rows[i].ms * GST_MSECOND,
        "\"%s\": %" G_GUINT64_FORMAT, rows[i].text, time);
  }
}

static void
test_subtitles (void)
{
  static const struct {
    const char *text, *want;
  } rows[] = {{"a\n\n\nb", "a\nb"}, {"\n\na\r\n", "a"}, {"a --> b", "a -> b"},
      {"-->-->", "->->"}, {"", ""}, {"\n", ""}, {"é\n \nx", "é\n \nx"}};
  static const GstClockTime times[] = {0, 1500000000};
  const Caption c = {.file = "f \"q\".mp4",
      .text = "one\ntwo",
      .prompt = "p",
      .model = "m",
      .finish = "length",
      .start = 3723 * GST_SECOND + 4 * GST_MSECOND,
      .end = GST_CLOCK_TIME_NONE,
      .times = times,
      .n_times = 2,
      .tokens = 3,
      .prompt_tokens = 9,
      .mean_logprob = -0.25};
  g_autoptr (GString) out = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *got = subtitle_text (rows[i].text);

    CHECK_STR (got, rows[i].want);
  }
  format_caption (FORMAT_SRT, &c, 7, TRUE, FALSE, out);
  CHECK_STR (out->str, "7\n01:02:03,004 --> 01:02:07,004\none\ntwo\n\n");
  g_string_truncate (out, 0);
  format_caption (FORMAT_TEXT, &c, 7, TRUE, TRUE, out);
  CHECK_STR (out->str, "f \"q\".mp4: 01:02:03.004 - 01:02:07.004  one two\n");
  g_string_truncate (out, 0);
  format_caption (FORMAT_JSON, &c, 7, TRUE, TRUE, out);
  CHECK_STR (out->str,
      "{\"file\": \"f \\\"q\\\".mp4\", \"start\": 3723.004, \"end\": null, "
      "\"text\": \"one\\ntwo\", \"frames\": [0.0, 1.5], \"prompt\": \"p\", "
      "\"model\": \"m\", \"finish\": \"length\", \"tokens\": 3, "
      "\"prompt_tokens\": 9, \"mean_logprob\": -0.25}\n");
}

static void
test_packages (void)
{
  CHECK_STR (
      missing_package ("gstreamer|1.0|x|H.264 decoder|decoder-video/x-h264"),
      "gstreamer1.0-libav");
  CHECK_STR (
      missing_package ("gstreamer|1.0|x|Matroska|decoder-video/x-matroska"),
      "gstreamer1.0-plugins-good");
  CHECK_STR (missing_package ("gstreamer|1.0|x|ASF|decoder-video/x-ms-asf, a"),
      "gstreamer1.0-plugins-ugly");
  CHECK_STR (missing_package ("gstreamer|1.0|x|element|element-videoflip"),
      "gstreamer1.0-plugins-good");
  CHECK (strstr (missing_package (NULL), "gstreamer1.0-libav"), "unknown");
}

int
main (void)
{
  test_times ();
  test_subtitles ();
  test_packages ();
  return check_finish ();
}
