/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* count-kernels NAME: one launch at a shape of LLaMA-7B, or at the part of it
 * that the name says, so that NEVA_CUDAEMU_REPORT holds what it reads, writes
 * and computes (docs/SPEED.md). Nothing is judged here. */
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "device.h"
#include "matmul_layout.h"

static void *
zeros (size_t bytes)
{
  void *host = calloc (1, bytes), *device = to_device (host, bytes);

  free (host);
  return device;
}

/* `heads` of 128 with a KV head each, `rows` tokens behind kv_len - rows. */
static void
attention (size_t heads, size_t rows, size_t kv_len)
{
  const size_t page = neva_kv_page_bytes (NEVA_DTYPE_BF16, 128);
  const size_t pages = kv_len / NEVA_KV_PAGE, width = heads * 128;
  char *block = zeros (pages * heads * 2 * page);
  const size_t bytes = sizeof (NevaCudaSpan) + pages * sizeof (void *);
  char *list = malloc (bytes);
  NevaCudaHeads h = {.n_spans = 1,
      .max_rows = (uint32_t) rows,
      .max_kv = (uint32_t) kv_len,
      .heads = (uint32_t) heads,
      .kv_heads = (uint32_t) heads,
      .head_dim = 128,
      .type = NEVA_DTYPE_BF16,
      .causal = true,
      .scale = 0.088f,
      .page_bytes = page};

  *(NevaCudaSpan *) list = (NevaCudaSpan){sizeof (NevaCudaSpan), 0,
      (uint32_t) rows, (uint32_t) (kv_len - rows), (uint32_t) kv_len};
  for (size_t i = 0; i < pages; i++)
    ((void **) (list + sizeof (NevaCudaSpan)))[i] =
        block + i * heads * 2 * page;
  h.spans = to_device (list, bytes);
  if (neva_cuda_attention_work (&h) && rows == 1)
    h.work = to_device (NULL, neva_cuda_attention_work (&h));
  device_status ("launch", cuda->attention (&h, zeros (rows * width * 4), width,
                               zeros (rows * width * 4), width, stream));
  free (list);
}

static void
product (NevaDType type, size_t m, size_t n, size_t k)
{
  const size_t packed = neva_packed_bytes (type, n, k);
  const NevaWeight w = {type, n, k, zeros (packed ? packed : n * k * 2)};
  const NevaEpilogue none = {0};
  float *dst = zeros (m * n * 4);

  if (packed)
    device_status ("launch",
        cuda->matmul_groups (
            dst, n, zeros (neva_act_bytes (type, m, k)), &w, none, m, stream));
  else
    device_status ("launch",
        cuda->matvec (dst, n, zeros (m * k * 4), k, &w, none, m, stream));
}

static const struct {
  const char *name;
  NevaDType type; /* of a product; F32: attention */
  size_t m, n, k; /* attention: rows, heads, kv_len */
} cases[] = {
    {"attention-decode-2048", NEVA_DTYPE_F32, 1, 32, 2048},
    {"attention-prefill-2048-1-head", NEVA_DTYPE_F32, 2048, 1, 2048},
    {"bf16-1x4096x4096", NEVA_DTYPE_BF16, 1, 4096, 4096},
    {"bf16-16x4096x4096", NEVA_DTYPE_BF16, 16, 4096, 4096},
    {"i8-1x4096x4096", NEVA_DTYPE_I8, 1, 4096, 4096},
    {"i4-1x4096x4096", NEVA_DTYPE_I4, 1, 4096, 4096},
    {"i4-16x4096x4096", NEVA_DTYPE_I4, 16, 4096, 4096},
    {"i8-128x256x4096", NEVA_DTYPE_I8, 128, 256, 4096},
    {"i4-128x256x4096", NEVA_DTYPE_I4, 128, 256, 4096},
};

int
main (int argc, char **argv)
{
  const char *why = device_open ();

  if (why) {
    printf ("SKIP: no device: %s\n", why);
    return 77;
  }
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    if (argc < 2) {
      puts (cases[i].name);
    } else if (!strcmp (argv[1], cases[i].name)) {
      if (cases[i].type == NEVA_DTYPE_F32)
        attention (cases[i].n, cases[i].m, cases[i].k);
      else
        product (cases[i].type, cases[i].m, cases[i].n, cases[i].k);
      device_end ();
      device_close ();
      return EXIT_SUCCESS;
    }
  }
  return argc < 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
