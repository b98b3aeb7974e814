/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame_choice.json: the indices that Decord's reader was asked for, by mode
 * and number of frames. Arithmetic only; that the elements decode these very
 * frames is tests/gst/framesampler-files.c. */
#include "config.h"
#include "choice.h"
#include "stages.h"

static gboolean
same_choice (const char *mode, gint64 length, JsonArray *index)
{
  const guint64 asked = g_ascii_strtoull (mode, NULL, 10);
  const NevaChoice choice = g_str_equal (mode, "first")    ? NEVA_CHOICE_FIRST
                            : g_str_equal (mode, "middle") ? NEVA_CHOICE_MIDDLE
                            : g_str_equal (mode, "last")   ? NEVA_CHOICE_LAST
                                                         : NEVA_CHOICE_UNIFORM;
  const guint64 n = choice == NEVA_CHOICE_UNIFORM ? asked : 1;
  const guint64 total = neva_choice_count (choice, (guint64) length, n);
  const guint64 distinct = neva_choice_distinct (choice, (guint64) length, n);

  if (!n || json_array_get_length (index) != total)
    return FALSE;
  for (guint k = 0; k < total; k++) {
    if ((guint64) json_array_get_int_element (index, k) !=
        neva_choice_index (choice, (guint64) length, n, MIN (k, distinct - 1)))
      return FALSE;
  }
  return TRUE;
}

static void
check_clip (Report *r, JsonObject *clip)
{
  const char *file = json_object_get_string_member (clip, "file");
  JsonObject *choices = json_object_get_object_member (clip, "choices");
  g_autoptr (GList) modes = json_object_get_members (choices);
  gsize equal = 0;

  for (GList *l = modes; l; l = l->next) {
    JsonObject *c = json_object_get_object_member (choices, l->data);

    equal += same_choice (l->data, json_object_get_int_member (clip, "frames"),
        json_object_get_array_member (c, "index"));
  }
  report_equal (r, file, equal, g_list_length (modes));
}

void
check_frame_choice_file (Report *r, const char *file)
{
  g_autofree char *folder = g_path_get_dirname (file);
  g_autofree char *name = g_path_get_basename (file);
  g_autoptr (JsonNode) root = read_json (r, folder, name);
  JsonArray *files =
      root ? json_object_get_array_member (json_node_get_object (root), "files")
           : NULL;

  for (guint i = 0; files && i < json_array_get_length (files); i++) {
    JsonObject *clip = json_array_get_object_element (files, i);

    /* clips that Decord could not open hold no choices */
    if (json_object_has_member (clip, "choices"))
      check_clip (r, clip);
  }
}
