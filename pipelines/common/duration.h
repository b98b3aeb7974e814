/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as they are written on a command line. */
#ifndef NEVA_COMMON_DURATION_H
#define NEVA_COMMON_DURATION_H

#include <gst/gst.h>

/* "4s", "500ms", "2m", "1h", "90", "1.5", "1:30", "0:01:30.5".
 * Returns: FALSE when it is none of these. */
gboolean duration_parse (const char *text, GstClockTime *time);

/* The value of the option --name, if there is one: FALSE with a message when it
 * is no time. *time stays as it is where text is NULL. */
gboolean duration_option (
    const char *name, const char *text, GstClockTime *time);

#endif /* NEVA_COMMON_DURATION_H */
