/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

enum { FENCE = 256, MAX_FUNCS = 512, MAX_REPORTS = 5 };

/* Lies directly below the front canaries of a buffer. */
typedef struct {
  void *memory;
  size_t bytes;
} Header;

static uint64_t rng_state;
static const char *only;
static char current[96];
static void *judged[MAX_FUNCS];
static unsigned n_judged, n_failures, reports;
static double worst; /* error / tolerance of the current function */

static void
report_worst (void)
{
  if (current[0])
    printf ("  %-36s %s, error at most %.2f of the tolerance\n", current,
        reports ? "FAILED" : "ok", worst);
}

void
check_begin (uint64_t seed, const char *name)
{
  rng_state = seed * 2 + 1;
  only = name;
}

bool
check_func (const CheckCtx *c, void *fn, void *ref, const char *name)
{
  if (!fn || fn == ref || (only && !strstr (name, only)))
    return false;
  for (unsigned i = 0; i < n_judged; i++)
    if (judged[i] == fn)
      return false;

  report_worst ();
  if (n_judged == MAX_FUNCS) {
    fprintf (stderr, "checkkern: more than %d functions\n", MAX_FUNCS);
    exit (EXIT_FAILURE);
  }
  judged[n_judged++] = fn;
  snprintf (current, sizeof current, "%s (%s)", name, c->tier_name);
  worst = 0;
  reports = 0;
  return true;
}

unsigned
check_judged (void)
{
  report_worst ();
  current[0] = '\0';
  return n_judged;
}

unsigned
check_failures (void)
{
  return n_failures;
}

void *
check_alloc (size_t bytes)
{
  const size_t total = sizeof (Header) + 64 + 2 * FENCE + bytes;
  char *memory = malloc (total), *buf;
  Header h = {memory, bytes};

  if (!memory) {
    fprintf (stderr, "checkkern: no memory for %zu bytes\n", total);
    exit (EXIT_FAILURE);
  }
  memset (memory, 0xff, total);
  buf = memory + sizeof h + FENCE;
  buf += -(uintptr_t) buf % 64;
  memcpy (buf - FENCE - sizeof h, &h, sizeof h);
  return buf;
}

static size_t
edge_span (size_t bytes, size_t page)
{
  return (bytes + page - 1) / page * page;
}

void *
check_alloc_edge (size_t bytes)
{
  const size_t page = (size_t) sysconf (_SC_PAGESIZE);
  const size_t span = edge_span (bytes, page);
  char *memory = mmap (NULL, span + page, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED || mprotect (memory + span, page, PROT_NONE)) {
    fprintf (stderr, "checkkern: no memory for %zu bytes\n", span);
    exit (EXIT_FAILURE);
  }
  memset (memory, 0xff, span);
  return memory + span - bytes;
}

void
check_free_edge (void *buf, size_t bytes)
{
  const size_t page = (size_t) sysconf (_SC_PAGESIZE);
  const size_t span = edge_span (bytes, page);

  munmap ((char *) buf + bytes - span, span + page);
}

float *
check_buf (size_t n)
{
  return check_alloc (n * sizeof (float));
}

static Header
header_of (const void *buf)
{
  Header h;

  memcpy (&h, (const char *) buf - FENCE - sizeof h, sizeof h);
  return h;
}

void
check_free (void *buf)
{
  free (header_of (buf).memory);
}

void
check_fence (const void *buf, const char *what)
{
  const unsigned char *p = buf;
  const size_t bytes = header_of (buf).bytes;

  for (size_t i = 1; i <= FENCE; i++)
    if (p[-(ptrdiff_t) i] != 0xff) {
      printf ("  %s: %s: wrote %zu bytes before the start\n", current, what, i);
      n_failures++, reports++;
      return;
    }
  for (size_t i = 0; i < FENCE; i++)
    if (p[bytes + i] != 0xff) {
      printf (
          "  %s: %s: wrote %zu bytes behind the end\n", current, what, i + 1);
      n_failures++, reports++;
      return;
    }
}

/* splitmix64 */
uint32_t
check_rand (void)
{
  uint64_t z = rng_state += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (uint32_t) (z >> 32);
}

double
check_uniform (void)
{
  return check_rand () * 0x1p-32;
}

double
check_randn (void)
{
  const double u = 1 - check_uniform (), v = check_uniform ();

  return sqrt (-2 * log (u)) * cos (2 * M_PI * v);
}

void
check_fill (float *x, size_t n, float scale)
{
  for (size_t i = 0; i < n; i++) {
    x[i] = (float) check_randn () * scale * (i % 97 == 96 ? 30.0f : 1.0f);
    if (i % 61 == 60)
      x[i] = i % 2 ? 0.0f : 1e-41f;
  }
}

void
check_fail (const char *what, size_t i, double got, double want, double tol)
{
  if (reports++ < MAX_REPORTS)
    printf ("  %s: %s[%zu]: got %.9g, want %.9g, tolerance %.3g\n", current,
        what, i, got, want, tol);
  n_failures++;
}

bool
check_close (const char *what, size_t i, double got, double want, double tol)
{
  const double err = fabs (got - want);

  if ((isnan (got) && isnan (want)) || (isinf (want) && got == want))
    return true;
  if (!(err <= tol)) {
    check_fail (what, i, got, want, tol);
    return false;
  }
  if (tol > 0 && err / tol > worst)
    worst = err / tol;
  return true;
}

bool
check_same (const char *what, const void *got, const void *want, size_t bytes)
{
  const unsigned char *g = got, *w = want;

  for (size_t i = 0; i < bytes; i++)
    if (g[i] != w[i]) {
      check_fail (what, i, g[i], w[i], 0);
      return false;
    }
  return true;
}

double
check_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + t.tv_nsec * 1e-9;
}

void
check_bench_report (const CheckCtx *c, const char *label, double seconds,
    double work, const char *unit)
{
  (void) c;
  printf ("    %-34s %-20s %10.1f us %8.1f %s\n", current, label, seconds * 1e6,
      work / seconds, unit);
  fflush (stdout);
}
