/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Launchers that do what several others do one after the other, against these:
 * to the bit. */
#include "config.h"
#include "device.h"

#define COUNT(array) (sizeof array / sizeof array[0])
#define FLOATS(n) ((n) * sizeof (float))

static NevaWeight
random_weight (const CheckCtx *c, size_t n, size_t k)
{
  float *numbers = check_buf (n * k);
  uint16_t *codes = check_alloc (n * k * 2);
  NevaWeight w = {NEVA_DTYPE_BF16, n, k, NULL};

  check_fill (numbers, n * k, 1);
  c->ref->from_f32 (codes, numbers, NEVA_DTYPE_BF16, n * k);
  w.data = to_device (codes, n * k * 2);
  check_free (numbers), check_free (codes);
  return w;
}

static void
judge_gated (
    const CheckCtx *c, size_t m, size_t n, size_t k, NevaAct act, bool biases)
{
  enum { PAD = 3 };
  const size_t ldd = n + PAD, ldx = k + m % 2, bytes = FLOATS (m * ldd);
  float *x = check_buf (m * ldx), *bias = check_buf (2 * n), *dx;
  float *got = check_buf (m * ldd), *want = check_buf (m * ldd), *db, *up;
  float *fused, *apart;
  NevaWeight gate = random_weight (c, n, k), other = random_weight (c, n, k);
  NevaEpilogue e = {0};

  check_fill (x, m * ldx, 1);
  check_fill (bias, 2 * n, 1);
  dx = to_device (x, FLOATS (m * ldx));
  db = biases ? to_device (bias, FLOATS (2 * n)) : NULL;
  fused = to_device (NULL, bytes), apart = to_device (NULL, bytes);
  up = to_device (NULL, FLOATS (m * n));
  device_status ("taken", !neva_cuda_gated_takes (&gate, &other, m));
  device_status ("launch", cuda->matvec_gated (fused, ldd, dx, ldx, &gate,
                               &other, db, db ? db + n : NULL, act, m, stream));
  e.bias = db;
  device_status (
      "launch", cuda->matvec (apart, ldd, dx, ldx, &gate, e, m, stream));
  e.bias = db ? db + n : NULL;
  device_status ("launch", cuda->matvec (up, n, dx, ldx, &other, e, m, stream));
  device_status ("launch",
      cuda->act_mul (apart, ldd, apart, ldd, up, n, m, n, act, stream));
  from_device (got, fused, bytes);
  from_device (want, apart, bytes);
  device_end ();
  check_same ("dst", got, want, bytes);
  check_free (x), check_free (bias), check_free (got), check_free (want);
}

void
check_matvec_gated (const CheckCtx *c)
{
  static const size_t shapes[][3] = {{1, 16, 8}, {1, 33, 264}, {3, 17, 40},
      {8, 100, 512}, {9, 16, 520}, {16, 50, 1032}};
  static const NevaAct acts[] = {
      NEVA_ACT_SILU, NEVA_ACT_GELU_TANH, NEVA_ACT_GELU_ERF};

  if (!check_func (c, (void *) cuda->matvec_gated, NULL, "matvec_gated"))
    return;
  for (size_t i = 0; i < COUNT (shapes); i++)
    for (size_t a = 0; a < COUNT (acts); a++)
      judge_gated (
          c, shapes[i][0], shapes[i][1], shapes[i][2], acts[a], a % 2 != 0);
}

/* ---- rope_store --------------------------------------------------------- */

enum { SPANS = 3, LAYERS = 2, GAP = 2 };

typedef struct {
  NevaDType type;
  size_t heads, kv_heads, dim, rot;
  bool queries;
} Rotated;

/* Runs of tokens of sequences of their own, from the middle of a page on, their
 * rows last span first; `pages`: the blocks, on the device. */
