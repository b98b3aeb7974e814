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

typedef struct {
  Share *share;
  guint group;
  GThread *thread;
  guint failures;
  gboolean lost;
} Other;

struct _Share {
  const NevaParallel *parallel;
  GCancellable *cancellable;
  /* Process 0 */
  GMutex lock;
  ShareFunc func; /* lock; NULL after share_stop () */
  gpointer func_data;
  Other *others; /* [groups], from 1 */
  /* Another one */
  GAsyncQueue *queue; /* GBytes */
  GThread *sender;
};

/* ---- Sending ------------------------------------------------------------ */

static gpointer
send_all (gpointer data)
{
  Share *s = data;
  gboolean last = FALSE;
  g_autoptr (GError) error = NULL;

  while (!last) {
    GBytes *bytes = g_async_queue_timeout_pop (s->queue, SIGN_US);
    gsize size = 0;
    const Head *head = bytes ? g_bytes_get_data (bytes, &size) : NULL;

    last = head && head->kind == SHARE_END;
    if (!neva_parallel_post (head, size, &error)) {
      g_cancellable_cancel (s->cancellable);
      last = TRUE;
    }
    g_clear_pointer (&bytes, g_bytes_unref);
  }
  return NULL;
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

static gpointer
receive_all (gpointer data)
{
  Other *other = data;
  g_autoptr (GError) error = NULL;
  gboolean more = TRUE;

  while (more) {
    g_autoptr (GBytes) bytes = neva_parallel_take (other->group, &error);

    if (!bytes || g_bytes_get_size (bytes) < sizeof (Head)) {
      console_complain ("group %u of %u is lost (%s): what it had not finished "
                        "is missing; --resume does it",
          other->group, other->share->parallel->groups,
          error ? error->message : "it sends nonsense");
      other->failures = 1;
      other->lost = TRUE;
      return NULL;
    }
    more = take (other, bytes);
  }
  return NULL;
}

/* ---- Beginning and end -------------------------------------------------- */

Share *
share_new (const NevaParallel *parallel, GCancellable *cancellable)
{
  Share *s = g_new0 (Share, 1);

  g_mutex_init (&s->lock);
  s->parallel = parallel;
  s->cancellable = cancellable;
  s->others = g_new0 (Other, parallel->groups);
  if (parallel->group > 0) {
    s->queue = g_async_queue_new_full ((GDestroyNotify) g_bytes_unref);
    s->sender = g_thread_new ("neva-send", send_all, s);
    console_forward (send_text, s);
  }
  return s;
}

void
share_start (Share *s, ShareFunc func, gpointer data)
{
  s->func = func;
  s->func_data = data;
  if (s->parallel->group > 0)
    return;
  for (guint g = 1; g < s->parallel->groups; g++) {
    Other *other = &s->others[g];

    *other = (Other){.share = s, .group = g};
    other->thread = g_thread_new ("neva-receive", receive_all, other);
  }
}

static void
end_sending (Share *s, guint failures)
{
  if (!s->sender)
    return;
  console_forward (NULL, NULL);
  push (s, SHARE_END, failures, NULL);
  g_thread_join (g_steal_pointer (&s->sender));
}

guint
share_finish (Share *s, guint failures)
{
  guint others = 0;

  end_sending (s, failures);
  for (guint g = 1; g < s->parallel->groups; g++) {
    if (s->others[g].thread)
      g_thread_join (g_steal_pointer (&s->others[g].thread));
    others += s->others[g].failures;
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
  for (guint g = 1; g < s->parallel->groups; g++)
    if (s->others[g].lost)
      return TRUE;
  return FALSE;
}

void
share_free (Share *s)
{
  if (!s)
    return;
  end_sending (s, 0);
  for (guint g = 1; g < s->parallel->groups; g++)
    if (s->others[g].thread) /* not waited for: the program ends */
      return;
  if (s->queue)
    g_async_queue_unref (s->queue);
  g_mutex_clear (&s->lock);
  g_free (s->others);
  g_free (s);
}
