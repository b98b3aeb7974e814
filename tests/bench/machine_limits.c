/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "cpu.h"
#include "machine_limits.h"

enum { MAX_THREADS = 256 };
static const size_t read_bytes = (size_t) 512 << 20; /* per thread at most */

typedef struct {
  void (*run) (void *arg, unsigned rounds);
  void *arg;
  unsigned rounds;
  pthread_barrier_t *start;
} Job;

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + t.tv_nsec * 1e-9;
}

static void *
job_main (void *data)
{
  Job *job = data;

  pthread_barrier_wait (job->start);
  job->run (job->arg, job->rounds);
  return NULL;
}

/* Seconds until all of `n` jobs are done. */
static double
run_jobs (Job *jobs, unsigned n)
{
  pthread_t thread[MAX_THREADS];
  pthread_barrier_t start;
  double begin;

  pthread_barrier_init (&start, NULL, n + 1);
  for (unsigned i = 0; i < n; i++) {
    jobs[i].start = &start;
    if (pthread_create (&thread[i], NULL, job_main, &jobs[i])) {
      fprintf (stderr, "limits: cannot start a thread\n");
      exit (EXIT_FAILURE);
    }
  }
  begin = now ();
  pthread_barrier_wait (&start);
  for (unsigned i = 0; i < n; i++)
    pthread_join (thread[i], NULL);
  pthread_barrier_destroy (&start);
  return now () - begin;
}

/* Best rate of several runs of about 40 ms; `ops` per round and thread. */
static double
rate (void (*run) (void *, unsigned), void *const *args, unsigned threads,
    double ops, unsigned runs)
{
  Job jobs[MAX_THREADS];
  unsigned rounds = 1;
  double best = 0, t;

  for (;;) {
    for (unsigned i = 0; i < threads; i++)
      jobs[i] = (Job){run, args ? args[i] : NULL, rounds, NULL};
    t = run_jobs (jobs, threads);
    if (t > 0.02 || rounds > 1u << 30)
      break;
    rounds *= 2;
  }
  for (unsigned r = 0; r < runs; r++) {
    t = run_jobs (jobs, threads);
    if (ops * rounds * threads / t > best)
      best = ops * rounds * threads / t;
  }
  return best / 1e9;
}

#if HAVE_X86

/* 24 independent accumulators; a round is 16 turns of all of them. */
#define REPEAT_24(one)                                                         \
  one (0) one (1) one (2) one (3) one (4) one (5) one (6) one (7) one (8)      \
      one (9) one (10) one (11) one (12) one (13) one (14) one (15) one (16)   \
          one (17) one (18) one (19) one (20) one (21) one (22) one (23)
#define REPEAT_12(one)                                                         \
  one (0) one (1) one (2) one (3) one (4) one (5) one (6) one (7) one (8)      \
      one (9) one (10) one (11)
#define ZERO_ZMM(n) "vpxord %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define ZERO_YMM(n) "vxorps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n\t"
#define LOAD_ZMM "vmovaps %0, %%zmm30\n\tvmovaps %1, %%zmm31\n\t"
#define FMA_ZMM(n) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #n "\n\t"
#define FMA_YMM(n) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #n "\n\t"
#define BF16_ZMM(n) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #n "\n\t"
#define VNNI_ZMM(n) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #n "\n\t"

#define PEAK_LOOP(name, zero, turn)                                            \
  static void name (void *arg, unsigned rounds)                                \
  {                                                                            \
    (void) arg;                                                                \
    __asm__ volatile(zero ::"m"(operands[0]), "m"(operands[1]) : "memory");    \
    for (unsigned i = 0; i < rounds * 16; i++)                                 \
      __asm__ volatile(turn ::: "memory");                                     \
    __asm__ volatile("vzeroupper" ::: "memory");                               \
  }

/* Operands are random numbers: with zeros processors run faster than they do on
 * anything real. */
