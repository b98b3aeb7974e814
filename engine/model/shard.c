/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "shard.h"

#include <string.h>

static gboolean
divides (
    const char *what, guint n, const char *parallel, guint by, GError **error)
{
  if (n % by == 0)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "%s parallel %u: the model's %u %s cannot be shared evenly", parallel, by,
      n, what);
  return FALSE;
}

gboolean
neva_shard_check (const NevaTextConfig *c, guint tp, guint pp, GError **error)
{
  return divides ("attention heads", c->heads, "tensor", tp, error) &&
         divides ("key-value heads", c->kv_heads, "tensor", tp, error) &&
         divides ("MLP columns", c->ffn, "tensor", tp, error) &&
         divides ("vocabulary entries", c->vocab, "tensor", tp, error) &&
         divides ("layers", c->layers, "pipeline", pp, error);
}

NevaTextConfig
neva_shard_config (const NevaTextConfig *whole, const NevaShard *s)
{
  NevaTextConfig own = *whole;

  own.heads /= s->tp;
  own.kv_heads /= s->tp;
  own.ffn /= s->tp;
  own.vocab /= s->tp;
  own.layers /= s->pp;
  memmove (own.window_layers, whole->window_layers + s->stage * own.layers,
      own.layers);
  return own;
}
