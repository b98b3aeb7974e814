/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations and command lines as Hydra reads them. What is expected was
 * printed by hydra-core 1.3.8 and omegaconf 2.3.1, but for what is marked. */
#include "config.h"
#include <string.h>
#include <neva/eval.h>
#include "check.h"
#include "eval/hydra.h"

static gboolean
on_setting (const NevaSetting *setting, gpointer user_data, GError **error)
{
  g_string_append_printf (user_data, "%s%s=%s;", setting->optional ? "" : "!",
      setting->key, setting->json);
  if (strcmp (setting->key, "stop"))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "stopped");
  return FALSE;
}

/* NULL: the walk failed. */
static char *
settings_of (NevaSettings *settings, GError **error)
{
  GString *got = g_string_new (NULL);

  return g_string_free (
      got, !neva_settings_each (settings, on_setting, got, error));
}

static NevaSettings *
settings_of_yaml (const char *yaml)
{
  NevaSettings *settings = neva_settings_new ();
  g_autoptr (GError) error = NULL;

  CHECK (neva_settings_read (settings, yaml, strlen (yaml), "x.yaml", &error),
      "%s", error ? error->message : "");
  return settings;
}

static void
test_settings (void)
{
  static const char *const bad[] = {
      "- 1\n- 2\n", "5", "a: [1\n", "", "a: &x [*x]\n", "? [1]\n: 2\n"};
  g_autoptr (NevaSettings) settings =
      settings_of_yaml ("inference:\n  greedy: False # remark\n  top_p: 0.5\n"
                        "  end_strings: [\"<extra_id_1>\",\"<extra_id_7>\",]\n"
                        "  insert_media_token: null\ntrainer:\n  devices: 8\n"
                        "port: 5555\nlater: ???\n");
  g_autoptr (NevaSettings) stopped = settings_of_yaml ("stop: 1\n");
  g_autoptr (GError) error = NULL;
  g_autofree char *got = settings_of (settings, &error);

  CHECK_STR (got,
      "inference.greedy=false;inference.top_p=0.5;inference.end_strings="
      "[\"<extra_id_1>\",\"<extra_id_7>\"];inference.insert_media_token=null;"
      "trainer.devices=8;port=5555;");
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    CHECK (!neva_settings_read (
               settings, bad[i], strlen (bad[i]), "x.yaml", &error),
        "%s", bad[i]);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "x.yaml");
  }
  CHECK (!settings_of (stopped, &error), "it did not stop");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "x.yaml: stopped");
}

/* What hydra-core 1.3 makes of these; rows with "lenient" are errors there. */
static void
test_hydra_values (void)
{
  static const struct {
    const char *text, *want;
  } values[] = {{"True", "true"}, {"TRUE", "true"}, {"NULL", "null"},
      {"", "null"}, {"5", "5"}, {" 5 ", "5"}, {"-07", "\"-07\""}, {"1_0", "10"},
      {".5", "0.5"}, {"5.", "5.0"}, {"1e3", "1000.0"}, {"1e", "\"1e\""},
      {"yes", "\"yes\""}, {"inf", "\"inf\""},
      {"99999999999999999999", "\"99999999999999999999\""},
      {"[a,\"b c\"]", "[\"a\",\"b c\"]"}, {"[ ]", "[]"},
      {"[[1], {a: b, 'c d':2}]", "[[1],{\"a\":\"b\",\"c d\":2}]"},
      {"[\"a, b\",'c\"d', it]", "[\"a, b\",\"c\\\"d\",\"it\"]"},
      {"{top_k:3,x.y: [z]}", "{\"top_k\":3,\"x.y\":[\"z\"]}"},
      {"'x: y'", "\"x: y\""}, {"\"True\"", "\"True\""},
      {"'it\\'s'", "\"it's\""}, {"\"\\n\"", "\"\\\\n\""},
      {"\"a\\\\b\"", "\"a\\\\\\\\b\""}, {"'a\\\\'", "\"a\\\\\""},
      {"a\\,b", "\"a,b\""}, {"\\ a\\ ", "\" a \""}, {"1\\,5", "\"1,5\""},
      {"a b", "\"a b\""}, {"/x/a:b?c", "\"/x/a:b?c\""},
      {"${a.b:{c,d}}", "\"${a.b:{c,d}}\""},
      {"[${a,b},c]", "[\"${a,b}\",\"c\"]"},
      /* lenient */
      {"fake:a red ball", "\"fake:a red ball\""}, {"a,b=(c)#", "\"a,b=(c)#\""},
      {"[<|eot_id|>]", "[\"<|eot_id|>\"]"}, {"[", "\"[\""},
      {"[a]b", "\"[a]b\""}, {"'a", "\"'a\""}, {"\"a\" b", "\"\\\"a\\\" b\""},
      {"{a}", "\"{a}\""}, {"[a,", "\"[a,\""}};

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (JsonNode) node = neva_hydra_value (values[i].text);
    g_autofree char *json = json_to_string (node, FALSE);

    CHECK_STR (json, values[i].want);
  }
}

