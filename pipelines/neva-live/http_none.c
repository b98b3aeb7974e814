/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A build without libsoup. */
#include "config.h"
#include <gio/gio.h>
#include "http.h"

Http *
http_new (Hub *hub, GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
      "--http: built without libsoup 3 (-Dhttp)");
  return NULL;
}

void
http_free (Http *http)
{
}

char *
http_url (const Http *http)
{
  return NULL;
}
