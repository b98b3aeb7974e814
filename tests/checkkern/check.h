/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The harness of checkkern: every function of every tier of the CPU table is
 * judged once against the reference. A case file has one function per slot:
 *
 *   void
 *   check_add (const CheckCtx *c)
 *   {
 *     if (!check_func (c, (void *) c->tier->add, (void *) c->ref->add, "add"))
 *       return;
 *     for each awkward size: fill check_buf ()s, run both, check_close () each
 *     element, check_fence () what was written, check_free ()
 *     check_bench (c, "4096", bytes / 1e9, "GB/s", c->tier->add (d, x, n));
 *   }
 *
 * and a line in the list of main.c.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernels.h"

typedef struct {
  const NevaCpuKernels *ref, *tier;
  const char *tier_name;
  bool bench;
} CheckCtx;

/* Whether `fn` is to be judged now: it is not the reference, it was not judged
 * for a lower tier, and --only (if given) is part of `name`. Names what the
 * functions below report about. */
bool check_func (const CheckCtx *c, void *fn, void *ref, const char *name);

/* `bytes` (or n floats), aligned to 64, every byte 0xff (NaN as f32 and bf16),
 * with the same canaries on both sides. An odd end stays odd: a read or write
 * one element too far is seen. Ends the program when memory is short. */
void *check_alloc (size_t bytes);
float *check_buf (size_t n);
/* The last byte of `bytes` touches a page that cannot be read: reading past a
 * memory-mapped weight ends the program here as it would there. No canaries. */
void *check_alloc_edge (size_t bytes);
void check_free (void *buf);
void check_free_edge (void *buf, size_t bytes);

/* The canaries around `buf` are whole. */
void check_fence (const void *buf, const char *what);

/* Deterministic for a seed. */
uint32_t check_rand (void);
double check_uniform (void); /* [0, 1) */
double check_randn (void);
/* n normal numbers times `scale`; every 97th is 30 times as large, a few are
 * zero or denormal: what real activations look like at their worst. */
void check_fill (float *x, size_t n, float scale);

/* |got - want| <= tol, which a NaN fails. Two NaNs, or the same infinity,
 * agree. Reports the first few disagreements of a function. */
bool check_close (
    const char *what, size_t i, double got, double want, double tol);
/* The same bytes; names the first that differs. */
bool check_same (
    const char *what, const void *got, const void *want, size_t bytes);
void check_fail (
    const char *what, size_t i, double got, double want, double tol);

double check_seconds (void);

/* With --bench: the best of several runs of `call`; prints work / time. */
#define check_bench(c, label, work, unit, call)                                \
  do {                                                                         \
    if ((c)->bench) {                                                          \
      double best_ = 1e30, end_ = check_seconds () + 0.15;                     \
      do {                                                                     \
        const double t0_ = check_seconds ();                                   \
        call;                                                                  \
        const double t_ = check_seconds () - t0_;                              \
        best_ = t_ < best_ ? t_ : best_;                                       \
      } while (check_seconds () < end_);                                       \
      check_bench_report ((c), (label), best_, (work), (unit));                \
    }                                                                          \
  } while (0)
void check_bench_report (const CheckCtx *c, const char *label, double seconds,
    double work, const char *unit);

/* --- for main.c ------------------------------------------------------- */
void check_begin (uint64_t seed, const char *only);
/* Number of functions judged, of failures. */
unsigned check_judged (void);
unsigned check_failures (void);

#endif /* CHECK_H */
