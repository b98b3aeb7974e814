/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors of the result, made when they are written: one matrix is in memory at
 * a time. */
#include "config.h"
#include "quantize/quantizer.h"

#include <math.h>
#include <neva/error.h>
#include <string.h>
#include "quantize/codes.h"

typedef enum {
  MADE_QWEIGHT, /* AWQ */
  MADE_QZEROS,
  MADE_SCALES,
  MADE_CODES, /* int8 */
  MADE_CODE_SCALE,
  MADE_E4M3, /* fp8 */
  MADE_E4M3_SCALE,
  MADE_INPUT_SCALE,
  MADE_MATRIX, /* scaled */
  MADE_VECTOR
} MadeKind;

typedef struct {
  NevaQuantizer *q;
  MadeKind kind;
  char *stem;
  const NevaTensorView *view;
  gsize n, k; /* k 0: a vector */
} Made;

/* The matrix whose tensors are written one after the other. */
struct _NevaMadeCodes {
  const NevaTensorView *view;
  guint8 *codes;  /* [n][k] */
  guint16 *scale; /* [n][groups], or [n] */
  guint8 *zero;   /* [n][groups] */
  float whole;    /* E4M3: the scale of all */
};

void
neva_made_codes_free (struct _NevaMadeCodes *c)
{
  if (!c)
    return;
  g_free (c->codes);
  g_free (c->scale);
  g_free (c->zero);
  g_free (c);
}

/* ---- Numbers ------------------------------------------------------------ */

static const float *
scales_of (GHashTable *table, const char *stem)
{
  const GArray *scales = g_hash_table_lookup (table, stem);

  return scales ? (const float *) (gconstpointer) scales->data : NULL;
}

static float *
read_scaled (const Made *m, GError **error)
{
  const float *columns = scales_of (m->q->columns, m->stem);
  const float *rows = scales_of (m->q->rows, m->stem);
  float *w = neva_quantizer_read (m->q, m->view, error);

  for (gsize r = 0; w && r < m->n; r++) {
    for (gsize i = 0; i < m->k; i++)
      w[r * m->k + i] *= (columns ? columns[i] : 1) / (rows ? rows[r] : 1);
  }
  return w;
}

static gboolean
fail (const Made *m, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s.weight': holds a NaN, or numbers beyond what 16 bits hold",
      m->stem);
  return FALSE;
}

static gboolean
round_awq (
    const Made *m, struct _NevaMadeCodes *c, const float *w, GError **error)
{
  const gsize groups = m->n * (m->k / NEVA_QUANT_GROUP);

  c->scale = g_new (guint16, groups);
  c->zero = g_new (guint8, groups);
  for (gsize g = 0; g < groups; g++) {
    const gsize at = g * NEVA_QUANT_GROUP;

    if (!neva_awq_round_group (
            w + at, c->codes + at, &c->scale[g], &c->zero[g]))
      return fail (m, error);
  }
  return TRUE;
}

static gboolean
round_int8 (
    const Made *m, struct _NevaMadeCodes *c, const float *w, GError **error)
{
  c->scale = g_new (guint16, m->n);
  for (gsize r = 0; r < m->n; r++) {
    if (!neva_int8_round_row (
            w + r * m->k, m->k, (gint8 *) c->codes + r * m->k, &c->scale[r]))
      return fail (m, error);
  }
  return TRUE;
}

static gboolean
round_e4m3 (
    const Made *m, struct _NevaMadeCodes *c, const float *w, GError **error)
{
  return neva_e4m3_round (w, m->n * m->k, c->codes, &c->whole) ||
         fail (m, error);
}

static gboolean
round_matrix (
    const Made *m, struct _NevaMadeCodes *c, const float *w, GError **error)
{
  if (m->kind < MADE_CODES)
    return round_awq (m, c, w, error);
  if (m->kind < MADE_E4M3)
    return round_int8 (m, c, w, error);
  return round_e4m3 (m, c, w, error);
}

static const struct _NevaMadeCodes *
codes_of (const Made *m, GError **error)
{
  g_autofree float *w = NULL;
  struct _NevaMadeCodes *c = m->q->codes;

  if (c && c->view == m->view)
    return c;
  g_clear_pointer (&m->q->codes, neva_made_codes_free);
  if (!(w = read_scaled (m, error)))
    return NULL;
  c = m->q->codes = g_new0 (struct _NevaMadeCodes, 1);
  c->view = m->view;
  if (!(c->codes = g_try_malloc_n (m->n, m->k))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "tensor '%s.weight': no memory for its codes", m->stem);
    return NULL;
  }
  return round_matrix (m, c, w, error) ? c : NULL;
}

/* ---- AWQ's GEMM layout: checkpoint/awq.h -------------------------------- */

