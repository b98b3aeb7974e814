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

/* ---- A row of a decode step --------------------------------------------- */

enum { HIDDEN = 4096, FFN = 11008, VOCAB = 32000 };

static void
rms_norm (void)
{
  device_status (
      "launch", cuda->rms_norm (zeros (HIDDEN * 4), zeros (HIDDEN * 4),
                    zeros (HIDDEN * 4), 1, HIDDEN, 1e-5f, stream));
}

static void
layer_norm (void)
{
  device_status ("launch",
      cuda->layer_norm (zeros (HIDDEN * 4), zeros (HIDDEN * 4),
          zeros (HIDDEN * 4), zeros (HIDDEN * 4), 1, HIDDEN, 1e-5f, stream));
}

static void
rope (void)
{
  device_status (
      "launch", cuda->rope (zeros (HIDDEN * 4), HIDDEN, zeros (64 * 4),
                    zeros (64 * 4), 1, 32, 128, 128, stream));
}

/* A token's list of pages, and the pages. */
static NevaCudaHeads
one_token (void)
{
  struct {
    NevaCudaSpan span;
    void *block;
  } list = {{sizeof list.span, 0, 1, 0, 1}, NULL};
  const size_t page = neva_kv_page_bytes (NEVA_DTYPE_BF16, 128);
  NevaCudaHeads h = {.n_spans = 1,
      .max_rows = 1,
      .heads = 32,
      .kv_heads = 32,
      .head_dim = 128,
      .type = NEVA_DTYPE_BF16,
      .page_bytes = page};

  list.block = zeros (32 * 2 * page);
  h.spans = to_device (&list, sizeof list);
  return h;
}

static void
kv_store (void)
{
  const NevaCudaHeads h = one_token ();

  device_status ("launch", cuda->kv_store (&h, zeros (HIDDEN * 4), HIDDEN,
                               zeros (HIDDEN * 4), HIDDEN, stream));
}

static void
rope_store (void)
{
  const NevaCudaHeads h = one_token ();
  const NevaCudaRotation t = {zeros (HIDDEN * 4), zeros (HIDDEN * 4),
      zeros (HIDDEN * 4), HIDDEN, HIDDEN, HIDDEN, zeros (64 * 4),
      zeros (64 * 4), 128};

  device_status ("launch", cuda->rope_store (&h, &t, stream));
}

static void
act_mul (void)
{
  device_status (
      "launch", cuda->act_mul (zeros (FFN * 4), FFN, zeros (FFN * 4), FFN,
                    zeros (FFN * 4), FFN, 1, FFN, NEVA_ACT_SILU, stream));
}

static void
gated (void)
{
  const NevaWeight gate = {
      NEVA_DTYPE_BF16, FFN, HIDDEN, zeros ((size_t) FFN * HIDDEN * 2)};

  device_status ("launch",
      cuda->matvec_gated (zeros (FFN * 4), FFN, zeros (HIDDEN * 4), HIDDEN,
          &gate, &gate, NULL, NULL, NEVA_ACT_SILU, 1, stream));
}

/* Logits as of a normal distribution, sampled as `row` says. */
static void
sample (NevaSampleRow row)
{
  NevaCudaSampleRow device;
  float *logits = check_buf (VOCAB);

  for (size_t i = 0; i < VOCAB; i++)
    logits[i] = (float) (2.5 * check_randn ());
  memset (&device, 0, sizeof device);
  device.row = row;
  device_status ("launch",
      cuda->sample (zeros (sizeof (NevaSampled)), to_device (logits, VOCAB * 4),
          VOCAB, to_device (&device, sizeof device), 1, zeros (VOCAB * 8),
          VOCAB, stream));
  check_free (logits);
}

static void
sample_greedy (void)
{
  sample ((NevaSampleRow){.vocab = VOCAB, .forbidden = -1, .greedy = true});
}

static void
sample_top_p (void)
{
  sample ((NevaSampleRow){.vocab = VOCAB,
      .forbidden = -1,
      .temperature = 0.7f,
      .penalty = 1,
      .top_p = 0.9f,
      .random = (uint64_t) 1 << 63});
}

/* ---- Pictures ----------------------------------------------------------- */

static void
picture_rgb (void)
{
  enum { W = 1920, H = 1080 };
  const NevaCudaPicture p = {.plane = {zeros (W * H), zeros (W * H / 2)},
      .stride = {W, W},
      .width = W,
      .height = H,
      .planes = 2,
      .bytes = 1,
      .interleaved = true};

  device_status ("launch",
      cuda->picture_rgb (zeros ((size_t) 3 * W * H), &p, 0, 0, W, H, stream));
}

/* The rows' pass of 1080 to 224: a run of 20 inputs for each. */
static void
resample (void)
{
  enum { N = 224, IN = 1080, LANES = 1080, GROUPS = 6 };
  uint32_t *first = calloc (N, sizeof *first);
  NevaCudaResample plan = {.n = N,
      .groups = GROUPS,
      .inputs = IN,
      .lanes = LANES,
      .dst_channel = N * LANES,
      .dst_step = LANES,
      .dst_lane = 1,
      .src_channel = IN * LANES,
      .src_step = LANES,
      .src_lane = 1};

  for (uint32_t i = 0; i < N; i++)
    first[i] = i * (IN / 4 - GROUPS) / N;
  plan.first = to_device (first, N * sizeof *first);
  plan.digits = zeros (N * GROUPS * 12);
  device_status ("launch", cuda->resample (zeros (3 * N * LANES),
                               zeros (3 * IN * LANES), &plan, stream));
  free (first);
}

static void
patches (void)
{
  device_status (
      "launch", cuda->patches (zeros (224 * 224 * 3 * 4), zeros (224 * 224 * 3),
                    zeros (3 * 256 * 4), 1, 224, 14, stream));
}

static const struct {
  const char *name;
  void (*run) (void);
} others[] = {
    {"rms_norm-4096", rms_norm},
    {"layer_norm-4096", layer_norm},
    {"rope-32x128", rope},
    {"kv_store-32x128", kv_store},
    {"rope_store-32x128", rope_store},
    {"act_mul-11008", act_mul},
    {"gated-bf16-1x11008x4096", gated},
    {"sample-greedy-32000", sample_greedy},
    {"sample-top-p-32000", sample_top_p},
    {"picture_rgb-1920x1080", picture_rgb},
    {"resample-1080-224", resample},
    {"patches-224", patches},
};

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
  check_begin (1, NULL);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (argc < 2) {
      puts (others[i].name);
    } else if (!strcmp (argv[1], others[i].name)) {
      others[i].run ();
      device_end ();
      device_close ();
      return EXIT_SUCCESS;
    }
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
