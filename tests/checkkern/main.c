/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkkern [SEED] [--bench] [--only NAME]
 *
 * Walks the tiers of the CPU table from the lowest up and judges each function
 * once. Exit status: 0 all agree, 1 some do not, 77 nothing was judged. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "cases.h"
#include "check.h"

static const struct {
  const char *name;
  unsigned flag;
} tiers[] = {
    {"avx2", NEVA_CPU_AVX2},
    {"avx512", NEVA_CPU_AVX512},
    {"avx512-vnni", NEVA_CPU_AVX512_VNNI},
    {"avx512-bf16", NEVA_CPU_AVX512_BF16},
    {"amx", NEVA_CPU_AMX},
};

static void (*const cases[]) (const CheckCtx *c) = {
    check_act_prepare,
    check_pack,
    check_matmul,
    check_kv_store,
    check_attention,
    check_rms_norm,
    check_layer_norm,
    check_rope,
    check_activate,
    check_act_mul,
    check_add,
    check_to_f32,
    check_from_f32,
    check_unpack_rgb,
    check_chroma_mix,
    check_yuv_to_rgb,
    check_tile,
    check_resample,
};

int
main (int argc, char **argv)
{
  const unsigned have = neva_cpu_flags ();
  uint64_t seed = (uint64_t) time (NULL);
  const char *only = NULL;
  NevaCpuKernels ref, tier;
  CheckCtx c = {.ref = &ref, .tier = &tier};
  unsigned flags = 0;

  for (int i = 1; i < argc; i++) {
    if (!strcmp (argv[i], "--bench"))
      c.bench = true;
    else if (!strcmp (argv[i], "--only") && i + 1 < argc)
      only = argv[++i];
    else
      seed = strtoull (argv[i], NULL, 0);
  }
  printf ("checkkern: seed %llu\n", (unsigned long long) seed);
  check_begin (seed, only);
  neva_cpu_kernels_init (&ref, 0);

  for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
    if (!(have & tiers[t].flag)) {
      printf ("%s: not on this machine\n", tiers[t].name);
      continue;
    }
    flags |= tiers[t].flag;
    c.tier_name = tiers[t].name;
    neva_cpu_kernels_init (&tier, flags);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
      cases[i](&c);
  }

  const unsigned judged = check_judged (), failures = check_failures ();

  if (!judged) {
    printf ("SKIP: no optimised function for this machine\n");
    return 77;
  }
  printf ("checkkern: %u functions judged, %u failures, seed %llu\n", judged,
      failures, (unsigned long long) seed);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
