/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of a tar archive, written one after another (POSIX ustar; sizes of 8
 * GiB and more in base 256, as GNU tar and Python have them). */
#ifndef NEVA_TAR_WRITER_H
#define NEVA_TAR_WRITER_H

#include "convert/sink.h"

/* Writes a header to be completed by end (). name: at most 100 bytes. Returns
 * where the header is. */
guint64 neva_tar_begin (NevaSink *sink, const char *name);
void neva_tar_end (NevaSink *sink, guint64 header, const char *name);
/* A whole member. */
void neva_tar_add (
    NevaSink *sink, const char *name, const void *data, gsize length);
/* The end of the archive. */
void neva_tar_finish (NevaSink *sink);

#endif /* NEVA_TAR_WRITER_H */