static uint32_t operands[2][16 * 16] __attribute__ ((aligned (64)));

/* Pairs of bf16 in (-1, -0.5] and [0.5, 1), which are good f32, too. */
static void
fill_operands (void)
{
  uint32_t state = 1;

  for (int i = 0; i < 2 * 16 * 16; i++) {
    state = state * 1664525u + 1013904223u;
    operands[i / 256][i % 256] = (state & 0x807f807fu) | 0x3f003f00u;
  }
}

/* The compiler keeps nothing in vector registers inside these functions. */
PEAK_LOOP (peak_f32_ymm,
    REPEAT_12 (ZERO_YMM) "vmovaps %0, %%ymm14\n\tvmovaps %1, %%ymm15\n\t",
    REPEAT_12 (FMA_YMM))
PEAK_LOOP (peak_f32_zmm, REPEAT_24 (ZERO_ZMM) LOAD_ZMM, REPEAT_24 (FMA_ZMM))
PEAK_LOOP (peak_bf16_zmm, REPEAT_24 (ZERO_ZMM) LOAD_ZMM, REPEAT_24 (BF16_ZMM))
PEAK_LOOP (peak_int8_zmm, REPEAT_24 (ZERO_ZMM) LOAD_ZMM, REPEAT_24 (VNNI_ZMM))

/* tile registers: all 16 rows of 64 bytes */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t columns[16];
  uint8_t rows[16];
} TileConfig;

static void
tiles_on (void)
{
  TileConfig config = {.palette = 1};

  for (int i = 0; i < 8; i++) {
    config.columns[i] = 64;
    config.rows[i] = 16;
  }
  __asm__ volatile("ldtilecfg %0\n\t"
                   "tilezero %%tmm0\n\ttilezero %%tmm1\n\t"
                   "tilezero %%tmm2\n\ttilezero %%tmm3\n\t"
                   "tilezero %%tmm4\n\ttilezero %%tmm5\n\t"
                   "tilezero %%tmm6\n\ttilezero %%tmm7" ::"m"(config)
                   : "memory");
}

#define TILE_LOOP(name, op)                                                    \
  static void name (void *arg, unsigned rounds)                                \
  {                                                                            \
    (void) arg;                                                                \
    tiles_on ();                                                               \
    for (unsigned i = 0; i < rounds * 16; i++)                                 \
      __asm__ volatile(                                                        \
          op " %%tmm4, %%tmm6, %%tmm0\n\t" op " %%tmm5, %%tmm6, %%tmm1\n\t" op \
             " %%tmm4, %%tmm7, %%tmm2\n\t" op " %%tmm5, %%tmm7, %%tmm3" ::     \
                 : "memory");                                                  \
    __asm__ volatile("tilerelease" ::: "memory");                              \
  }
TILE_LOOP (peak_bf16_tile, "tdpbf16ps")
TILE_LOOP (peak_int8_tile, "tdpbusd")

static void
measure_arithmetic (Limits *l, unsigned threads)
{
  const unsigned flags = neva_cpu_flags ();

  fill_operands ();
  if (flags & NEVA_CPU_AVX2)
    l->f32 = rate (peak_f32_ymm, NULL, threads, 16.0 * 12 * 8 * 2, 3);
  if (flags & NEVA_CPU_AVX512)
    l->f32 = rate (peak_f32_zmm, NULL, threads, 16.0 * 24 * 16 * 2, 3);
  if (flags & NEVA_CPU_AVX512_BF16)
    l->bf16_dot = rate (peak_bf16_zmm, NULL, threads, 16.0 * 24 * 32 * 2, 3);
  if (flags & NEVA_CPU_AVX512_VNNI)
    l->int8_dot = rate (peak_int8_zmm, NULL, threads, 16.0 * 24 * 64 * 2, 3);
  if (flags & NEVA_CPU_AMX) {
    const double macs = 16.0 * 4 * 16 * 16;

    l->bf16_tile = rate (peak_bf16_tile, NULL, threads, macs * 32 * 2, 3);
    l->int8_tile = rate (peak_int8_tile, NULL, threads, macs * 64 * 2, 3);
  }
}

