/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory of a zip archive whose members are stored, not compressed, as
 * torch.save writes them, so that a member can be used where it lies. Zip64 is
 * understood. Parser of untrusted bytes. Layout: PKWARE's APPNOTE.TXT, 4.3. */
#ifndef NEVA_ZIP_STORE_H
#define NEVA_ZIP_STORE_H

#include <glib.h>

typedef struct {
  gsize offset, size; /* bytes, of the member's content in the archive */
} NevaZipMember;

/* data [length]: the whole archive; `name` is for messages.
 * Returns: (transfer full): char * name -> NevaZipMember *. */
GHashTable *neva_zip_store_read (
    const guint8 *data, gsize length, const char *name, GError **error);

#endif /* NEVA_ZIP_STORE_H */
