/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices that a checkpoint stores as codes of 4 or 8 bits, or E4M3: taken as
 * they are, or, where other weights were asked for, made of what they stand
 * for. */
#include "config.h"
#include "weights_private.h"
#include "checkpoint/awq.h"
#include "checkpoint/e4m3.h"
#include "checkpoint/int8.h"

#include <string.h>
#include "fp8.h"

/* A rank's part [n, k] of a matrix. */
typedef struct {
  NevaDType type; /* of the codes: I4, I8 or E4M3 */
  NevaAwq awq;
  NevaInt8 int8;
  NevaE4m3 e4m3;
  gsize n0, k0, k;
} Codes;

static const NevaTensorView *
view_of (const Codes *c)
{
  return c->type == NEVA_DTYPE_I4   ? c->awq.codes
         : c->type == NEVA_DTYPE_I8 ? c->int8.codes
                                    : c->e4m3.codes;
}

static void
give_i4 (gpointer data, gsize n0, gsize rows, guint8 *codes, float *scale,
    float *low)
{
  const Codes *c = data;

  neva_awq_read (&c->awq, c->n0 + n0, rows, c->k0, c->k, codes, scale, low);
}

/* A row's scale is the scale of each of its groups. */
static void
give_i8 (gpointer data, gsize n0, gsize rows, guint8 *codes, float *scale,
    float *low)
{
  const Codes *c = data;
  const gsize groups = (c->k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP;

  (void) low;
  for (gsize r = 0; r < rows; r++) {
    const gsize row = c->n0 + n0 + r;
    const float s = neva_int8_scale (&c->int8, row);

    memcpy (codes + r * c->k, neva_int8_codes (&c->int8, row) + c->k0, c->k);
    for (gsize g = 0; g < groups; g++)
      *scale++ = s;
  }
}

/* A scale for all, and the input's. */
static void
give_e4m3 (gpointer data, gsize n0, gsize rows, guint8 *codes, float *scale,
    float *low)
{
  const Codes *c = data;

  for (gsize r = 0; r < rows; r++)
    memcpy (codes + r * c->k,
        neva_e4m3_codes (&c->e4m3, c->n0 + n0 + r) + c->k0, c->k);
  *scale = c->e4m3.scale;
  *low = c->e4m3.input_scale;
}

static void
decode_i4 (const Codes *c, float *w, gsize n)
{
  const gsize first = c->k0 / NEVA_QUANT_GROUP, step = NEVA_MATMUL_PANEL;
  const gsize groups =
      (c->k0 + c->k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP - first;
  g_autofree guint8 *codes = g_new (guint8, step * c->k);
  g_autofree float *scale = g_new (float, step *groups);
  g_autofree float *low = g_new (float, step *groups);

  for (gsize r = 0; r < n; r++) {
    const gsize at = r % step;

    if (!at)
      neva_awq_read (&c->awq, c->n0 + r, MIN (step, n - r), c->k0, c->k, codes,
          scale, low);
    for (gsize i = 0; i < c->k; i++) {
      const gsize g = at * groups + (c->k0 + i) / NEVA_QUANT_GROUP - first;

      w[r * c->k + i] = scale[g] * (float) codes[at * c->k + i] + low[g];
    }
  }
}

static void
decode_i8 (const Codes *c, float *w, gsize n)
{
  for (gsize r = 0; r < n; r++) {
    const float scale = neva_int8_scale (&c->int8, c->n0 + r);
    const gint8 *codes = neva_int8_codes (&c->int8, c->n0 + r) + c->k0;

    for (gsize i = 0; i < c->k; i++)
      w[r * c->k + i] = scale * (float) codes[i];
  }
}

static void
decode_e4m3 (const Codes *c, float *w, gsize n)
{
  for (gsize r = 0; r < n; r++) {
    const guint8 *codes = neva_e4m3_codes (&c->e4m3, c->n0 + r) + c->k0;

    for (gsize i = 0; i < c->k; i++)
      w[r * c->k + i] = c->e4m3.scale * neva_e4m3_to_f32 (codes[i]);
  }
}

/* What codes of `type` become for a matrix of that role. */
static NevaDType
target_type (NevaWeights mode, NevaDType type, NevaRole role)
{
  switch (mode) {
    case NEVA_WEIGHTS_AUTO:
      return type;
    case NEVA_WEIGHTS_F32:
      return NEVA_DTYPE_F32;
    case NEVA_WEIGHTS_BF16:
      return NEVA_DTYPE_BF16;
    case NEVA_WEIGHTS_INT8:
      return NEVA_DTYPE_I8;
    case NEVA_WEIGHTS_INT4:
      return role == NEVA_ROLE_TEXT    ? NEVA_DTYPE_I4
             : type == NEVA_DTYPE_E4M3 ? NEVA_DTYPE_I8
                                       : type;
  }
  return type;
}

static gboolean
init_as_they_are (
    NevaWeightStore *s, NevaMatrix *m, Codes *c, gsize n, GError **error)
{
  const gsize group = NEVA_QUANT_GROUP;

  if (c->type == NEVA_DTYPE_I4 && (c->k0 % group || c->k % group)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "%" G_GSIZE_FORMAT " columns cannot be shared by %u ranks in whole "
        "groups of 128",
        c->awq.k, s->ranks);
    return FALSE;
  }
  return neva_backend_matrix_codes (s->backend, m, c->type,
      c->type == NEVA_DTYPE_I4   ? give_i4
      : c->type == NEVA_DTYPE_I8 ? give_i8
                                 : give_e4m3,
      c, n, c->k, error);
}

static gboolean
init_from_codes (NevaWeightStore *s, NevaMatrix *m, NevaRole role, Codes *c,
    gsize n, GError **error)
{
  const NevaDType type = target_type (s->mode, c->type, role);
  g_autofree float *w = NULL;

  if (type == c->type)
    return init_as_they_are (s, m, c, n, error);
  if (!(w = g_try_malloc_n (n, c->k * sizeof *w))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "no memory for it");
    return FALSE;
  }
  if (c->type == NEVA_DTYPE_I4)
    decode_i4 (c, w, n);
  else if (c->type == NEVA_DTYPE_E4M3)
    decode_e4m3 (c, w, n);
  else
    decode_i8 (c, w, n);
  if (!neva_backend_matrix_init (
          s->backend, m, type, w, NEVA_DTYPE_F32, n, c->k, error))
    return FALSE;
  if (!m->owned)
    g_ptr_array_add (s->parts, g_steal_pointer (&w));
  return TRUE;
}

