/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the judge is told to do: rule files, and a rule of our own for captions.
 */
#include "config.h"
#include <neva/judge.h>
#include "checkpoint/json_file.h"

#define MAX_RULE_FILE (4u << 20) /* bytes; the published one has 4 KB */

struct _NevaJudgeRules {
  JsonNode *root; /* an object */
};

NevaJudgeRules *
neva_judge_rules_load (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  JsonNode *root = neva_json_file_read (folder, name, MAX_RULE_FILE, error);
  NevaJudgeRules *rules;

  if (!root)
    return NULL;
  rules = g_new (NevaJudgeRules, 1);
  rules->root = root;
  return rules;
}

void
neva_judge_rules_free (NevaJudgeRules *rules)
{
  if (!rules)
    return;
  json_node_unref (rules->root);
  g_free (rules);
}

static const char *
string_member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (!node || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

gboolean
neva_judge_rules_find (const NevaJudgeRules *rules, const char *category,
    const char **role, const char **prompt)
{
  JsonNode *node =
      json_object_get_member (json_node_get_object (rules->root), category);
  const char *r, *p;

  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  r = string_member (json_node_get_object (node), "role");
  p = string_member (json_node_get_object (node), "prompt");
  if (!r || !p)
    return FALSE;
  *role = r;
  *prompt = p;
  return TRUE;
}

char *
neva_judge_caption_rule (gsize n)
{
  if (n == 1)
    return g_strdup (
        "The caption above describes a part of a video. Judge how well it does "
        "that, going by the context as far as there is one: is it true, is it "
        "complete, is it specific, and does it read well? Length alone earns "
        "nothing. Give it a score from 1 to 10, higher is better. The first "
        "line of your reply holds the score and nothing else. From the second "
        "line on, explain it briefly.");
  return g_strdup_printf (
      "The %" G_GSIZE_FORMAT
      " captions above describe the same part of a video. Judge how well each "
      "of them does that, going by the context as far as there is one: is it "
      "true, is it complete, is it specific, and does it read well? Length "
      "alone earns nothing, nor does the place in the list. Give each caption "
      "a score from 1 to 10, higher is better. The first line of your reply "
      "holds the %" G_GSIZE_FORMAT
      " scores and nothing else, in the order of the captions, separated by "
      "spaces. From the second line on, explain them briefly.",
      n, n);
}
