/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GLib's mutexes and conditions on top of pthread, for programs built with the
 * thread sanitizer. GLib's own are made of futex calls in a library that is not
 * instrumented, so the sanitizer does not see that they order anything. The
 * symbols of a program come before those of its libraries; GLib binds its own
 * uses inside, which concern only its own locks. */
#include "config.h"
#include <dlfcn.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>

#pragma GCC visibility push(default)

/* Created at first use, since GMutex and GCond may be static zeroes. */
static pthread_mutex_t *
mutex_of (GMutex *mutex)
{
  pthread_mutex_t *m = __atomic_load_n ((void **) mutex, __ATOMIC_ACQUIRE);
  void *none = NULL;

  if (m)
    return m;
  m = malloc (sizeof *m);
  pthread_mutex_init (m, NULL);
  if (!__atomic_compare_exchange_n (
          (void **) mutex, &none, m, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    pthread_mutex_destroy (m);
    free (m);
    m = none;
  }
  return m;
}

static pthread_cond_t *
cond_of (GCond *cond)
{
  pthread_cond_t *c = __atomic_load_n ((void **) cond, __ATOMIC_ACQUIRE);
  pthread_condattr_t attr;
  void *none = NULL;

  if (c)
    return c;
  c = malloc (sizeof *c);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (c, &attr);
  pthread_condattr_destroy (&attr);
  if (!__atomic_compare_exchange_n (
          (void **) cond, &none, c, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    pthread_cond_destroy (c);
    free (c);
    c = none;
  }
  return c;
}

void
g_mutex_init (GMutex *mutex)
{
  __atomic_store_n ((void **) mutex, NULL, __ATOMIC_RELEASE);
}

void
g_mutex_clear (GMutex *mutex)
{
  pthread_mutex_t *m =
      __atomic_exchange_n ((void **) mutex, NULL, __ATOMIC_ACQ_REL);

  if (m) {
    pthread_mutex_destroy (m);
    free (m);
  }
}

void (g_mutex_lock) (GMutex *mutex)
{
  pthread_mutex_lock (mutex_of (mutex));
}

gboolean (g_mutex_trylock) (GMutex *mutex)
{
  return pthread_mutex_trylock (mutex_of (mutex)) == 0;
}

void (g_mutex_unlock) (GMutex *mutex)
{
  pthread_mutex_unlock (mutex_of (mutex));
}

void
g_cond_init (GCond *cond)
{
  __atomic_store_n ((void **) cond, NULL, __ATOMIC_RELEASE);
}

void
g_cond_clear (GCond *cond)
{
  pthread_cond_t *c =
      __atomic_exchange_n ((void **) cond, NULL, __ATOMIC_ACQ_REL);

  if (c) {
    pthread_cond_destroy (c);
    free (c);
  }
}

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  pthread_cond_wait (cond_of (cond), mutex_of (mutex));
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  const struct timespec end = {
      .tv_sec = end_time / 1000000, .tv_nsec = end_time % 1000000 * 1000};

  return pthread_cond_timedwait (cond_of (cond), mutex_of (mutex), &end) !=
         ETIMEDOUT;
}

void
g_cond_signal (GCond *cond)
{
  pthread_cond_signal (cond_of (cond));
}

void
g_cond_broadcast (GCond *cond)
{
  pthread_cond_broadcast (cond_of (cond));
}

static pthread_mutex_t once_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t once_done = PTHREAD_COND_INITIALIZER;
static GSList *once_running; /* locations; once_lock */

gboolean (g_once_init_enter) (volatile void *location)
{
  void **value = (void **) location;
  gboolean mine = FALSE;

  pthread_mutex_lock (&once_lock);
  while (!__atomic_load_n (value, __ATOMIC_ACQUIRE) && !mine) {
    if (g_slist_find (once_running, value)) {
      pthread_cond_wait (&once_done, &once_lock);
    } else {
      once_running = g_slist_prepend (once_running, value);
      mine = TRUE;
    }
  }
  pthread_mutex_unlock (&once_lock);
  return mine;
}

void (g_once_init_leave) (volatile void *location, gsize result)
{
  void **value = (void **) location;

  pthread_mutex_lock (&once_lock);
  __atomic_store_n (value, (void *) result, __ATOMIC_RELEASE);
  once_running = g_slist_remove (once_running, value);
  pthread_cond_broadcast (&once_done);
  pthread_mutex_unlock (&once_lock);
}

/* GAsyncQueue locks inside GLib: a passage through this one says that what was
 * pushed comes before what is popped. */
static pthread_mutex_t passage = PTHREAD_MUTEX_INITIALIZER;

static void
pass (void)
{
  pthread_mutex_lock (&passage);
  pthread_mutex_unlock (&passage);
}

void
g_async_queue_push (GAsyncQueue *queue, gpointer data)
{
  void (*real) (GAsyncQueue *, gpointer) =
      dlsym (RTLD_NEXT, "g_async_queue_push");

  pass ();
  real (queue, data);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  gpointer (*real) (GAsyncQueue *) = dlsym (RTLD_NEXT, "g_async_queue_pop");
  gpointer data = real (queue);

  pass ();
  return data;
}

gpointer
g_async_queue_try_pop (GAsyncQueue *queue)
{
  gpointer (*real) (GAsyncQueue *) = dlsym (RTLD_NEXT, "g_async_queue_try_pop");
  gpointer data = real (queue);

  pass ();
  return data;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue, guint64 timeout)
{
  gpointer (*real) (GAsyncQueue *, guint64) =
      dlsym (RTLD_NEXT, "g_async_queue_timeout_pop");
  gpointer data = real (queue, timeout);

  pass ();
  return data;
}

#pragma GCC visibility pop

/* Libraries that are not instrumented order their own memory; check forks for
 * each test; a test may ask for more memory than there is. */
const char *__tsan_default_options (void);
__attribute__ ((visibility ("default"))) const char *
__tsan_default_options (void)
{
  return "ignore_noninstrumented_modules=1:die_after_fork=0:exitcode=66:"
         "report_thread_leaks=0:allocator_may_return_null=1";
}

/* The last reference of a buffer is counted down where nobody sees it. */
const char *__tsan_default_suppressions (void);
__attribute__ ((visibility ("default"))) const char *
__tsan_default_suppressions (void)
{
  return "race:*_meta_free\n";
}
