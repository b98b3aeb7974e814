/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "console.h"
#include "share.h"

/* How often a process that has nothing to send says that it lives: several
 * times within the shortest bound on waiting, a second. */
#define SIGN_US (G_USEC_PER_SEC / 4)

typedef enum {
  SHARE_PIECE,
  SHARE_NOTHING,
  SHARE_TEXT,
  SHARE_ERROR,
  SHARE_END
} Kind;

/* In front of each message; a text without its zero follows. */
typedef struct {
  guint64 kind, number; /* the index, or the failures at the end */
} Head;

/* Process 0: of each other group. */
typedef struct {
  Share *share;
  guint group;
  GThread *thread;
  guint failures;
  gboolean ended; /* lock: nothing comes any more */
  gboolean lost;  /* lock: before all of them had ended */
} Other;

struct _Share {
  const NevaParallel *parallel;
  GCancellable *cancellable;
  gboolean lost;
  /* Process 0 */
  GMutex lock;
  GCond changed;  /* another one has ended */
  gboolean over;  /* lock: all have */
  ShareFunc func; /* lock; NULL after share_stop () */
  gpointer func_data;
  Other *others; /* [groups], from 1 */
  /* Another one */
  GAsyncQueue *queue; /* GBytes */
  GThread *sender, *watcher;
  gint left; /* atomic: process 0 said that it is over, or is lost */
};

/* ---- Sending ------------------------------------------------------------ */

/* Until the watcher is done: process 0 wants to know that this one lives. */
static gpointer
send_all (gpointer data)
{
  Share *s = data;
  gboolean more = TRUE;
  g_autoptr (GError) error = NULL;

  while (more && !g_atomic_int_get (&s->left)) {
    GBytes *bytes = g_async_queue_timeout_pop (s->queue, SIGN_US);
    gsize size = 0;
    gconstpointer head = bytes ? g_bytes_get_data (bytes, &size) : NULL;

    more = neva_parallel_post (head, size, &error);
    if (!more)
      g_cancellable_cancel (s->cancellable);
    g_clear_pointer (&bytes, g_bytes_unref);
  }
  return NULL;
}

/* Whose work goes on when process 0 is gone works for nobody. Returns: not NULL
 * when it is lost. */
static gpointer
watch (gpointer data)
{
  Share *s = data;
  const gboolean well = neva_parallel_watch (NULL);

  if (!well)
    g_cancellable_cancel (s->cancellable);
  g_atomic_int_set (&s->left, TRUE);
  return GINT_TO_POINTER (!well);
}

static void
push (Share *s, Kind kind, gsize number, const char *text)
{
  const Head head = {kind, number};
  GByteArray *bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) &head, sizeof head);
  if (text)
    g_byte_array_append (bytes, (const guint8 *) text, (guint) strlen (text));
  g_async_queue_push (s->queue, g_byte_array_free_to_bytes (bytes));
}

void
share_send (gsize index, char *text, gpointer share)
{
  push (share, text ? SHARE_PIECE : SHARE_NOTHING, index, text);
  g_free (text);
}

static void
send_text (const char *text, gboolean error, gpointer share)
{
  push (share, error ? SHARE_ERROR : SHARE_TEXT, 0, text);
}

/* ---- Receiving ---------------------------------------------------------- */

static void
give (Share *s, gsize index, char *text)
{
  g_mutex_lock (&s->lock);
  if (s->func)
    s->func (index, text, s->func_data);
  else
    g_free (text);
  g_mutex_unlock (&s->lock);
}

/* FALSE at the end. */
static gboolean
take (Other *other, GBytes *bytes)
{
  Share *s = other->share;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autofree char *text = NULL;
  Head head;

  memcpy (&head, data, sizeof head);
  text = g_strndup ((const char *) data + sizeof head, size - sizeof head);
  switch ((Kind) head.kind) {
    case SHARE_PIECE:
      give (s, head.number, g_steal_pointer (&text));
      break;
    case SHARE_NOTHING:
      give (s, head.number, NULL);
      break;
    case SHARE_TEXT:
    case SHARE_ERROR:
      console_print (text, head.kind == SHARE_ERROR);
      break;
    case SHARE_END:
      other->failures = (guint) head.number;
      return FALSE;
  }
  return TRUE;
}

