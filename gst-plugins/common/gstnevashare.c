/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevashare.h"
#include <neva/request.h>

void
gst_neva_share_init (GstNevaShare *share)
{
  share->stream = neva_stream_new ();
  share->priority = 0;
}

void
gst_neva_share_install (GObjectClass *klass, guint id)
{
  g_object_class_install_property (klass, id,
      g_param_spec_int ("priority", "Priority",
          "Of several streams that share a model, those of higher priority "
          "come first; equal ones take turns",
          -1000, 1000, 0,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING | GST_PARAM_DOC_SHOW_DEFAULT));
}

void
gst_neva_share_set (GstNevaShare *share, const GValue *value)
{
  g_atomic_int_set (&share->priority, g_value_get_int (value));
}

void
gst_neva_share_get (GstNevaShare *share, GValue *value)
{
  g_value_set_int (value, g_atomic_int_get (&share->priority));
}
