/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The line of one measured thing: JSON on stdout, so that a history can be kept
 * by `grep '^{'`. */
#ifndef REPORT_H
#define REPORT_H

/* Rates: bigger is better. limit: the same rate if nothing but the machine's
 * limit counted, 0: none. peer: llama.cpp's, 0: not measured. */
void bench_report (const char *name, double value, const char *unit,
    double limit, double peer);

double bench_seconds (void);

#endif /* REPORT_H */
