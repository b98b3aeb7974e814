/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors of the engine. A message names the file, tensor, shape or option that
 * was wrong; on error nothing is written to the caller's variables. */
#ifndef NEVA_ERROR_H
#define NEVA_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

#define NEVA_ERROR (neva_error_quark ())
GQuark neva_error_quark (void);

typedef enum {
  NEVA_ERROR_NOT_FOUND,   /* a file or folder that was named is not there */
  NEVA_ERROR_BAD_FILE,    /* a file's content is broken, truncated or lying */
  NEVA_ERROR_UNSUPPORTED, /* well-formed, but nothing here can run it */
  NEVA_ERROR_BAD_INPUT,   /* a frame, prompt or option that makes no sense */
  NEVA_ERROR_TOO_LONG,    /* prompt and media exceed the context */
  NEVA_ERROR_DEVICE,      /* memory or a device that cannot be had */
  NEVA_ERROR_BUSY,        /* a bounded queue is full, and waiting was refused */
  NEVA_ERROR_CANCELLED,   /* the caller cancelled */
  NEVA_ERROR_NETWORK      /* a remote endpoint failed */
} NevaError;

/* Where the engine's log lines go; NULL restores the default (warnings to
 * stderr, what is below as G_MESSAGES_DEBUG=neva or =all says). Called on any
 * thread. `level` is one of GLib's G_LOG_LEVEL_*. Set before the first model is
 * opened. */
typedef void (*NevaLogFunc) (
    GLogLevelFlags level, const char *message, gpointer user_data);
void neva_set_log_func (NevaLogFunc func, gpointer user_data);

G_END_DECLS

#endif /* NEVA_ERROR_H */
