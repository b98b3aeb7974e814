/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "cuda_nccl.h"

#include <string.h>

/* How often somebody who waits for a thread looks at the group. */
#define LOOK_US (50 * G_TIME_SPAN_MILLISECOND)

typedef enum { BEGIN, END, ABORT } Errand;

/* Shared with the thread that runs an errand. */
struct _NevaNccl {
  gint refs; /* atomic */
  const NevaCudaApi *api;
  NevaComm *inner; /* borrowed: not by the thread */
  int device, size, rank;
  char id[NEVA_CUDA_NCCL_ID];

  GMutex lock;
  GCond changed;
  /* lock: */
  Errand errand;
  gboolean busy, left; /* left: nobody waits for the errand */
  NevaCudaNccl *nccl;
  int status;
  char *text; /* of status */
};

static void
unref (NevaNccl *n)
{
  if (!g_atomic_int_dec_and_test (&n->refs))
    return;
  g_mutex_clear (&n->lock);
  g_cond_clear (&n->changed);
  g_free (n->text);
  g_free (n);
}

/* Words are the thread's own: they are taken here. */
static int
run (NevaNccl *n, Errand errand, NevaCudaNccl **nccl, char **text)
{
  const NevaCudaRuntime *api = &n->api->run;
  int status = api->set_device (n->device);

  if (!status && errand == BEGIN)
    status = api->nccl_new (nccl, n->id, n->size, n->rank);
  else if (!status)
    api->nccl_free (*nccl, errand == ABORT);
  *text = status ? g_strdup (api->error_text (status)) : NULL;
  return status;
}

static gpointer
errand_main (gpointer data)
{
  NevaNccl *n = data;
  NevaCudaNccl *nccl;
  Errand errand;
  gboolean late;
  char *text;
  int status;

  g_mutex_lock (&n->lock);
  nccl = n->nccl;
  errand = n->errand;
  g_mutex_unlock (&n->lock);
  status = run (n, errand, &nccl, &text);
  g_mutex_lock (&n->lock);
  n->nccl = errand == BEGIN && !status ? nccl : NULL;
  n->status = status;
  n->text = text;
  n->busy = FALSE;
  late = n->left && n->nccl;
  g_cond_broadcast (&n->changed);
  g_mutex_unlock (&n->lock);
  if (late) /* it has come about after all, and nobody wants it */
    n->api->run.nccl_free (nccl, TRUE);
  unref (n);
  return NULL;
}

/* FALSE: no thread can be had. */
static gboolean
start (NevaNccl *n, Errand errand)
{
  GThread *thread;

  n->errand = errand;
  n->busy = TRUE;
  g_clear_pointer (&n->text, g_free);
  g_atomic_int_inc (&n->refs);
  thread = g_thread_try_new ("neva-nccl", errand_main, n, NULL);
  if (thread) {
    g_thread_unref (thread);
    return TRUE;
  }
  n->busy = FALSE;
  unref (n);
  return FALSE;
}

/* FALSE: it has not come to its end within the bound, or the group is lost,
 * and is left alone. */
static gboolean
finish (NevaNccl *n, gboolean whatever_the_group)
{
  const gint64 until = g_get_monotonic_time () + neva_comm_timeout_us ();
  gboolean lost = FALSE;

  g_mutex_lock (&n->lock);
  while (n->busy && !lost) {
    const gint64 now = g_get_monotonic_time ();

    lost = now > until ||
           (!whatever_the_group && !neva_comm_check (n->inner, NULL));
    if (!lost)
      g_cond_wait_until (&n->changed, &n->lock, now + LOOK_US);
  }
  n->left = lost;
  g_mutex_unlock (&n->lock);
  return !lost;
}

static void
explain (NevaNccl *n, gboolean over, GError **error)
{
  if (over)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %d, NCCL: %s",
        n->device, n->text ? n->text : "no thread can be had");
  else if (neva_comm_check (n->inner, error))
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "GPU %d: NCCL has not joined the %d ranks for %" G_GINT64_FORMAT " s",
        n->device, n->size, neva_comm_timeout_us () / G_USEC_PER_SEC);
}

NevaNccl *
neva_nccl_new (
    NevaBackendCuda *c, NevaComm *inner, const char *id, GError **error)
{
  NevaNccl *n = g_new0 (NevaNccl, 1);
  gboolean over;

  n->refs = 1;
  n->api = c->api;
  n->inner = inner;
  n->device = c->device;
  n->size = (int) inner->size;
  n->rank = (int) inner->rank;
  memcpy (n->id, id, sizeof n->id);
  g_mutex_init (&n->lock);
  g_cond_init (&n->changed);
  over = !start (n, BEGIN) || finish (n, FALSE);
  if (over && n->nccl)
    return n;
  explain (n, over, error);
  unref (n);
  return NULL;
}

NevaCudaNccl *
neva_nccl_handle (NevaNccl *n)
{
  return n->nccl;
}

void
neva_nccl_free (NevaNccl *n)
{
  if (start (n, END))
    finish (n, FALSE);
  unref (n);
}

void
neva_nccl_abort_begin (NevaNccl *n)
{
  start (n, ABORT);
}

gboolean
neva_nccl_abort_finish (NevaNccl *n)
{
  const gboolean over = finish (n, TRUE) && !n->nccl;

  unref (n);
  return over;
}
