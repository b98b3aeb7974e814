/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkback [SEED] [--only NAME] [--list]
 *
 * Judges every launcher of the library of CUDA kernels (NEVA_CUDA_LIBRARY:
 * libnevacuda.so, or the emulation's) against the CPU reference. Exit status: 0
 * all agree, 1 some do not, 77 no device; with NEVA_REQUIRE_DEVICE=1 in the
 * environment no device is 1, too. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "../checkkern/cases.h"
#include "device.h"

static const struct {
  const char *launchers;
  void (*run) (const CheckCtx *c);
} cases[] = {
    {"act_prepare", check_act_prepare},
    {"matvec, matmul_groups, to_bf16 + cuBLAS + epilogue", check_matmul},
    {"matvec_gated", check_matvec_gated},
    {"kv_store", check_kv_store},
    {"rope_store", check_rope_store},
    {"attention", check_attention},
    {"sample", check_sample},
    {"rms_norm", check_rms_norm},
    {"layer_norm", check_layer_norm},
    {"rope", check_rope},
    {"epilogue", check_activate},
    {"act_mul", check_act_mul},
    {"add", check_add},
    {"copy_rows", check_copy_rows},
    {"add_rows", check_add_rows},
    {"gather", check_gather},
    {"to_bf16", check_to_bf16},
    {"to_e4m3", check_to_e4m3},
    {"matmul_e4m3", check_matmul_e4m3},
    {"picture_rgb", check_picture_rgb},
    {"resample", check_cuda_resample},
    {"patches", check_patches},
};

#define COUNT(array) (sizeof array / sizeof array[0])

static int
no_device (const char *why)
{
  const char *required = getenv ("NEVA_REQUIRE_DEVICE");
  const bool fail = required && !strcmp (required, "1");

  printf ("%s: no device: %s\n", fail ? "FAIL" : "SKIP", why);
  return fail ? EXIT_FAILURE : 77;
}

int
main (int argc, char **argv)
{
  uint64_t seed = (uint64_t) time (NULL);
  const char *only = NULL, *why;
  NevaCpuKernels ref, tier;
  const CheckCtx c = {.ref = &ref, .tier = &tier, .tier_name = "cuda"};

  for (int i = 1; i < argc; i++) {
    if (!strcmp (argv[i], "--list")) {
      for (size_t j = 0; j < COUNT (cases); j++)
        puts (cases[j].launchers);
      return EXIT_SUCCESS;
    }
    if (!strcmp (argv[i], "--only") && i + 1 < argc)
      only = argv[++i];
    else
      seed = strtoull (argv[i], NULL, 0);
  }
  if ((why = device_open ()))
    return no_device (why);
  printf ("checkback: seed %llu\n", (unsigned long long) seed);
  check_begin (seed, only);
  neva_cpu_kernels_init (&ref, 0);
  device_kernels (&tier);
  for (size_t i = 0; i < COUNT (cases); i++)
    cases[i].run (&c);
  device_close ();

  const unsigned judged = check_judged (), failures = check_failures ();

  printf ("checkback: %u functions judged, %u failures, seed %llu\n", judged,
      failures, (unsigned long long) seed);
  return failures || !judged ? EXIT_FAILURE : EXIT_SUCCESS;
}
