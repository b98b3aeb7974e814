/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where video comes from: a file, a camera, the network, a test picture. */
#ifndef NEVA_LIVE_SOURCE_H
#define NEVA_LIVE_SOURCE_H

#include <gst/gst.h>

typedef enum {
  SOURCE_FILE,   /* has an end */
  SOURCE_CAMERA, /* v4l2 and other devices of this machine */
  SOURCE_NETWORK,
  SOURCE_TEST
} SourceKind;

typedef struct {
  SourceKind kind;
  char *uri;   /* may hold a password */
  char *shown; /* for people: without one */
  char *name;  /* unique among the streams */
} Source;

/* text: a path, a device or a URI, perhaps after "NAME=".
 * Returns: (transfer full): NULL with error set. */
Source *source_new (const char *text, GError **error);
void source_free (Source *source);

/* (transfer full): `text` with the source's URI and its parts that are secret
 * replaced by what may be shown. */
char *source_conceal (const Source *source, const char *text);

/* test://PATTERN?width=W&height=H&framerate=F&frames=N
 * Returns: (transfer floating): a bin with a pad "src"; NULL with error set. */
GstElement *source_make_test (const Source *source, GError **error);

#endif /* NEVA_LIVE_SOURCE_H */
