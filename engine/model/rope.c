/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "rope.h"

#include <math.h>

/* Llama 3: long waves are stretched by the factor, short ones stay, those in
 * between are blended. */
static float
scale_llama3 (float freq, const NevaTextConfig *c)
{
  const float context = (float) c->rope_original_context;
  const float wave = (float) (2.0 * G_PI) / freq;
  float smooth;

  if (wave > context / c->rope_low_freq)
    return freq / c->rope_factor;
  if (wave < context / c->rope_high_freq)
    return freq;
  smooth = (context / wave - c->rope_low_freq) /
           (c->rope_high_freq - c->rope_low_freq);
  return (1.0f - smooth) * freq / c->rope_factor + smooth * freq;
}

void
neva_rope_init (NevaRope *rope, const NevaTextConfig *c)
{
  rope->rot = (gsize) ((float) c->head_dim * c->rope_fraction) / 2 * 2;
  rope->inv_freq = g_new (float, rope->rot / 2 + 1);
  for (gsize i = 0; i < rope->rot / 2; i++) {
    const float exponent = (float) (2 * i) / (float) rope->rot;
    float freq = 1.0f / (float) pow (c->rope_base, exponent);

    switch (c->rope_kind) {
      case NEVA_ROPE_DEFAULT:
        break;
      case NEVA_ROPE_LINEAR:
        freq /= c->rope_factor;
        break;
      case NEVA_ROPE_LLAMA3:
        freq = scale_llama3 (freq, c);
        break;
    }
    rope->inv_freq[i] = freq;
  }
}

void
neva_rope_round_bf16 (NevaRope *rope)
{
  for (gsize i = 0; i < rope->rot / 2; i++)
    rope->inv_freq[i] = neva_bf16_to_f32 (neva_f32_to_bf16 (rope->inv_freq[i]));
}

void
neva_rope_clear (NevaRope *rope)
{
  g_clear_pointer (&rope->inv_freq, g_free);
}

void
neva_rope_angles (
    const NevaRope *rope, gsize position, float *cosine, float *sine)
{
  for (gsize i = 0; i < rope->rot / 2; i++) {
    const float angle = (float) position * rope->inv_freq[i];

    cosine[i] = (float) cos (angle);
    sine[i] = (float) sin (angle);
  }
}