static void
set_ended (Other *other, gboolean lost)
{
  Share *s = other->share;

  g_mutex_lock (&s->lock);
  other->ended = TRUE;
  other->lost = lost;
  g_cond_signal (&s->changed);
  g_mutex_unlock (&s->lock);
}

static void
lose (Other *other, const char *why)
{
  if (!other->ended) {
    console_complain ("group %u of %u is lost (%s): what it had not finished "
                      "is missing; --resume does it",
        other->group, other->share->parallel->groups, why);
    other->failures = 1;
  }
  set_ended (other, TRUE);
}

/* A sign of life is answered by one. Returns: that it was the last one. */
static gboolean
answer (Other *other)
{
  Share *s = other->share;
  gboolean over;

  g_mutex_lock (&s->lock);
  over = s->over;
  g_mutex_unlock (&s->lock);
  neva_parallel_answer (other->group, over);
  return over;
}

static gpointer
receive_all (gpointer data)
{
  Other *other = data;
  gboolean over = FALSE;

  while (!over) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = neva_parallel_take (other->group, &error);
    const gsize size = bytes ? g_bytes_get_size (bytes) : 0;

    if (!bytes || (size > 0 && size < sizeof (Head))) {
      lose (other, error ? error->message : "it sends nonsense");
      return NULL;
    }
    if (size == 0)
      over = answer (other);
    else if (!take (other, bytes))
      set_ended (other, FALSE);
  }
  return NULL;
}

/* ---- Beginning and end -------------------------------------------------- */

Share *
share_new (const NevaParallel *parallel, GCancellable *cancellable)
{
  Share *s = g_new0 (Share, 1);

  g_mutex_init (&s->lock);
  g_cond_init (&s->changed);
  s->parallel = parallel;
  s->cancellable = cancellable;
  s->others = g_new0 (Other, parallel->groups);
  if (parallel->group > 0) {
    s->queue = g_async_queue_new_full ((GDestroyNotify) g_bytes_unref);
    console_forward (send_text, s);
  }
  return s;
}

void
share_start (Share *s, ShareFunc func, gpointer data)
{
  s->func = func;
  s->func_data = data;
  if (s->parallel->group > 0) {
    s->sender = g_thread_new ("neva-send", send_all, s);
    s->watcher = g_thread_new ("neva-watch", watch, s);
    return;
  }
  for (guint g = 1; g < s->parallel->groups; g++) {
    Other *other = &s->others[g];

    *other = (Other){.share = s, .group = g};
    other->thread = g_thread_new ("neva-receive", receive_all, other);
  }
}

/* Another one: until process 0 says that all is over. */
static void
end_sending (Share *s, guint failures)
{
  console_forward (NULL, NULL);
  push (s, SHARE_END, failures, NULL);
  s->lost = g_thread_join (g_steal_pointer (&s->watcher)) != NULL;
  g_thread_join (g_steal_pointer (&s->sender));
}

/* Process 0 */
static void
wait_for_all (Share *s)
{
  g_mutex_lock (&s->lock);
  for (guint g = 1; g < s->parallel->groups; g++)
    while (!s->others[g].ended)
      g_cond_wait (&s->changed, &s->lock);
  s->over = TRUE;
  g_mutex_unlock (&s->lock);
}

guint
share_finish (Share *s, guint failures)
{
  guint others = 0;

  if (s->watcher) {
    end_sending (s, failures);
    return 0;
  }
  wait_for_all (s);
  for (guint g = 1; g < s->parallel->groups; g++) {
    g_thread_join (g_steal_pointer (&s->others[g].thread));
    others += s->others[g].failures;
    s->lost |= s->others[g].lost;
  }
  return others;
}

void
share_stop (Share *s)
{
  g_mutex_lock (&s->lock);
  s->func = NULL;
  g_mutex_unlock (&s->lock);
}

gboolean
share_lost (const Share *s)
{
  return s->lost;
}

/* Its threads may be waiting for others: then it stays, and the program ends.
 */
void
share_free (Share *s)
{
  if (!s || s->sender)
    return;
  for (guint g = 1; g < s->parallel->groups; g++)
    if (s->others[g].thread)
      return;
  if (s->queue)
    g_async_queue_unref (s->queue);
  g_cond_clear (&s->changed);
  g_mutex_clear (&s->lock);
  g_free (s->others);
  g_free (s);
}
