/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "comm.h"
#include "log.h"

static NevaComm *the_world;

void
neva_comm_set_world (NevaComm *world)
{
  the_world = world;
}

NevaComm *
neva_comm_world (void)
{
  return the_world;
}

gint64
neva_comm_timeout_us (void)
{
  static gsize us;

  if (g_once_init_enter (&us)) {
    const char *text = g_getenv ("NEVA_COMM_TIMEOUT");
    guint64 seconds = NEVA_COMM_TIMEOUT;

    if (text && *text &&
        !g_ascii_string_to_unsigned (text, 10, 1, 86400, &seconds, NULL))
      neva_warning ("NEVA_COMM_TIMEOUT=%s: seconds are expected", text);
    g_once_init_leave (&us, (gsize) seconds * G_USEC_PER_SEC);
  }
  return (gint64) us;
}

/* Blocks of a cache line or two: each part is read once, and the sums stay in
 * registers, in whatever order the compiler likes across i, never across
 * parts. */
void
neva_comm_sum (float *dst, const float *const *parts, guint n_parts, gsize n)
{
  enum { BLOCK = 64 };
  float sum[BLOCK];

  for (gsize i = 0; i < n; i += BLOCK) {
    const gsize width = MIN (BLOCK, n - i);

    for (gsize j = 0; j < width; j++)
      sum[j] = parts[0][i + j];
    for (guint p = 1; p < n_parts; p++)
      for (gsize j = 0; j < width; j++)
        sum[j] += parts[p][i + j];
    for (gsize j = 0; j < width; j++)
      dst[i + j] = sum[j];
  }
}
