/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaks a buffer, so that leaks.sh knows whether it would notice one. */
#include "config.h"
#include <gst/gst.h>

int
main (int argc, char **argv)
{
  static GstBuffer *volatile leaked;

  gst_init (&argc, &argv);
  leaked = gst_buffer_new ();
  gst_deinit ();
  return leaked == NULL;
}
