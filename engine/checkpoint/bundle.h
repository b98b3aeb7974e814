/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a .nemo checkpoint by name, whether they lie in a tar archive
 * (plain or gzip) or in an extracted folder. A plain tar is memory-mapped and
 * its members are used in place. Parser of untrusted bytes. */
#ifndef NEVA_BUNDLE_H
#define NEVA_BUNDLE_H

#include <glib.h>

typedef struct _NevaBundle NevaBundle;

/* Members with absolute names or ".." and links are left out, as NeMo does.
 * Returns: (transfer full), NULL with error naming the file. */
NevaBundle *neva_bundle_open (const char *path, GError **error);
void neva_bundle_free (NevaBundle *bundle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaBundle, neva_bundle_free)

/* name: relative, '/' between parts, no leading "./". NULL when there is none.
 * Returns: (transfer none), valid while the bundle is. A file of a folder is
 * mapped when it is first asked for; not thread-safe. */
GBytes *neva_bundle_find (NevaBundle *bundle, const char *name);
/* Was everything found so far the file? Else the error; *error may be set. */
gboolean neva_bundle_check (const NevaBundle *bundle, GError **error);
/* (transfer none) (element-type utf8): all names, sorted. */
const GPtrArray *neva_bundle_names (const NevaBundle *bundle);
/* As given to open (), for messages. */
const char *neva_bundle_path (const NevaBundle *bundle);

#endif /* NEVA_BUNDLE_H */