static void
test_overrides (void)
{
  static const char *const arguments[] = {"a.b=2", "+a.n=x", "++b=[1]", "new=1",
      "a={c:{e:5}}", "~gone", "~a.f=7", "+fresh={g:1}", "b=2"};
  static const struct {
    const char *argument;
    gint code;
    const char *part;
  } bad[] = {{"a", NEVA_ERROR_BAD_INPUT, "key=value"},
      {"=3", NEVA_ERROR_BAD_INPUT, "key=value"},
      {"+++a=1", NEVA_ERROR_BAD_INPUT, "key=value"},
      {"a..b=1", NEVA_ERROR_BAD_INPUT, "key=value"},
      {"a=\xff", NEVA_ERROR_BAD_INPUT, "key=value"},
      {"~a.b=9", NEVA_ERROR_BAD_INPUT, "another, 2"},
      {"~nothing", NEVA_ERROR_NOT_FOUND, "~nothing"},
      {"~b.0", NEVA_ERROR_NOT_FOUND, "~b.0"}};
  g_autoptr (NevaSettings) settings = settings_of_yaml (
      "a: {b: 1, c: {d: 3, e: 4}, f: 7}\ngone: {x: 1}\nb: 1\n");
  g_autoptr (GError) error = NULL;
  g_autofree char *got = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (arguments); i++)
    CHECK (neva_settings_override (settings, arguments[i], &error), "%s: %s",
        arguments[i], error ? error->message : "");
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    CHECK (!neva_settings_override (settings, bad[i].argument, &error), "%s",
        bad[i].argument);
    CHECK_ERROR (error, bad[i].code, bad[i].part);
  }
  got = settings_of (settings, NULL);
  CHECK_STR (got, "a.b=2;a.c.d=3;a.c.e=5;a.n=\"x\";b=2;!new=1;fresh.g=1;");
}

static void
test_interpolations (void)
{
  static const struct {
    const char *text, *want; /* NULL: an error that has `part` */
    const char *part;
  } rows[] = {{"${n}", "7"}, {"<${n}>", "\"<7>\""}, {"${s.t}", "\"u\""},
      {"${.s.l}", "[1,\"u\"]"}, {"${s.l[1]}${s.l.0}", "\"u1\""},
      {"${s}", "{\"t\":\"u\",\"l\":[1,\"u\"],\"d\":\"u\"}"},
      {"${s.d}", "\"u\""}, {"${z}-${f}-${y}", "\"None-0.5-True\""},
      {"${oc.env:NEVA_TEST_SET}", "\"12\""},
      {"${oc.decode:${oc.env:NEVA_TEST_SET}}", "12"},
      {"${oc.env:NEVA_TEST_UNSET,/d}/x", "\"/d/x\""},
      {"${oc.env:NEVA_TEST_UNSET,null}", "null"}, {"${oc.select:nope,3}", "3"},
      {"${oc.select:n}", "7"}, {"${${name}}", "7"}, {"\\${n}", "\"${n}\""},
      {"${nope}", NULL, "k: ${nope}: no such key"},
      {"${oc.env:NEVA_TEST_UNSET}", NULL, "no such variable"},
      {"${later}", NULL, "still to be given"}, {"${..n}", NULL, "no such key"},
      {"${now:%Y}", NULL, "no such resolver"}, {"${n", NULL, "no end"},
      {"${k}", NULL, "depends on itself"},
      {"${k}${k}", NULL, "depends on itself"},
      {"[${k},${k}]", NULL, "depends on itself"}};
  static const char yaml[] =
      "n: 7\nname: n\nf: 0.5\ny: true\nz: null\nlater: ???\n"
      "s:\n  t: u\n  l: [1, '${s.t}']\n  d: ${.t}\n";

  g_setenv ("NEVA_TEST_SET", "12", TRUE);
  g_unsetenv ("NEVA_TEST_UNSET");
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (NevaSettings) settings = settings_of_yaml (yaml);
    g_autofree char *argument = g_strconcat ("k=", rows[i].text, NULL);
    g_autofree char *want = g_strdup_printf ("k=%s;", rows[i].want);
    g_autofree char *got = NULL;
    g_autoptr (GError) error = NULL;

    neva_settings_override (settings, argument, NULL);
    got = settings_of (settings, &error);
    if (!rows[i].want)
      CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, rows[i].part);
    else if (*rows[i].want == '{')
      CHECK (got && strstr (got, "k.l=[1,\"u\"];k.d=\"u\";"), "%s", got);
    else
      CHECK (got && strstr (got, want), "%s: %s", rows[i].text,
          got ? got : error->message);
  }
}

int
main (void)
{
  test_settings ();
  test_hydra_values ();
  test_overrides ();
  test_interpolations ();
  return check_finish ();
}
