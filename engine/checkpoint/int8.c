/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "checkpoint/int8.h"

#include <neva/error.h>
#include <string.h>
#include "dtype.h"

gboolean
neva_int8_has (const NevaTensorSource *source, const char *name)
{
  const NevaTensorView *view = neva_tensor_source_peek (source, name);

  return view && g_str_equal (view->dtype, "I8");
}

static gboolean
fail (const NevaInt8 *q, const NevaTensorView *view, const char *wanted,
    GError **error)
{
  g_autoptr (GString) shape = g_string_new (NULL);

  for (guint i = 0; i < view->n_dims; i++)
    g_string_append_printf (
        shape, "%s%" G_GSIZE_FORMAT, i ? "×" : "", view->shape[i]);
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s': %s expected, %s %s found (file %s): 8-bit codes of a "
      "matrix %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT,
      view->name, wanted, view->dtype, view->n_dims ? shape->str : "number",
      neva_tensor_source_file (q->source, view), q->n, q->k);
  return FALSE;
}

static gboolean
check_scales (const NevaInt8 *q, GError **error)
{
  const NevaTensorView *v = q->scales;
  const gboolean type = g_str_equal (v->dtype, "F32") ||
                        g_str_equal (v->dtype, "BF16") ||
                        g_str_equal (v->dtype, "F16");
  const gboolean rows = v->n_dims >= 1 && v->n_dims <= 2 &&
                        v->shape[0] == q->n && v->n_elements == q->n;
  g_autofree char *wanted = NULL;

  if (type && (rows || v->n_elements == 1))
    return TRUE;
  wanted = g_strdup_printf (
      "F32, BF16 or F16 %" G_GSIZE_FORMAT "×1 (a scale of each row)", q->n);
  return fail (q, v, wanted, error);
}

/* Symmetric codes have none; some programs store zeros. */
static gboolean
check_zero_points (const NevaInt8 *q, const char *name, GError **error)
{
  const NevaTensorView *view = neva_tensor_source_find (q->source, name);
  const guint8 *data = view ? view->data : NULL;
  guint8 any = 0;

  for (gsize i = 0; data && i < view->bytes; i++)
    any |= data[i];
  if (view)
    neva_tensor_source_release (q->source, view);
  if (!any)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "tensor '%s': zero points other than 0 are not supported", name);
  return FALSE;
}

gboolean
neva_int8_open (NevaInt8 *q, NevaTensorSource *source, const char *name,
    gsize n, gsize k, GError **error)
{
  g_autofree char *scale = g_strconcat (name, "_scale", NULL);
  g_autofree char *zero = g_strconcat (name, "_zero_point", NULL);

  *q = (NevaInt8){.source = source, .n = n, .k = k};
  q->codes = neva_tensor_source_find (source, name);
  q->scales = q->codes ? neva_tensor_source_find (source, scale) : NULL;
  if (!q->scales) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s' is missing", q->codes ? scale : name);
  } else if (q->codes->n_dims != 2 || q->codes->shape[0] != n ||
             q->codes->shape[1] != k) {
    g_autofree char *wanted =
        g_strdup_printf ("I8 %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT, n, k);

    fail (q, q->codes, wanted, error);
  } else if (check_scales (q, error) && check_zero_points (q, zero, error)) {
    return TRUE;
  }
  neva_int8_close (q);
  return FALSE;
}

void
neva_int8_close (NevaInt8 *q)
{
  if (q->codes)
    neva_tensor_source_release (q->source, q->codes);
  if (q->scales)
    neva_tensor_source_release (q->source, q->scales);
  *q = (NevaInt8){0};
}

float
neva_int8_scale (const NevaInt8 *q, gsize row)
{
  const gsize at = q->scales->n_elements == 1 ? 0 : row;
  const guint8 *data = q->scales->data;
  guint16 half;
  float f;

  if (g_str_equal (q->scales->dtype, "F32")) {
    memcpy (&f, data + at * sizeof f, sizeof f);
    return f;
  }
  memcpy (&half, data + at * sizeof half, sizeof half);
  return g_str_equal (q->scales->dtype, "F16") ? neva_f16_to_f32 (half)
                                               : neva_bf16_to_f32 (half);
}

const gint8 *
neva_int8_codes (const NevaInt8 *q, gsize row)
{
  return (const gint8 *) q->codes->data + row * q->k;
}
