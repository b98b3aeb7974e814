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

double
peer_rate (const char *format, guint prompt, guint depth, guint threads)
{
  const char *program = g_getenv ("LLAMA_BENCH");
  g_autofree char *folder = NULL, *name = NULL, *model = NULL, *out = NULL;
  g_autofree char *p = g_strdup_printf ("%u", prompt);
  g_autofree char *n = g_strdup (prompt ? "0" : "16");
  g_autofree char *d = g_strdup_printf ("%u", depth);
  g_autofree char *t = g_strdup_printf ("%u", threads);
  g_autoptr (GError) error = NULL;
  double rate;
  int status;

  if (!program || !*program)
    return 0;
  folder = g_path_get_dirname (program);
  name = g_strdup_printf ("synthetic-%s.gguf", format);
  model = g_build_filename (folder, name, NULL);

  const char *argv[] = {program, "-m", model, "-p", p, "-n", n, "-d", d, "-t",
      t, "-fa", "1", "-r", "2", "-o", "json", NULL};

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL,
          NULL, NULL, &out, NULL, &status, &error) ||
      !g_spawn_check_wait_status (status, &error)) {
    g_printerr ("%s: %s\n", program, error->message);
    return 0;
  }
  rate = average (out, &error);
  if (!(rate > 0))
    g_printerr ("%s: no figure in its output\n", program);
  return rate;
}
