/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file or folder that appears whole or not at all: written under a temporary
 * name beside its own, then renamed. */
#ifndef NEVA_TARGET_H
#define NEVA_TARGET_H

#include <glib.h>

typedef struct {
  char *path, *temp; /* temp: not there yet for a file, made for a folder */
  gboolean folder;
} NevaTarget;

/* Checks that nothing is at `path` (unless overwrite) and that `bytes` fit on
 * the disk. `target` must be zeroed. */
gboolean neva_target_begin (NevaTarget *target, const char *path,
    gboolean folder, gboolean overwrite, guint64 bytes, GError **error);
/* Renames. An old file is replaced; an old folder changes places with the new
 * one and is removed, files that nobody here writes apart. */
gboolean neva_target_commit (NevaTarget *target, GError **error);
/* Removes what was not committed. */
void neva_target_clear (NevaTarget *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaTarget, neva_target_clear)

#endif /* NEVA_TARGET_H */
