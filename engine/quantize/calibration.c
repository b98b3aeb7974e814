/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "quantize/calibration.h"

#include <math.h>
#include <string.h>
#include "convert/origin.h"
#include "quantize/sites.h"

#define BLOCK_ROWS 32 /* that are looked at together */

struct _NevaCalibration {
  gint refs; /* atomic */
  GMutex lock;
  GHashTable *inputs;  /* lock: name -> NevaInput */
  GHashTable *watched; /* lock: NevaMatrix * -> NevaInput; while attached */
};

static void
input_free (gpointer data)
{
  NevaInput *input = data;

  g_free (input->sum);
  g_free (input->max);
  g_free (input->sample);
  g_free (input);
}

static NevaInput *
input_new (const char *name, gsize k)
{
  NevaInput *input = g_new0 (NevaInput, 1);

  input->k = k;
  input->sum = g_new0 (double, k);
  input->max = g_new0 (float, k);
  input->state = g_str_hash (name) | 1;
  return input;
}

NevaCalibration *
neva_calibration_new (void)
{
  NevaCalibration *c = g_new0 (NevaCalibration, 1);

  c->refs = 1;
  g_mutex_init (&c->lock);
  c->inputs =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, input_free);
  c->watched = g_hash_table_new (NULL, NULL);
  return c;
}

NevaCalibration *
neva_calibration_ref (NevaCalibration *c)
{
  g_atomic_int_inc (&c->refs);
  return c;
}

void
neva_calibration_unref (NevaCalibration *c)
{
  if (!g_atomic_int_dec_and_test (&c->refs))
    return;
  g_hash_table_unref (c->watched);
  g_hash_table_unref (c->inputs);
  g_mutex_clear (&c->lock);
  g_free (c);
}

/* ---- Looking ------------------------------------------------------------ */

/* Room for one more row of the sample. Large models have many places and some
 * of them see little, so it grows. */
static gboolean
has_room (NevaInput *input)
{
  const gsize room = MIN (MAX (2 * input->room, 8), input->most);
  float *larger;

  if (input->n_sample < input->room)
    return TRUE;
  if (room == input->room)
    return FALSE;
  larger =
      g_try_realloc_n (input->sample, room, input->k * sizeof *input->sample);
  if (larger) {
    input->sample = larger;
    input->room = room;
  } else {
    input->most = input->room;
  }
  return larger != NULL;
}

/* Vitter's algorithm R, on xorshift64. Of a sample that is full, the row to
 * replace, or one behind its end. */
static gsize
place_of (NevaInput *input)
{
  guint64 x = input->state;

  if (!input->rows)
    input->most = NEVA_SAMPLE_ROWS;
  if (input->rows == input->n_sample && has_room (input))
    return input->n_sample++;
  x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  input->state = x;
  return (gsize) (x % (input->rows + 1));
}

void
neva_input_look (NevaInput *input, const float *x, gsize ldx, gsize m)
{
  for (gsize r = 0; r < m; r++, x += ldx) {
    const gsize place = place_of (input);

    input->rows++;
    for (gsize i = 0; i < input->k; i++) {
      const float a = fabsf (x[i]);

      input->sum[i] += a;
      input->max[i] = a > input->max[i] ? a : input->max[i];
    }
    if (place < input->n_sample)
      memcpy (input->sample + place * input->k, x, input->k * sizeof *x);
  }
}

void
neva_calibration_look (NevaCalibration *c, NevaBackend *b, const NevaMatrix *m,
    const float *x, gsize ldx, gsize rows)
{
  NevaInput *input;

  g_mutex_lock (&c->lock);
  if ((input = g_hash_table_lookup (c->watched, m))) {
    const gboolean dense = ldx == input->k;
    const gsize step = dense ? BLOCK_ROWS : 1;
    g_autofree float *host = g_new (float, step * input->k);

    for (gsize r = 0; r < rows; r += step) {
      const gsize n = MIN (step, rows - r);

      neva_backend_download (
          b, host, x + r * ldx, n * input->k * sizeof (float));
      neva_input_look (input, host, input->k, n);
    }
  }
  g_mutex_unlock (&c->lock);
}

/* ---- A model ------------------------------------------------------------ */

NevaBackend *
neva_calibration_attach (
    NevaCalibration *c, const NevaConfig *config, NevaBackend *backend)
{
  g_autoptr (GPtrArray) sites = neva_sites_new (config);

  g_mutex_lock (&c->lock);
  for (guint i = 0; i < sites->len; i++) {
    const NevaSite *s = sites->pdata[i];
    const NevaInput *old = g_hash_table_lookup (c->inputs, s->watched);

    if (!old || old->k != s->k)
      g_hash_table_replace (
          c->inputs, g_strdup (s->watched), input_new (s->watched, s->k));
  }
  g_mutex_unlock (&c->lock);
  return neva_observer_new (backend, c);
}

void
neva_calibration_watch (
    NevaPart part, const char *name, const NevaMatrix *m, gpointer data)
{
  static const char *const prefixes[] = {[NEVA_PART_TOWER] = NEVA_TOWER_PREFIX,
      [NEVA_PART_PROJECTOR] = NEVA_PROJECTOR_PREFIX,
      [NEVA_PART_TEXT] = NEVA_TEXT_PREFIX};
  NevaCalibration *c = data;
  g_autofree char *full = g_strconcat (prefixes[part], name, NULL);
  NevaInput *input;

  if (!g_str_has_suffix (full, ".weight"))
    return;
  full[strlen (full) - strlen (".weight")] = 0;
  g_mutex_lock (&c->lock);
  if ((input = g_hash_table_lookup (c->inputs, full)))
    g_hash_table_insert (c->watched, (gpointer) m, input);
  g_mutex_unlock (&c->lock);
}

void
neva_calibration_detach (NevaCalibration *c)
{
  g_mutex_lock (&c->lock);
  g_hash_table_remove_all (c->watched);
  g_mutex_unlock (&c->lock);
}

const NevaInput *
neva_calibration_find (NevaCalibration *c, const char *name)
{
  const NevaInput *input;

  g_mutex_lock (&c->lock);
  input = g_hash_table_lookup (c->inputs, name);
  g_mutex_unlock (&c->lock);
  return input;
}
