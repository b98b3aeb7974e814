/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "quantize/quantizer.h"

#include <math.h>
#include <neva/error.h>
#include <string.h>
#include "log.h"
#include "quantize/search.h"

/* ---- Which layers the format can hold ----------------------------------- */

/* Its tensors are checked. NULL: it can. */
static char *
why_not (const NevaQuantizer *q, const NevaSite *s)
{
  if (q->options->algorithm != NEVA_QUANTIZE_AWQ)
    return NULL;
  if (s->k % NEVA_QUANT_GROUP)
    return g_strdup_printf (
        "%" G_GSIZE_FORMAT " inputs, no multiple of 128", s->k);
  for (guint i = 0; i < s->linears->len; i++) {
    const NevaTensorView *view =
        neva_quantizer_view (q, s->linears->pdata[i], s->k, NULL);

    if (view->shape[0] % 8)
      return g_strdup_printf (
          "%" G_GSIZE_FORMAT " outputs, no multiple of 8", view->shape[0]);
  }
  return NULL;
}

static gboolean
check_tensors (NevaQuantizer *q, const NevaSite *s, GError **error)
{
  for (guint i = 0; i < s->linears->len; i++) {
    if (!neva_quantizer_view (q, s->linears->pdata[i], s->k, error))
      return FALSE;
  }
  if (s->router && !neva_quantizer_view (q, s->router, s->k, error))
    return FALSE;
  return !s->before || neva_quantizer_view (q, s->before,
                           s->fold == NEVA_FOLD_NORM ? 0 : G_MAXSIZE, error);
}

/* ---- Remarks ------------------------------------------------------------ */

/* what: (transfer full) */
static void
remark (NevaQuantizer *q, const NevaSite *s, char *what)
{
  GPtrArray *names = g_hash_table_lookup (q->remarks, what);

  if (!names) {
    names = g_ptr_array_new ();
    g_hash_table_insert (q->remarks, g_strdup (what), names);
  }
  for (guint i = 0; i < s->linears->len; i++) {
    neva_debug ("%s: %s", (char *) s->linears->pdata[i], what);
    g_ptr_array_add (names, s->linears->pdata[i]);
  }
  g_free (what);
}

static void
tell_remarks (const NevaQuantizer *q)
{
  const NevaQuantizeOptions *o = q->options;
  GHashTableIter iter;
  gpointer what, names;

  g_hash_table_iter_init (&iter, q->remarks);
  while (o->note && g_hash_table_iter_next (&iter, &what, &names)) {
    const GPtrArray *list = names;
    g_autofree char *text = g_strdup_printf ("%s: %u linear layer%s, %s%s",
        (char *) what, list->len, list->len > 1 ? "s" : "",
        (char *) list->pdata[0], list->len > 1 ? ", …" : "");

    o->note (text, o->user_data);
  }
}

/* ---- Statistics --------------------------------------------------------- */

static gboolean
check_input (const NevaSite *s, const NevaInput *input, GError **error)
{
  gboolean good = TRUE;

  for (gsize i = 0; i < input->k; i++)
    good &= isfinite (input->sum[i]);
  if (!good)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the inputs of '%s' were not finite numbers in the calibration",
        s->watched);
  return good;
}

/* *input: NULL when nothing is known. */
static gboolean
find_input (NevaQuantizer *q, const NevaSite *s, const NevaInput **input,
    GError **error)
{
  *input = NULL;
  if (!q->calibration)
    return TRUE;
  *input = neva_calibration_find (q->calibration, s->watched);
  if (*input && (*input)->rows && (*input)->k == s->k)
    return check_input (s, *input, error);
  remark (q, s, g_strdup ("rounded to nearest, as no input was seen"));
  *input = NULL;
  return TRUE;
}

/* ---- Scales ------------------------------------------------------------- */

/* (transfer full): [k]; NULL with error. */
static float *
search_awq (
    NevaQuantizer *q, const NevaSite *s, const NevaInput *input, GError **error)
{
  g_auto (NevaAwqSearch) search = {0};
  guint best;

  neva_awq_search_init (&search, s, input, q->backend);
  for (guint i = 0; i < s->linears->len; i++) {
    const char *name = s->linears->pdata[i];
    const NevaTensorView *view = neva_quantizer_view (q, name, s->k, error);
    g_autofree float *w = neva_quantizer_read (q, view, error);

    if (!w)
      return NULL;
    if (!neva_awq_search_add (&search, w, view->shape[0], error)) {
      g_prefix_error (error, "tensor '%s.weight': ", name);
      return NULL;
    }
  }
  best = neva_awq_search_best (&search);
  neva_debug ("%s: alpha 0.%u, error %.4g, without scales %.4g",
      (char *) s->linears->pdata[0], best, sqrt (search.loss[best]),
      sqrt (search.loss[0]));
  return g_memdup2 (search.scales + best * s->k, s->k * sizeof *search.scales);
}

