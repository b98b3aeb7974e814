/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include "peer.h"

static double
average (const char *json, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *runs;
  JsonNode *root;

  if (!json_parser_load_from_data (parser, json, -1, error))
    return 0;
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_ARRAY (root))
    return 0;
  runs = json_node_get_array (root);
  if (!json_array_get_length (runs))
    return 0;
  return json_object_get_double_member_with_default (
      json_array_get_object_element (runs, 0), "avg_ts", 0);
}

/* synthetic-FORMAT.gguf beside the program. */
static char *
model_beside (const char *program, const char *format)
{
  g_autofree char *folder = g_path_get_dirname (program);
  g_autofree char *name = g_strdup_printf ("synthetic-%s.gguf", format);

  return g_build_filename (folder, name, NULL);
}

/* Returns: (transfer full): what the program printed, NULL if it failed, which
 * is said. */
static char *
run (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;
  int status;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL,
          NULL, NULL, &out, NULL, &status, &error) ||
      !g_spawn_check_wait_status (status, &error)) {
    g_printerr ("%s: %s\n", argv[0], error->message);
    return NULL;
  }
  return g_steal_pointer (&out);
}

double
peer_rate (const char *format, guint prompt, guint depth, guint threads)
{
  const char *program = g_getenv ("LLAMA_BENCH");
  g_autofree char *model = NULL, *out = NULL;
  g_autofree char *p = g_strdup_printf ("%u", prompt);
  g_autofree char *n = g_strdup (prompt ? "0" : "16");
  g_autofree char *d = g_strdup_printf ("%u", depth);
  g_autofree char *t = g_strdup_printf ("%u", threads);
  g_autoptr (GError) error = NULL;
  double rate;

  if (!program || !*program)
    return 0;
  model = model_beside (program, format);

  const char *argv[] = {program, "-m", model, "-p", p, "-n", n, "-d", d, "-t",
      t, "-fa", "1", "-r", "2", "-o", "json", NULL};

  if (!(out = run (argv)))
    return 0;
  rate = average (out, &error);
  if (!(rate > 0))
    g_printerr ("%s: no figure in its output\n", program);
  return rate;
}

/* "speed_tg" of the line of JSON in the output. */
static double
generation_rate (const char *out)
{
  g_auto (GStrv) lines = g_strsplit (out, "\n", -1);

  for (char **line = lines; *line; line++) {
    g_autoptr (JsonParser) parser = json_parser_new ();
    JsonNode *root;

    if (**line == '{' && json_parser_load_from_data (parser, *line, -1, NULL) &&
        (root = json_parser_get_root (parser)) && JSON_NODE_HOLDS_OBJECT (root))
      return json_object_get_double_member_with_default (
          json_node_get_object (root), "speed_tg", 0);
  }
  return 0;
}

double
peer_streams (const char *format, guint streams, guint depth, guint threads)
{
  const char *program = g_getenv ("LLAMA_BATCHED_BENCH");
  g_autofree char *model = NULL, *out = NULL;
  g_autofree char *n = g_strdup_printf ("%u", streams);
  g_autofree char *d = g_strdup_printf ("%u", depth);
  g_autofree char *t = g_strdup_printf ("%u", threads);
  g_autofree char *c = g_strdup_printf ("%u", streams * (depth + 16));
  double rate;

  if (!program || !*program)
    return 0;
  model = model_beside (program, format);

  const char *argv[] = {program, "-m", model, "-c", c, "-npp", d, "-ntg", "16",
      "-npl", n, "-t", t, "-tb", t, "-fa", "on", "--output-format", "jsonl",
      NULL};

  if (!(out = run (argv)))
    return 0;
  rate = generation_rate (out);
  if (!(rate > 0))
    g_printerr ("%s: no figure in its output\n", program);
  return rate;
}
