/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "convert/origin.h"
#include "log.h"

static const char *
after (const char *name, const char *prefix)
{
  return g_str_has_prefix (name, prefix) ? name + strlen (prefix) : NULL;
}

/* (transfer full): NULL for what is no part of the model. */
static char *
common_name (const char *name)
{
  const char *plain = after (name, "model."), *rest;

  if (!plain || !(after (plain, "vision_tower.") ||
                    after (plain, NEVA_PROJECTOR_PREFIX) ||
                    after (plain, "language_model.")))
    plain = name;
  if ((rest = after (plain, NEVA_TOWER_PREFIX)) ||
      (rest = after (plain, "vision_tower."))) {
    /* the text half of a CLIPModel, and its projections */
    if (after (rest, "text_model.") || after (rest, "visual_projection.") ||
        after (rest, "text_projection.") || !strcmp (rest, "logit_scale") ||
        !strcmp (rest, "logit_bias"))
      return NULL;
    return g_strconcat (NEVA_TOWER_PREFIX, rest, NULL);
  }
  if (after (plain, NEVA_PROJECTOR_PREFIX))
    return g_strdup (plain);
  if (!strcmp (plain, "lm_head.weight") || !strcmp (plain, NEVA_HEAD_NAME))
    return g_strdup (NEVA_HEAD_NAME);
  if ((rest = after (plain, NEVA_TEXT_PREFIX)) ||
      (rest = after (plain, "language_model.")))
    return g_strconcat (NEVA_TEXT_PREFIX, rest, NULL);
  return NULL;
}

static gboolean
list_tensors (NevaOrigin *o, GError **error)
{
  g_autofree const char **names =
      neva_tensor_source_names (o->checkpoint.tensors);

  for (const char **n = names; *n; n++) {
    char *name = common_name (*n);

    if (!name) {
      neva_debug ("tensor '%s' is no part of the model", *n);
      continue;
    }
    g_ptr_array_add (o->names, name);
    if (g_hash_table_insert (o->views, name,
            (gpointer) neva_tensor_source_peek (o->checkpoint.tensors, *n)))
      continue;
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s' is there under two names", o->path, name);
    return FALSE;
  }
  return TRUE;
}

/* What config.json or model_config.yaml says must be what the tensors are: a
 * copy that nobody can open is none. Of each layer the
 * matrices by which its attention reads and writes. */
static gboolean
check_shapes (const NevaOrigin *o, GError **error)
{
  const NevaTextConfig *t = &o->config.text;
  const struct {
    const char *name;
    gsize rows, columns;
  } parts[] = {
      {"q_proj", (gsize) t->heads * t->head_dim, t->hidden},
      {"k_proj", (gsize) t->kv_heads * t->head_dim, t->hidden},
      {"o_proj", t->hidden, (gsize) t->heads * t->head_dim},
  };

  for (gsize i = 0; i < (gsize) t->layers * G_N_ELEMENTS (parts); i++) {
    const gsize layer = i / G_N_ELEMENTS (parts), n = i % G_N_ELEMENTS (parts);
    const NevaTensorView *view = neva_origin_need (o, error,
        NEVA_TEXT_PREFIX "layers.%" G_GSIZE_FORMAT ".self_attn.%s.weight",
        layer, parts[n].name);

    if (!view)
      return FALSE;
    if (view->n_dims == 2 && view->shape[0] == parts[n].rows &&
        view->shape[1] == parts[n].columns)
      continue;
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: layer %" G_GSIZE_FORMAT ": %s is not the %" G_GSIZE_FORMAT
        "×%" G_GSIZE_FORMAT " matrix that the configuration says",
        o->path, layer, parts[n].name, parts[n].rows, parts[n].columns);
    return FALSE;
  }
  return TRUE;
}

gboolean
neva_origin_open (NevaOrigin *o, const char *path,
    const NevaCheckpointParts *parts, GError **error)
{
  o->path = path;
  o->names = g_ptr_array_new_with_free_func (g_free);
  o->views = g_hash_table_new (g_str_hash, g_str_equal);
  if (!neva_checkpoint_open (&o->checkpoint, path, parts, error) ||
      !list_tensors (o, error))
    return FALSE;
  o->config = o->checkpoint.config;
  if (o->config.awq || o->config.int8 || o->config.fp8) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "%s: a checkpoint with quantization_config is neither "
        "converted nor quantised again",
        path);
    return FALSE;
  }
  if (!check_shapes (o, error))
    return FALSE;
  o->tokenizer = neva_tokenizer_open_files (
      o->checkpoint.tokenizer, neva_config_whole_texts (&o->config), error);
  /* a checkpoint that stores the output matrix means it */
  if (neva_origin_find (o, NEVA_HEAD_NAME))
    o->config.text.tied_embeddings = FALSE;
  return o->tokenizer != NULL;
}

void
neva_origin_clear (NevaOrigin *o)
{
  if (o->tokenizer)
    neva_tokenizer_free (o->tokenizer);
  g_clear_pointer (&o->views, g_hash_table_unref);
  g_clear_pointer (&o->names, g_ptr_array_unref);
  g_clear_pointer (&o->quantization, json_node_unref);
  neva_checkpoint_clear (&o->checkpoint);
  o->tokenizer = NULL;
}

const NevaTensorView *
neva_origin_find (const NevaOrigin *o, const char *format, ...)
{
  g_autofree char *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  return g_hash_table_lookup (o->views, name);
}

const NevaTensorView *
neva_origin_need (const NevaOrigin *o, GError **error, const char *format, ...)
{
  g_autofree char *name = NULL;
  const NevaTensorView *view;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  view = g_hash_table_lookup (o->views, name);
  if (!view)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s' is missing", o->path, name);
  return view;
}

/* Every element zero, but ones in the diagonal of a matrix. */
static gboolean
is_unit (const NevaOrigin *o, const NevaTensorView *view, gboolean matrix)
{
  static const guint8 ones[][4] = {{0, 0, 0x80, 0x3f}, {0x80, 0x3f}, {0, 0x3c}};
  const gboolean f32 = !strcmp (view->dtype, "F32");
  const guint8 *one = f32                             ? ones[0]
                      : !strcmp (view->dtype, "BF16") ? ones[1]
                                                      : ones[2];
  const gsize element = f32 ? 4 : 2;
  const guint8 *data =
      neva_tensor_source_data (o->checkpoint.tensors, view, NULL);
  gboolean unit = data != NULL;

  if (!f32 && strcmp (view->dtype, "BF16") && strcmp (view->dtype, "F16"))
    return FALSE;
  for (gsize i = 0; unit && i < view->n_elements; i++, data += element) {
    static const guint8 zero[4];
    const gboolean diagonal =
        matrix && i / view->shape[0] == i % view->shape[0];

    unit = !memcmp (data, diagonal ? one : zero, element);
  }
  neva_tensor_source_release (o->checkpoint.tensors, view);
  return unit;
}

gboolean
neva_origin_is_linear (const NevaOrigin *o)
{
  const NevaConfig *c = &o->config;
  const NevaTensorView *second =
      neva_origin_find (o, NEVA_PROJECTOR_PREFIX "linear_2.weight");
  const NevaTensorView *bias =
      neva_origin_find (o, NEVA_PROJECTOR_PREFIX "linear_2.bias");

  return c->projector_kind == NEVA_PROJECTOR_MLP && c->projector_layers == 2 &&
         c->projector_act == NEVA_ACT_NONE && second && second->n_dims == 2 &&
         second->shape[0] == second->shape[1] && is_unit (o, second, TRUE) &&
         (!bias || is_unit (o, bias, FALSE));
}