static float *
smooth (
    NevaQuantizer *q, const NevaSite *s, const NevaInput *input, GError **error)
{
  g_autofree float *scales = g_new0 (float, s->k);

  for (guint i = 0; i < s->linears->len; i++) {
    const NevaTensorView *view =
        neva_quantizer_view (q, s->linears->pdata[i], s->k, error);
    g_autofree float *w = neva_quantizer_read (q, view, error);

    if (!w)
      return NULL;
    neva_column_max (scales, w, view->shape[0], s->k);
  }
  neva_smooth_scales (s, scales, input);
  return g_steal_pointer (&scales);
}

/* What the operation before divides its rows by. (transfer full) */
static GArray *
before_scales (const NevaSite *s, const float *scales)
{
  const gsize group = s->fold == NEVA_FOLD_VALUE ? s->heads / s->kv_heads : 1;
  const gsize dim = s->fold == NEVA_FOLD_VALUE ? s->head_dim : s->k;
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (float));

  for (gsize i = 0; i < s->k / group; i++) {
    const float scale = scales[i / dim * dim * group + i % dim];
    const float row = s->fold == NEVA_FOLD_SQUARED ? sqrtf (scale) : scale;

    g_array_append_val (rows, row);
  }
  return rows;
}

static void
keep_scales (NevaQuantizer *q, const NevaSite *s, const float *scales)
{
  GArray *columns = g_array_new (FALSE, FALSE, sizeof (float));

  g_array_append_vals (columns, scales, (guint) s->k);
  for (guint i = 0; i < s->linears->len; i++)
    g_hash_table_insert (
        q->columns, s->linears->pdata[i], g_array_ref (columns));
  if (s->router)
    g_hash_table_insert (q->columns, s->router, g_array_ref (columns));
  g_array_unref (columns);
  g_hash_table_insert (q->rows, s->before, before_scales (s, scales));
  if (s->plus_one)
    g_hash_table_add (q->plus_one, s->before);
}

/* Nothing is scaled: the largest inputs are what the scales come from. */
static gboolean
keep_inputs (NevaQuantizer *q, const NevaSite *s, GError **error)
{
  const NevaInput *input = neva_calibration_find (q->calibration, s->watched);

  if (!input || !input->rows || input->k != s->k) {
    remark (q, s, g_strdup ("kept as stored (no input was seen)"));
    return TRUE;
  }
  if (!check_input (s, input, error))
    return FALSE;
  for (guint i = 0; i < s->linears->len; i++) {
    g_hash_table_add (q->coded, s->linears->pdata[i]);
    g_hash_table_insert (q->inputs, s->linears->pdata[i], (gpointer) input);
  }
  return TRUE;
}

static gboolean
scale_site (NevaQuantizer *q, const NevaSite *s, GError **error)
{
  g_autofree char *why = NULL;
  g_autofree float *scales = NULL;
  const NevaInput *input = NULL;

  if (!check_tensors (q, s, error))
    return FALSE;
  if (q->options->algorithm == NEVA_QUANTIZE_FP8)
    return keep_inputs (q, s, error);
  if ((why = why_not (q, s))) {
    remark (q, s, g_strdup_printf ("kept as stored (%s)", why));
    return TRUE;
  }
  for (guint i = 0; i < s->linears->len; i++)
    g_hash_table_add (q->coded, s->linears->pdata[i]);
  if (s->fold == NEVA_FOLD_NONE)
    return TRUE;
  if (!find_input (q, s, &input, error))
    return FALSE;
  if (!input)
    return TRUE;
  scales = q->options->algorithm == NEVA_QUANTIZE_AWQ
               ? search_awq (q, s, input, error)
               : smooth (q, s, input, error);
  if (scales)
    keep_scales (q, s, scales);
  return scales != NULL;
}

gboolean
neva_quantizer_scale (NevaQuantizer *q, GError **error)
{
  const NevaQuantizeOptions *o = q->options;
  g_autoptr (GList) why = NULL;

  for (guint i = 0; i < q->sites->len; i++) {
    if (o->cancellable && g_cancellable_is_cancelled (o->cancellable)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED, "cancelled");
      return FALSE;
    }
    if (!scale_site (q, q->sites->pdata[i], error))
      return FALSE;
    if (o->progress)
      o->progress (NEVA_SEARCH_SHARE * (i + 1) / q->sites->len, o->user_data);
  }
  if (g_hash_table_size (q->coded)) {
    tell_remarks (q);
    return TRUE;
  }
  why = g_hash_table_get_keys (q->remarks);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "%s: none of its linear layers can be stored so: %s", q->origin.path,
      why ? (char *) why->data : "there are none");
  return FALSE;
}