/* `rows` words of 8 outputs for each input (or group): from [n][width]. */
static void
write_words (
    const guint8 *from, gsize n, gsize width, gsize column, NevaSink *sink)
{
  static const guint8 order[8] = {0, 2, 4, 6, 1, 3, 5, 7};

  for (gsize r = 0; r < n; r += 8) {
    guint32 word = 0;
    guint8 bytes[4];

    for (guint i = 0; i < 8; i++)
      word |= (guint32) from[(r + order[i]) * width + column] << (4 * i);
    neva_put_le (bytes, word, sizeof bytes);
    neva_sink_write (sink, bytes, sizeof bytes);
  }
}

static void
write_half (NevaSink *sink, guint16 half)
{
  guint8 bytes[2];

  neva_put_le (bytes, half, sizeof bytes);
  neva_sink_write (sink, bytes, sizeof bytes);
}

static void
write_number (NevaSink *sink, const char *dtype, float f)
{
  guint8 bytes[4];
  guint32 bits;

  if (g_str_equal (dtype, "BF16")) {
    write_half (sink, neva_f32_to_bf16 (f));
  } else if (g_str_equal (dtype, "F16")) {
    write_half (sink, neva_f32_to_f16 (f));
  } else {
    memcpy (&bits, &f, sizeof bits);
    neva_put_le (bytes, bits, sizeof bytes);
    neva_sink_write (sink, bytes, sizeof bytes);
  }
}

static gboolean
write_codes (gpointer data, NevaSink *sink, GError **error)
{
  const Made *m = data;
  const struct _NevaMadeCodes *c = codes_of (m, error);
  const gsize groups = m->k / NEVA_QUANT_GROUP;

  if (!c)
    return FALSE;
  switch (m->kind) {
    case MADE_QWEIGHT:
      for (gsize i = 0; i < m->k; i++)
        write_words (c->codes, m->n, m->k, i, sink);
      break;
    case MADE_QZEROS:
      for (gsize g = 0; g < groups; g++)
        write_words (c->zero, m->n, groups, g, sink);
      break;
    case MADE_SCALES:
      for (gsize g = 0; g < groups; g++)
        for (gsize r = 0; r < m->n; r++)
          write_half (sink, c->scale[r * groups + g]);
      break;
    case MADE_CODES:
      neva_sink_write (sink, c->codes, m->n * m->k);
      break;
    case MADE_CODE_SCALE:
      for (gsize r = 0; r < m->n; r++)
        write_half (sink, c->scale[r]);
      break;
    case MADE_E4M3:
      neva_sink_write (sink, c->codes, m->n * m->k);
      break;
    case MADE_E4M3_SCALE:
      write_number (sink, "F32", c->whole);
      break;
    case MADE_INPUT_SCALE:
    case MADE_MATRIX:
    case MADE_VECTOR:
      break;
  }
  return TRUE;
}

static gboolean
write_input_scale (gpointer data, NevaSink *sink, GError **error)
{
  const Made *m = data;
  const NevaInput *input = g_hash_table_lookup (m->q->inputs, m->stem);

  (void) error;
  write_number (sink, "F32", neva_e4m3_input_scale (input->max, input->k));
  return TRUE;
}

/* ---- What is only scaled ------------------------------------------------ */

/* A router decides; what it is made of is not rounded again. */
static const char *
matrix_type (const NevaQuantizer *q, const char *stem, const char *stored)
{
  for (guint i = 0; i < q->sites->len; i++) {
    const NevaSite *s = q->sites->pdata[i];

    if (s->router && g_str_equal (s->router, stem))
      return "F32";
  }
  return stored;
}

static gboolean
write_matrix (gpointer data, NevaSink *sink, GError **error)
{
  const Made *m = data;
  const char *type = matrix_type (m->q, m->stem, m->view->dtype);
  g_autofree float *w = read_scaled (m, error);

  for (gsize i = 0; w && i < m->n * m->k; i++)
    write_number (sink, type, w[i]);
  return w != NULL;
}

/* A norm's weight, or any bias. */
static gboolean
write_vector (gpointer data, NevaSink *sink, GError **error)
{
  const Made *m = data;
  const gboolean one = g_hash_table_contains (m->q->plus_one, m->stem) &&
                       g_str_has_suffix (m->view->name, ".weight");
  const float *rows = scales_of (m->q->rows, m->stem);
  g_autofree float *w = neva_quantizer_read (m->q, m->view, error);

  for (gsize i = 0; w && i < m->n; i++)
    write_number (sink, "F32", one ? (w[i] + 1) / rows[i] - 1 : w[i] / rows[i]);
  return w != NULL;
}

/* ---- The list ----------------------------------------------------------- */

void
neva_made_free (gpointer data)
{
  Made *m = data;

  g_free (m->stem);
  g_free (m);
}

static Made *
new_made (NevaQuantizer *q, MadeKind kind, const char *stem,
    const NevaTensorView *view, gsize k)
{
  Made *m = g_new0 (Made, 1);

  *m = (Made){q, kind, g_strdup (stem), view, view->shape[0], k};
  g_ptr_array_add (q->made, m);
  return m;
}