static NevaCudaHeads
lay_out_spans (const Rotated *r, char *pages, size_t page)
{
  static const uint32_t rows[SPANS] = {1, 70, 3}, pos0[SPANS] = {127, 30, 64};
  enum { BLOCKS = 2 };
  struct {
    NevaCudaSpan span[SPANS];
    char *blocks[SPANS][BLOCKS];
  } list;
  uint32_t row = 0;

  for (size_t i = SPANS; i-- > 0; row += rows[i]) {
    list.span[i] =
        (NevaCudaSpan){(uint64_t) ((char *) list.blocks[i] - (char *) &list),
            row, rows[i], pos0[i], pos0[i] + rows[i]};
    for (size_t b = 0; b < BLOCKS; b++)
      list.blocks[i][b] =
          pages + (i * BLOCKS + b) * LAYERS * r->kv_heads * 2 * page;
  }
  return (NevaCudaHeads){.spans = to_device (&list, sizeof list),
      .n_spans = SPANS,
      .max_rows = 70,
      .heads = (uint32_t) r->heads,
      .kv_heads = (uint32_t) r->kv_heads,
      .head_dim = (uint32_t) r->dim,
      .type = r->type,
      .head_offset = r->kv_heads * 2 * page,
      .page_bytes = page};
}

static void
judge_rope_store (const Rotated *r)
{
  enum { ROWS = 74, BLOCKS = 2 };
  const size_t page = neva_kv_page_bytes (r->type, r->dim);
  const size_t all = SPANS * BLOCKS * LAYERS * r->kv_heads * 2 * page;
  const size_t kv = r->kv_heads * r->dim + GAP, q = r->heads * r->dim + GAP;
  const size_t half = r->rot / 2, n = ROWS * (q + 2 * kv + 2 * half);
  float *x = check_buf (n), *got_q = check_buf (ROWS * q), *side[2], *k[2];
  float *want_q = check_buf (ROWS * q);
  char *got = check_alloc (all), *want = check_alloc (all), *pages[2];
  NevaCudaRotation t;

  check_fill (x, n, 1);
  memset (want, 0x5a, all);
  for (size_t i = 0; i < 2; i++) {
    side[i] = to_device (x, FLOATS (n));
    k[i] = side[i] + ROWS * q;
    pages[i] = to_device (want, all);
  }
  t = (NevaCudaRotation){r->queries ? side[0] : NULL, k[0], k[0] + ROWS * kv, q,
      kv, kv, k[0] + ROWS * 2 * kv, k[0] + ROWS * (2 * kv + half), r->rot};

  NevaCudaHeads h = lay_out_spans (r, pages[0], page);

  device_status ("launch", cuda->rope_store (&h, &t, stream));
  h = lay_out_spans (r, pages[1], page);
  if (r->queries)
    device_status ("launch", cuda->rope (side[1], q, t.cosine, t.sine, ROWS,
                                 r->heads, r->dim, r->rot, stream));
  device_status ("launch", cuda->rope (k[1], kv, t.cosine, t.sine, ROWS,
                               r->kv_heads, r->dim, r->rot, stream));
  device_status (
      "launch", cuda->kv_store (&h, k[1], kv, k[1] + ROWS * kv, kv, stream));
  from_device (got_q, side[0], FLOATS (ROWS * q));
  from_device (want_q, side[1], FLOATS (ROWS * q));
  from_device (got, pages[0], all);
  from_device (want, pages[1], all);
  device_end ();
  check_same ("q", got_q, want_q, FLOATS (ROWS * q));
  check_same ("pages", got, want, all);
  check_free (x), check_free (got_q), check_free (want_q);
  check_free (got), check_free (want);
}

void
check_rope_store (const CheckCtx *c)
{
  static const Rotated cases[] = {{NEVA_DTYPE_BF16, 4, 2, 16, 16, true},
      {NEVA_DTYPE_F32, 3, 3, 20, 12, true},
      {NEVA_DTYPE_BF16, 2, 1, 72, 36, true},
      {NEVA_DTYPE_BF16, 2, 2, 8, 0, true},
      {NEVA_DTYPE_BF16, 1, 1, 128, 128, false},
      {NEVA_DTYPE_F32, 5, 1, 64, 2, false}};

  if (!check_func (c, (void *) cuda->rope_store, NULL, "rope_store"))
    return;
  for (size_t i = 0; i < COUNT (cases); i++)
    judge_rope_store (&cases[i]);
}
