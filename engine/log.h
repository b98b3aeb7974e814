/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's log: debug lines and warnings, routed by neva_set_log_func ().
 */
#ifndef NEVA_LOG_H
#define NEVA_LOG_H

#include <glib.h>

void neva_log (GLogLevelFlags level, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

#define neva_debug(...) neva_log (G_LOG_LEVEL_DEBUG, __VA_ARGS__)
#define neva_info(...) neva_log (G_LOG_LEVEL_INFO, __VA_ARGS__)
#define neva_warning(...) neva_log (G_LOG_LEVEL_WARNING, __VA_ARGS__)

#endif /* NEVA_LOG_H */
