/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdbool.h>
#include "cpu.h"

#if HAVE_X86

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Which register state the OS saves on a context switch (XCR0). */
static uint64_t
xcr0 (void)
{
  uint32_t lo, hi;

  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (uint64_t) hi << 32 | lo;
}

/* Linux gives out the 8 KiB of tile state only to processes that ask. */
static bool
tiles_granted (void)
{
#ifdef __linux__
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

  return syscall (SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return false;
#endif
}

static bool
bit (uint32_t word, unsigned n)
{
  return (word >> n & 1) != 0;
}

unsigned
neva_cpu_flags (void)
{
  const uint64_t ymm_state = 0x6, zmm_state = 0xe6, tile_state = 0x60000;
  uint32_t a, b1, b, c1, c, d1, d, a71 = 0;
  unsigned flags = 0;

  if (!__get_cpuid (1, &a, &b1, &c1, &d1) || !bit (c1, 27) /* OSXSAVE */ ||
      !__get_cpuid_count (7, 0, &a, &b, &c, &d))
    return 0;
  if (a >= 1) {
    uint32_t b71, c71, d71;

    __get_cpuid_count (7, 1, &a71, &b71, &c71, &d71);
  }

  const uint64_t state = xcr0 ();

  /* FMA 12, AVX 28, F16C 29; AVX2 5 */
  if ((state & ymm_state) != ymm_state || !bit (c1, 12) || !bit (c1, 28) ||
      !bit (c1, 29) || !bit (b, 5))
    return flags;
  flags |= NEVA_CPU_AVX2;

  /* F 16, DQ 17, BW 30, VL 31 */
  if ((state & zmm_state) != zmm_state || !bit (b, 16) || !bit (b, 17) ||
      !bit (b, 30) || !bit (b, 31))
    return flags;
  flags |= NEVA_CPU_AVX512;
  if (bit (c, 11))
    flags |= NEVA_CPU_AVX512_VNNI;
  if (bit (a71, 5))
    flags |= NEVA_CPU_AVX512_BF16;

  /* AMX-BF16 22, AMX-TILE 24, AMX-INT8 25 */
  if ((state & tile_state) == tile_state && bit (d, 22) && bit (d, 24) &&
      bit (d, 25) && tiles_granted ())
    flags |= NEVA_CPU_AMX;
  return flags;
}

#else

unsigned
neva_cpu_flags (void)
{
  return 0;
}

#endif