static void
read_once (const char *p, size_t bytes)
{
  const char *const end = p + bytes;

  if (neva_cpu_flags () & NEVA_CPU_AVX512)
    for (; p < end; p += 512)
      __asm__ volatile("vmovdqa64 (%0), %%zmm0\n\t"
                       "vmovdqa64 64(%0), %%zmm1\n\t"
                       "vmovdqa64 128(%0), %%zmm2\n\t"
                       "vmovdqa64 192(%0), %%zmm3\n\t"
                       "vmovdqa64 256(%0), %%zmm4\n\t"
                       "vmovdqa64 320(%0), %%zmm5\n\t"
                       "vmovdqa64 384(%0), %%zmm6\n\t"
                       "vmovdqa64 448(%0), %%zmm7" ::"r"(p)
                       : "memory");
  else
    for (; p < end; p += 128)
      __asm__ volatile(
          "movdqa (%0), %%xmm0\n\tmovdqa 16(%0), %%xmm1\n\t"
          "movdqa 32(%0), %%xmm2\n\tmovdqa 48(%0), %%xmm3\n\t"
          "movdqa 64(%0), %%xmm4\n\tmovdqa 80(%0), %%xmm5\n\t"
          "movdqa 96(%0), %%xmm6\n\tmovdqa 112(%0), %%xmm7" ::"r"(p)
          : "memory");
}

#else

static void
measure_arithmetic (Limits *l, unsigned threads)
{
  (void) l, (void) threads;
}

static void
read_once (const char *p, size_t bytes)
{
  volatile uint64_t sink;
  uint64_t sum = 0;

  for (size_t i = 0; i < bytes; i += 8)
    sum += *(const uint64_t *) (p + i);
  sink = sum;
  (void) sink;
}

#endif

static void
read_rounds (void *arg, unsigned rounds)
{
  for (unsigned i = 0; i < rounds; i++)
    read_once (arg, read_bytes);
}

double
limits_read (unsigned threads)
{
  void *args[MAX_THREADS] = {NULL};
  double best;

  if (threads > MAX_THREADS)
    threads = MAX_THREADS;
  for (unsigned i = 0; i < threads; i++) {
    args[i] = mmap (NULL, read_bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (args[i] == MAP_FAILED) {
      fprintf (stderr, "limits: no memory to read\n");
      exit (EXIT_FAILURE);
    }
    madvise (args[i], read_bytes, MADV_HUGEPAGE);
    memset (args[i], 1, read_bytes);
  }
  best = rate (read_rounds, args, threads, (double) read_bytes, 5);
  for (unsigned i = 0; i < threads; i++)
    munmap (args[i], read_bytes);
  return best;
}

Limits
limits_measure (unsigned threads)
{
  Limits l = {0};

  if (threads > MAX_THREADS)
    threads = MAX_THREADS;
  measure_arithmetic (&l, threads);
  l.read = limits_read (threads);
  return l;
}

double
limits_bf16 (const Limits *l)
{
  return l->bf16_tile > 0  ? l->bf16_tile
         : l->bf16_dot > 0 ? l->bf16_dot
                           : l->f32;
}

double
limits_int8 (const Limits *l)
{
  return l->int8_tile > 0  ? l->int8_tile
         : l->int8_dot > 0 ? l->int8_dot
                           : 2 * l->f32;
}

void
limits_print (const Limits *l, unsigned threads)
{
  printf ("limits, %u thread%s: f32 %.0f, bf16 dot %.0f tile %.0f, int8 dot "
          "%.0f tile %.0f GOP/s, read %.1f GB/s\n",
      threads, threads == 1 ? "" : "s", l->f32, l->bf16_dot, l->bf16_tile,
      l->int8_dot, l->int8_tile, l->read);
}