static void
add_coded (NevaQuantizer *q, NevaOutList *list, const char *stem,
    const NevaTensorView *v)
{
  const gsize n = v->shape[0], k = v->n_elements / n;
  const gsize groups = k / NEVA_QUANT_GROUP;

  if (q->options->algorithm == NEVA_QUANTIZE_AWQ) {
    neva_out_made (neva_out_add (list, "%s.qweight", stem), "I32", k, n / 8,
        write_codes, new_made (q, MADE_QWEIGHT, stem, v, k));
    neva_out_made (neva_out_add (list, "%s.qzeros", stem), "I32", groups, n / 8,
        write_codes, new_made (q, MADE_QZEROS, stem, v, k));
    neva_out_made (neva_out_add (list, "%s.scales", stem), "F16", groups, n,
        write_codes, new_made (q, MADE_SCALES, stem, v, k));
  } else if (q->options->algorithm == NEVA_QUANTIZE_FP8) {
    neva_out_made (neva_out_add (list, "%s.weight", stem), "F8_E4M3", n, k,
        write_codes, new_made (q, MADE_E4M3, stem, v, k));
    neva_out_made (neva_out_add (list, "%s.weight_scale", stem), "F32", 1, 0,
        write_codes, new_made (q, MADE_E4M3_SCALE, stem, v, k));
    neva_out_made (neva_out_add (list, "%s.input_scale", stem), "F32", 1, 0,
        write_input_scale, new_made (q, MADE_INPUT_SCALE, stem, v, k));
  } else {
    neva_out_made (neva_out_add (list, "%s.weight", stem), "I8", n, k,
        write_codes, new_made (q, MADE_CODES, stem, v, k));
    neva_out_made (neva_out_add (list, "%s.weight_scale", stem), "BF16", n, 1,
        write_codes, new_made (q, MADE_CODE_SCALE, stem, v, k));
  }
}

static void
add_scaled (NevaQuantizer *q, NevaOutList *list, const char *name,
    const char *stem, const NevaTensorView *v)
{
  const gsize n = v->shape[0], k = v->n_dims > 1 ? v->n_elements / n : 0;

  if (k)
    neva_out_made (neva_out_add (list, "%s", name),
        matrix_type (q, stem, v->dtype), n, k, write_matrix,
        new_made (q, MADE_MATRIX, stem, v, k));
  else
    neva_out_made (neva_out_add (list, "%s", name), "F32", n, 0, write_vector,
        new_made (q, MADE_VECTOR, stem, v, 0));
}

/* Scales are as long as the tensor that they are for? */
static gboolean
check_scales (const NevaQuantizer *q, const char *stem, const NevaTensorView *v,
    GError **error)
{
  const GArray *rows = g_hash_table_lookup (q->rows, stem);
  const GArray *columns = g_hash_table_lookup (q->columns, stem);
  const gsize n = v->n_dims ? v->shape[0] : 0;

  if ((!rows || rows->len == n) &&
      (!columns || v->n_dims < 2 || columns->len == v->n_elements / n))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s': %" G_GSIZE_FORMAT " rows, and what follows has %u channels",
      v->name, n, rows ? rows->len : columns->len);
  return FALSE;
}

/* FALSE: the tensor stays as it is. */
static gboolean
replace (NevaQuantizer *q, NevaOutList *list, const char *name, GError **error)
{
  const NevaTensorView *view = neva_origin_find (&q->origin, "%s", name);
  const gboolean weight = g_str_has_suffix (name, ".weight");
  const gboolean bias = g_str_has_suffix (name, ".bias");
  g_autofree char *stem = g_strdup (name);
  gboolean scaled;

  if (!view || !(weight || bias))
    return FALSE;
  *strrchr (stem, '.') = 0;
  scaled = g_hash_table_contains (q->rows, stem) ||
           (weight && g_hash_table_contains (q->columns, stem));
  if (scaled && !check_scales (q, stem, view, error))
    return FALSE;
  if (weight && g_hash_table_contains (q->coded, stem))
    add_coded (q, list, stem, view);
  else if (scaled)
    add_scaled (q, list, name, stem, view);
  else
    return FALSE;
  return TRUE;
}

NevaOutList *
neva_quantizer_tensors (NevaQuantizer *q, NevaOutList *source, GError **error)
{
  g_autoptr (GPtrArray) from = source;
  g_autoptr (GPtrArray) list = neva_out_list_new ();
  GError *fault = NULL;

  for (guint i = 0; i < from->len && !fault; i++) {
    const NevaOutTensor *t = from->pdata[i];

    if (!replace (q, list, t->name, &fault))
      g_ptr_array_add (list, g_steal_pointer (&from->pdata[i]));
  }
  if (!fault)
    return g_steal_pointer (&list);
  g_propagate_error (error, fault);
  return NULL;
}
