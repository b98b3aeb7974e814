/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevaverdict.h"

typedef struct {
  GWeakRef element;
  void (*func) (GstElement *element);
} Watch;

struct _GstNevaVerdict {
  gint refs; /* atomic */
  GMutex lock;
  /* Under lock. */
  GstNevaVerdictState state;
  GSList *watches;
};

GType
gst_neva_verdict_get_type (void)
{
  static gsize type = 0;

  /* This file may be linked into a process twice. */
  if (g_once_init_enter (&type)) {
    GType t = g_type_from_name ("GstNevaVerdict");

    if (!t)
      t = g_boxed_type_register_static ("GstNevaVerdict",
          (GBoxedCopyFunc) gst_neva_verdict_ref,
          (GBoxedFreeFunc) gst_neva_verdict_unref);
    g_once_init_leave (&type, t);
  }
  return type;
}

GstNevaVerdict *
gst_neva_verdict_new (void)
{
  GstNevaVerdict *verdict = g_new0 (GstNevaVerdict, 1);

  verdict->refs = 1;
  g_mutex_init (&verdict->lock);
  return verdict;
}

GstNevaVerdict *
gst_neva_verdict_ref (GstNevaVerdict *verdict)
{
  g_atomic_int_inc (&verdict->refs);
  return verdict;
}

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  g_weak_ref_clear (&watch->element);
  g_free (watch);
}

void
gst_neva_verdict_unref (GstNevaVerdict *verdict)
{
  if (!g_atomic_int_dec_and_test (&verdict->refs))
    return;
  g_slist_free_full (verdict->watches, watch_free);
  g_mutex_clear (&verdict->lock);
  g_free (verdict);
}

GstNevaVerdictState
gst_neva_verdict_get (GstNevaVerdict *verdict)
{
  GstNevaVerdictState state;

  g_mutex_lock (&verdict->lock);
  state = verdict->state;
  g_mutex_unlock (&verdict->lock);
  return state;
}

void
gst_neva_verdict_set (GstNevaVerdict *verdict, GstNevaVerdictState state)
{
  GSList *watches = NULL;

  g_mutex_lock (&verdict->lock);
  if (verdict->state == GST_NEVA_VERDICT_OPEN) {
    verdict->state = state;
    watches = g_steal_pointer (&verdict->watches);
  }
  g_mutex_unlock (&verdict->lock);
  for (GSList *l = watches; l; l = l->next) {
    Watch *watch = l->data;
    g_autoptr (GstElement) element = g_weak_ref_get (&watch->element);

    if (element)
      watch->func (element);
  }
  g_slist_free_full (watches, watch_free);
}

void
gst_neva_verdict_watch (GstNevaVerdict *verdict, GstElement *element,
    void (*func) (GstElement *element))
{
  gboolean open;

  g_mutex_lock (&verdict->lock);
  open = verdict->state == GST_NEVA_VERDICT_OPEN;
  if (open) {
    Watch *watch = g_new0 (Watch, 1);

    g_weak_ref_init (&watch->element, element);
    watch->func = func;
    verdict->watches = g_slist_prepend (verdict->watches, watch);
  }
  g_mutex_unlock (&verdict->lock);
  if (!open)
    func (element);
}
