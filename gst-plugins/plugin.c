/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registration, nothing else: no file, model or device is touched here. */
#include "config.h"
#include <gst/gst.h>

#include "caption/gstnevacaption.h"
#include "common/gstnevaerror.h"
#include "encoder/gstnevaencoder.h"
#include "framesampler/gstnevaframesampler.h"
#include "judge/gstnevajudge.h"
#include "llm/gstnevallm.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  gboolean ok = FALSE;

  gst_neva_log_init ();
  ok |= GST_ELEMENT_REGISTER (nevacaption, plugin);
  ok |= GST_ELEMENT_REGISTER (nevaencoder, plugin);
  ok |= GST_ELEMENT_REGISTER (nevaframesampler, plugin);
  ok |= GST_ELEMENT_REGISTER (nevajudge, plugin);
  ok |= GST_ELEMENT_REGISTER (nevallm, plugin);
  return ok;
}

#define PACKAGE "gst-neva"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, neva,
    "Captions and answers about video by Video NeVA models", plugin_init,
    NEVA_VERSION, "LGPL", "NeVA for GStreamer",
    "https://gstreamer.freedesktop.org/")
