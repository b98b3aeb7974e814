/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "bytelevel.h"
#include "json_member.h"
#include "normalizer.h"
#include "pattern.h"
#include "utf8.h"

typedef enum {
  UNICODE, /* mode */
  PREPEND, /* content */
  REPLACE, /* pattern -> content */
  LOWERCASE,
  STRIP, /* left, right */
  STRIP_ACCENTS,
  BYTE_LEVEL
} Kind;

typedef struct {
  Kind kind;
  GNormalizeMode mode;
  char *content;
  NevaPattern *pattern;
  gboolean left, right;
} Step;

/* Sequences are flattened. */
struct _NevaNormalizer {
  GArray *steps;
};

static void
step_clear (gpointer data)
{
  Step *step = data;

  g_free (step->content);
  neva_pattern_free (step->pattern);
}

void
neva_normalizer_free (NevaNormalizer *self)
{
  if (!self)
    return;

  g_array_unref (self->steps);
  g_free (self);
}

static gboolean
parse_step (JsonObject *object, const char *type, Step *step, GError **error)
{
  static const struct {
    const char *name;
    Step step;
  } simple[] = {
      {"NFC", {.kind = UNICODE, .mode = G_NORMALIZE_NFC}},
      {"NFD", {.kind = UNICODE, .mode = G_NORMALIZE_NFD}},
      {"NFKC", {.kind = UNICODE, .mode = G_NORMALIZE_NFKC}},
      {"NFKD", {.kind = UNICODE, .mode = G_NORMALIZE_NFKD}},
      {"Lowercase", {.kind = LOWERCASE}},
      {"StripAccents", {.kind = STRIP_ACCENTS}},
      {"ByteLevel", {.kind = BYTE_LEVEL}},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (simple); i++) {
    if (g_strcmp0 (type, simple[i].name) == 0) {
      *step = simple[i].step;
      return TRUE;
    }
  }
  if (g_strcmp0 (type, "Strip") == 0) {
    step->kind = STRIP;
    step->left = json_member_boolean (object, "strip_left", TRUE);
    step->right = json_member_boolean (object, "strip_right", TRUE);
  } else if (g_strcmp0 (type, "Prepend") == 0) {
    step->kind = PREPEND;
    step->content = g_strdup (json_member_string (object, "prepend", ""));
  } else if (g_strcmp0 (type, "Replace") == 0) {
    step->kind = REPLACE;
    step->content = g_strdup (json_member_string (object, "content", ""));
    step->pattern = neva_pattern_parse (json_member (object, "pattern"), error);
    return step->pattern != NULL;
  } else {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "normalizer type \"%s\" is not supported", type ? type : "(none)");
    return FALSE;
  }
  return TRUE;
}

static gboolean
parse_node (GArray *steps, JsonNode *node, GError **error)
{
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT (node)
                           ? json_node_get_object (node)
                           : NULL;
  const char *type = json_member_string (object, "type", NULL);
  JsonArray *list = json_member_array (object, "normalizers");
  Step step = {0};

  if (g_strcmp0 (type, "Sequence") != 0 || !list) {
    const gboolean ok = parse_step (object, type, &step, error);

    g_array_append_val (steps, step);
    return ok;
  }
  for (guint i = 0; i < json_array_get_length (list); i++)
    if (!parse_node (steps, json_array_get_element (list, i), error))
      return FALSE;
  return TRUE;
}

NevaNormalizer *
neva_normalizer_parse (JsonNode *node, GError **error)
{
  g_autoptr (NevaNormalizer) self = g_new0 (NevaNormalizer, 1);

  self->steps = g_array_new (FALSE, FALSE, sizeof (Step));
  g_array_set_clear_func (self->steps, step_clear);
  if (node && !JSON_NODE_HOLDS_NULL (node) &&
      !parse_node (self->steps, node, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* GLib's normalisation stops at NUL, which composes with nothing: the parts
 * between are independent. */
static void
unicode (GString *text, GNormalizeMode mode)
{
  g_autoptr (GString) out = g_string_sized_new (text->len);
  gsize at = 0;

  for (;;) {
    const gsize length = strlen (text->str + at);
    g_autofree char *part =
        g_utf8_normalize (text->str + at, (gssize) length, mode);

    g_string_append (out, part ? part : "");
    at += length;
    if (at >= text->len)
      break;
    g_string_append_c (out, '\0');
    at++;
  }
  g_string_truncate (text, 0);
  g_string_append_len (text, out->str, (gssize) out->len);
}

static gboolean
replace (const Step *step, GString *text, GError **error)
{
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (NevaSpan));
  g_autoptr (GString) out = NULL;

  if (!neva_pattern_cut (step->pattern, text->str, text->len, spans, error))
    return FALSE;

  out = g_string_sized_new (text->len);
  for (guint i = 0; i < spans->len; i++) {
    const NevaSpan *span = &g_array_index (spans, NevaSpan, i);

    if (span->match)
      g_string_append (out, step->content);
    else
      g_string_append_len (out, text->str + span->start, (gssize) span->length);
  }
  g_string_truncate (text, 0);
  g_string_append_len (text, out->str, (gssize) out->len);
  return TRUE;
}

static void
by_character (const Step *step, GString *text)
{
  g_autoptr (GString) out = g_string_sized_new (text->len);

  for (const char *p = text->str; p < text->str + text->len;
       p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);

    if (step->kind == STRIP_ACCENTS) {
      if (g_unichar_type (c) != G_UNICODE_NON_SPACING_MARK)
        g_string_append_unichar (out, c);
    } else if (c == 0x130) { /* the only character whose lower case is two */
      g_string_append (out, "i\xcc\x87");
    } else {
      g_string_append_unichar (out, g_unichar_tolower (c));
    }
  }
  g_string_truncate (text, 0);
  g_string_append_len (text, out->str, (gssize) out->len);
}

static void
strip (const Step *step, GString *text)
{
  const char *p = text->str, *end = text->str + text->len;

  while (step->right && end > p) {
    const char *last = g_utf8_find_prev_char (p, end);

    if (!last || !neva_utf8_is_space (g_utf8_get_char (last)))
      break;
    end = last;
  }
  g_string_truncate (text, (gsize) (end - text->str));
  while (step->left && p < end && neva_utf8_is_space (g_utf8_get_char (p)))
    p = g_utf8_next_char (p);
  g_string_erase (text, 0, p - text->str);
}

static void
byte_level (GString *text)
{
  g_autofree char *bytes = g_memdup2 (text->str, text->len);
  const gsize length = text->len;

  g_string_truncate (text, 0);
  neva_bytelevel_encode (bytes, length, text);
}

gboolean
neva_normalizer_run (const NevaNormalizer *self, GString *text, GError **error)
{
  for (guint i = 0; i < self->steps->len && text->len > 0; i++) {
    const Step *step = &g_array_index (self->steps, Step, i);

    switch (step->kind) {
      case UNICODE:
        unicode (text, step->mode);
        break;
      case PREPEND:
        g_string_prepend (text, step->content);
        break;
      case REPLACE:
        if (!replace (step, text, error))
          return FALSE;
        break;
      case LOWERCASE:
      case STRIP_ACCENTS:
        by_character (step, text);
        break;
      case STRIP:
        strip (step, text);
        break;
      case BYTE_LEVEL:
        byte_level (text);
        break;
    }
  }
  return TRUE;
}