/* The whole matrix [n, k]. */
static gboolean
open_codes (NevaWeightStore *s, Codes *c, const char *name, gsize n, gsize k)
{
  if (c->type == NEVA_DTYPE_I4)
    return neva_awq_open (&c->awq, s->source, s->awq, name, n, k, &s->fault);
  if (c->type == NEVA_DTYPE_E4M3 && s->fp8)
    return neva_e4m3_open (&c->e4m3, s->source, name, n, k, &s->fault);
  if (c->type == NEVA_DTYPE_I8 && s->int8)
    return neva_int8_open (&c->int8, s->source, name, n, k, &s->fault);
  g_set_error (&s->fault, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s' is stored as %s, and config.json has no quantization_config "
      "that says so",
      name, c->type == NEVA_DTYPE_I8 ? "8-bit codes" : "F8_E4M3");
  return FALSE;
}

static void
count_tensors (NevaWeightStore *s, const Codes *c)
{
  if (c->type == NEVA_DTYPE_I4) {
    neva_weights_step (s, c->awq.zeros);
    neva_weights_step (s, c->awq.scales);
  } else if (c->type == NEVA_DTYPE_I8) {
    neva_weights_step (s, c->int8.scales);
  }
  neva_weights_step (s, view_of (c));
}

gboolean
neva_weights_load_codes (NevaWeightStore *s, NevaMatrix *m, NevaRole role,
    NevaSplit split, gsize n, gsize k, const char *name)
{
  const gsize down = split == NEVA_SPLIT_ROWS ? s->ranks : 1;
  const gsize across = split == NEVA_SPLIT_COLUMNS ? s->ranks : 1;
  Codes c = {.type = NEVA_DTYPE_I4,
      .n0 = down > 1 ? s->rank * n : 0,
      .k0 = across > 1 ? s->rank * k : 0,
      .k = k};

  if (!neva_awq_has (s->source, name)) {
    if (neva_int8_has (s->source, name))
      c.type = NEVA_DTYPE_I8;
    else if (neva_e4m3_has (s->source, name))
      c.type = NEVA_DTYPE_E4M3;
    else
      return FALSE;
  }
  if (!open_codes (s, &c, name, n * down, k * across))
    return TRUE;
  if (init_from_codes (s, m, role, &c, n, &s->fault)) {
    neva_weights_keep (s, m, role, n * k * sizeof (float));
    count_tensors (s, &c);
  } else {
    g_prefix_error (&s->fault, "tensor '%s' (%s, file %s): ", name,
        c.type == NEVA_DTYPE_I4   ? "AWQ"
        : c.type == NEVA_DTYPE_I8 ? "8-bit codes"
                                  : "fp8",
        neva_tensor_source_file (s->source, view_of (&c)));
  }
  if (c.type == NEVA_DTYPE_I4)
    neva_awq_close (&c.awq);
  else if (c.type == NEVA_DTYPE_E4M3)
    neva_e4m3_close (&c.e4m3);
  else
    neva_int8_close (&c.int8);
  return TRUE;
}
