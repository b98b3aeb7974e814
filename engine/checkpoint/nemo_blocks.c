/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "checkpoint/nemo_blocks.h"

void
neva_nemo_read_activation (const NevaHfReader *r, gboolean bias, gboolean fused,
    NevaAct *act, gboolean *gated)
{
  static const struct {
    const char *name;
    NevaAct act;
    gboolean gated;
  } table[] = {{"gelu", NEVA_ACT_GELU_ERF, FALSE},
      {"geglu", NEVA_ACT_GELU_ERF, TRUE},
      {"fast-geglu", NEVA_ACT_GELU_ERF, TRUE},
      {"approx-gelu", NEVA_ACT_GELU_QUICK, FALSE},
      {"quick-gelu", NEVA_ACT_GELU_QUICK, FALSE},
      {"squared-relu", NEVA_ACT_RELU2, FALSE}, {"swiglu", NEVA_ACT_SILU, TRUE},
      {"fast-swiglu", NEVA_ACT_SILU, TRUE}};
  const char *name = neva_hf_string (r, "activation", "gelu");
  gsize i = 0;

  fused = neva_hf_bool (r, "bias_activation_fusion", fused);
  while (i < G_N_ELEMENTS (table) && strcmp (table[i].name, name))
    i++;
  if (i == G_N_ELEMENTS (table)) {
    neva_hf_fail (
        r, "activation", NEVA_ERROR_UNSUPPORTED, "'%s' is not supported", name);
    return;
  }
  *act = table[i].act;
  *gated = table[i].gated;
  /* goes before all other names in the original */
  if (neva_hf_bool (r, "openai_gelu", FALSE) ||
      (*act == NEVA_ACT_GELU_ERF && fused && (bias || *gated)))
    *act = NEVA_ACT_GELU_TANH;
}

static void
want_text (const NevaHfReader *r, const char *key, const char *value)
{
  const char *found = neva_hf_string (r, key, value);

  if (strcmp (found, value))
    neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED, "'%s' is not supported (%s)",
        found, value);
}

static void
want_switch (const NevaHfReader *r, const char *key, gboolean value)
{
  if (neva_hf_bool (r, key, value) != value)
    neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED, "%s is not supported",
        value ? "false" : "true");
}

void
neva_nemo_check_block (const NevaHfReader *r)
{
  want_text (r, "transformer_block_type", "pre_ln");
  want_text (r, "attention_type", "multihead");
  want_switch (r, "headscale", FALSE);
  want_switch (r, "layerscale", FALSE);
  want_switch (r, "multi_query_attention", FALSE);
  want_switch (r, "normalize_attention_scores", TRUE);
  want_switch (r, "rotary_interleaved", FALSE);
}
