/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "checkpoint/e4m3.h"

#include <math.h>
#include <neva/error.h>
#include <string.h>
#include "dtype.h"

gboolean
neva_e4m3_has (const NevaTensorSource *source, const char *name)
{
  const NevaTensorView *view = neva_tensor_source_peek (source, name);

  return view && g_str_equal (view->dtype, "F8_E4M3");
}

static gboolean
missing (const char *name, GError **error)
{
  g_set_error (
      error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "tensor '%s' is missing", name);
  return FALSE;
}

static gboolean
take_number (const NevaTensorView *v, float *number)
{
  guint16 half;

  if (v->n_elements != 1)
    return FALSE;
  if (g_str_equal (v->dtype, "F32")) {
    memcpy (number, v->data, sizeof *number);
    return TRUE;
  }
  memcpy (&half, v->data, sizeof half);
  if (g_str_equal (v->dtype, "BF16"))
    *number = neva_bf16_to_f32 (half);
  else
    *number = neva_f16_to_f32 (half);
  return TRUE;
}

/* A scale that is beside the tensor `name`. */
static gboolean
read_scale (NevaTensorSource *source, const char *name, const char *which,
    float *scale, GError **error)
{
  g_autofree char *full = g_strdup_printf (
      "%.*s%s", (int) (strlen (name) - strlen ("weight")), name, which);
  const NevaTensorView *v = neva_tensor_source_find (source, full);
  gboolean ok;

  if (!v)
    return missing (full, error);
  ok = (g_str_equal (v->dtype, "F32") || g_str_equal (v->dtype, "BF16") ||
           g_str_equal (v->dtype, "F16")) &&
       take_number (v, scale) && isfinite (*scale) && *scale > 0;
  if (!ok)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s': one positive number in F32, BF16 or F16 expected "
        "(file %s)",
        full, neva_tensor_source_file (source, v));
  neva_tensor_source_release (source, v);
  return ok;
}

gboolean
neva_e4m3_open (NevaE4m3 *q, NevaTensorSource *source, const char *name,
    gsize n, gsize k, GError **error)
{
  const NevaTensorView *v = neva_tensor_source_find (source, name);

  *q = (NevaE4m3){.source = source, .n = n, .k = k, .codes = v};
  if (!v)
    return missing (name, error);
  if (v->n_dims != 2 || v->shape[0] != n || v->shape[1] != k)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s': F8_E4M3 %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT
        " expected, %" G_GSIZE_FORMAT " numbers in %u dimensions found (file "
        "%s)",
        name, n, k, v->n_elements, v->n_dims,
        neva_tensor_source_file (source, v));
  else if (read_scale (source, name, "weight_scale", &q->scale, error) &&
           read_scale (source, name, "input_scale", &q->input_scale, error))
    return TRUE;
  neva_e4m3_close (q);
  return FALSE;
}

void
neva_e4m3_close (NevaE4m3 *q)
{
  if (q->codes)
    neva_tensor_source_release (q->source, q->codes);
  *q = (NevaE4m3){0};
}

const guint8 *
neva_e4m3_codes (const NevaE4m3 *q, gsize row)
{
  return (const guint8 *) q->codes->data + row * q->k;
}
