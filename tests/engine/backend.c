/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CPU backend with all tiers and several threads against the same backend
 * with reference kernels: how work is split over products, spans, rows and
 * tasks must not change results beyond what the kernels' classes allow. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "backend/backend.h"
#include "check.h"

static GRand *rnd;
static NevaBackend *fast, *ref;

static float *
random_floats (gsize n, double size)
{
  float *x = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    x[i] = (float) (size * g_rand_double_range (rnd, -1, 1));
  return x;
}

/* NaN fails; the canary behind the result must be untouched. */
static void
compare (const char *what, const float *got, const float *want, gsize n,
    double bound)
{
  gsize bad = 0;

  for (gsize i = 0; i < n; i++)
    bad += !(fabs ((double) got[i] - want[i]) <= bound);
  CHECK (bad == 0, "%s: %zu of %zu beyond %g", what, bad, n, bound);
}

/* One matrix, as both backends keep it. */
typedef struct {
  NevaMatrix fast, ref;
  float *host;
} Pair;

static Pair
make_pair (NevaDType type, gsize n, gsize k)
{
  Pair p = {.host = random_floats (n * k, 1)};
  g_autoptr (GError) error = NULL;

  CHECK (neva_backend_matrix_init (
             fast, &p.fast, type, p.host, NEVA_DTYPE_F32, n, k, &error) &&
             neva_backend_matrix_init (
                 ref, &p.ref, type, p.host, NEVA_DTYPE_F32, n, k, &error),
      "%s", error ? error->message : "");
  CHECK ((p.fast.owned == 0) == (type == NEVA_DTYPE_F32), "f32 stays in place");
  return p;
}

static void
free_pair (Pair *p)
{
  neva_backend_matrix_clear (fast, &p->fast);
  neva_backend_matrix_clear (ref, &p->ref);
  g_free (p->host);
}

/* Three products of one input, the last of another type, with every epilogue.
 * A sum of k products, bias and old value in f32 errs by at most k + 2
 * roundings of the sum of their sizes, which is at most k + 2 here. */
static void
test_linear (NevaDType type, gsize m, gsize k)
{
  static const gsize widths[] = {1, 130, 64};
  g_autofree float *x = random_floats (m * k, 1);
  g_autofree float *bias = random_floats (256, 1);
  const double size = (double) k + 2, bound = 2.0 * size * size * 0x1p-24;
  NevaProduct a[3], b[3];
  Pair w[3];
  float *got[3], *want[3];
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 3; i++) {
    const gsize n = widths[i];
    const NevaEpilogue e = {.bias = i ? bias : NULL,
        .act = i == 1 ? NEVA_ACT_RELU2 : NEVA_ACT_NONE,
        .add = i == 2};

    w[i] = make_pair (i == 2 ? NEVA_DTYPE_F32 : type, n, k);
    got[i] = random_floats (m * (n + 3), 1);
    want[i] = g_memdup2 (got[i], m * (n + 3) * sizeof (float));
    a[i] = (NevaProduct){&w[i].fast, got[i], n + 3, e};
    b[i] = (NevaProduct){&w[i].ref, want[i], n + 3, e};
  }
  neva_backend_linear (fast, x, k, m, a, 3);
  neva_backend_linear (ref, x, k, m, b, 3);
  CHECK (neva_backend_synchronize (fast, &error), "fault");
  for (int i = 0; i < 3; i++) {
    /* squaring doubles the relative error of a number up to k */
    compare ("linear", got[i], want[i], m * (widths[i] + 3),
        i == 1 ? bound * 2.0 * size : bound);
    g_free (got[i]);
    g_free (want[i]);
    free_pair (&w[i]);
  }
}

static void
test_gated (NevaDType type, gsize m, gsize n, gsize k)
{
  g_autofree float *x = random_floats (m * k, 0.1);
  g_autofree float *bias = random_floats (n, 1);
  g_autofree float *got = g_new0 (float, m *n);
  g_autofree float *want = g_new0 (float, m *n);
  Pair gate = make_pair (type, n, k), up = make_pair (type, n, k);
  const NevaGated a = {&gate.fast, &up.fast, bias, NULL, NEVA_ACT_SILU, got, n};
  const NevaGated b = {&gate.ref, &up.ref, bias, NULL, NEVA_ACT_SILU, want, n};
  /* factors of at most 0.1 k + 1, each off by k roundings of that */
  const double size = 0.1 * (double) k + 1;

  neva_backend_gated (fast, x, k, m, &a);
  neva_backend_gated (ref, x, k, m, &b);
  compare ("gated", got, want, m * n,
      4.0 * ((double) k + 8) * 0x1p-24 * size * size);
  free_pair (&gate);
  free_pair (&up);
}

static void
test_gather (void)
{
  enum { N = 37, K = 50, M = 9 };
  Pair w = make_pair (NEVA_DTYPE_BF16, N, K);
  g_autofree float *got = g_new0 (float, M *(K + 2));
  gint32 ids[M];
  gsize same = 0;

  for (gsize i = 0; i < M; i++)
    ids[i] = i ? g_rand_int_range (rnd, 0, N) : N - 1;
  neva_backend_gather (fast, got, K + 2, &w.fast, ids, M);
  for (gsize i = 0; i < M; i++)
    for (gsize c = 0; c < K; c++)
      same += got[i * (K + 2) + c] == neva_bf16_to_f32 (neva_f32_to_bf16 (
                                          w.host[(gsize) ids[i] * K + c]));
  CHECK (same == M * K, "%zu of %d numbers", same, M * K);
  CHECK (got[K] == 0 && got[K + 1] == 0, "columns beyond the row");
  free_pair (&w);
}

static void
test_rows (gsize rows, gsize dim)
{
  const gsize n = rows * dim;
  g_autofree float *x = random_floats (n, 3), *w = random_floats (dim, 1);
  g_autofree float *bias = random_floats (dim, 1);
  g_autofree float *got = g_new (float, n), *want = g_new (float, n);
  /* the norm of numbers within 3: at most sqrt(dim) large, dim roundings */
  const double bound = ((double) dim + 16) * 0x1p-23 * sqrt ((double) dim);

  neva_backend_rms_norm (fast, got, x, w, rows, dim, 1e-5f);
  neva_backend_rms_norm (ref, want, x, w, rows, dim, 1e-5f);
  compare ("rms_norm", got, want, n, bound);
  neva_backend_layer_norm (fast, got, x, w, bias, rows, dim, 1e-5f);
  neva_backend_layer_norm (ref, want, x, w, bias, rows, dim, 1e-5f);
  compare ("layer_norm", got, want, n, bound);
  neva_backend_copy_rows (fast, got, dim, x, dim, rows, dim);
  neva_backend_copy_rows (ref, want, dim, x, dim, rows, dim);
  neva_backend_add (fast, got, x, n);
  neva_backend_add (ref, want, x, n);
  compare ("copy and add", got, want, n, 0);
}

static void
test_rope (gsize rows, gsize heads, gsize dim, gsize rot)
{
  const gsize n = rows * heads * dim;
  g_autofree float *got = random_floats (n, 1);
  g_autofree float *want = g_memdup2 (got, n * sizeof (float));
  g_autofree float *cosine = random_floats (rows * rot / 2 + 1, 1);
  g_autofree float *sine = random_floats (rows * rot / 2 + 1, 1);

  neva_backend_rope (
      fast, got, heads * dim, cosine, sine, rows, heads, dim, rot);
  neva_backend_rope (
      ref, want, heads * dim, cosine, sine, rows, heads, dim, rot);
  compare ("rope", got, want, n, 8 * 0x1p-24);
}

/* Spans of several sequences, one a continuation, in blocks of two layers. */
static void
test_attention (NevaDType type, gboolean causal, gsize window, gsize heads,
    gsize kv_heads, gsize dim)
{
  static const gsize rows[] = {1, 70, 3, 0, 129};
  static const gsize pos0[] = {100, 0, 63, 5, 20};
  enum { SPANS = 5, BLOCKS = 4 };
  const NevaHeads h = {.type = type,
      .heads = heads,
      .kv_heads = kv_heads,
      .head_dim = dim,
      .layer = 1,
      .window = window,
      .causal = causal,
      .scale = (float) (1 / sqrt ((double) dim))};
  const gsize bytes = neva_kv_block_bytes (type, 2, kv_heads, dim);
  const gsize q = heads * dim, kv = kv_heads * dim;
  NevaSpan spans[2][SPANS];
  void *blocks[2][SPANS * BLOCKS];
  gsize total = 0;
  NevaBackend *both[] = {fast, ref};
  float *dst[2];

  for (int b = 0; b < 2; b++)
    for (gsize i = 0; i < SPANS * BLOCKS; i++)
      blocks[b][i] = neva_backend_alloc (both[b], bytes, NULL);
  for (gsize i = 0; i < SPANS; i++) {
    for (int b = 0; b < 2; b++)
      spans[b][i] = (NevaSpan){
          blocks[b] + i * BLOCKS, total, rows[i], pos0[i], pos0[i] + rows[i]};
    total += rows[i];
  }
  g_autofree float *queries = random_floats (total * q, 2);
  g_autofree float *keys = random_floats (total * kv, 2);
  g_autofree float *values = random_floats (total * kv, 1);
  for (int b = 0; b < 2; b++) {
    dst[b] = g_new0 (float, total *q);
    neva_backend_kv_store (both[b], &h, spans[b], SPANS, keys, kv, values, kv);
    neva_backend_attention (
        both[b], &h, spans[b], SPANS, dst[b], q, queries, q);
  }
  /* values are within 1. bf16: probabilities are rounded on both sides, by
   * 2^-9 of their sum, which is 1. f32: exponentials and sums of 150 terms. */
  compare ("attention", dst[0], dst[1], total * q,
      type == NEVA_DTYPE_BF16 ? 4 * 0x1p-9 : 600 * 0x1p-24);
  for (int b = 0; b < 2; b++) {
    for (gsize i = 0; i < SPANS * BLOCKS; i++)
      neva_backend_release (both[b], blocks[b][i], bytes);
    g_free (dst[b]);
  }
}

static void
test_bad_numbers (void)
{
  static const guint16 bad[] = {0x7f80, 0xff80, 0x7fc0, 0x7f81};
  guint16 host[70 * 3] = {0};
  g_autoptr (GError) error = NULL;
  NevaMatrix m;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    const gsize at = (gsize) g_rand_int_range (rnd, 0, G_N_ELEMENTS (host));

    host[at] = bad[i];
    CHECK (!neva_backend_matrix_init (fast, &m,
               i % 2 ? NEVA_DTYPE_I8 : NEVA_DTYPE_BF16, host, NEVA_DTYPE_BF16,
               70, 3, &error),
        "row %zu at %zu", i, at);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "NaN");
    host[at] = 0x7f7f; /* the largest number is one */
  }
  CHECK (neva_backend_matrix_init (fast, &m, NEVA_DTYPE_BF16,
             (const guint8 *) host + 1, NEVA_DTYPE_BF16, 69, 3,
             &error) == (error == NULL),
      "an odd address");
  if (!error)
    CHECK (m.owned != 0, "odd addresses are copied");
  if (!error)
    neva_backend_matrix_clear (fast, &m);
  g_clear_error (&error);
  CHECK (!neva_backend_alloc (fast, G_MAXSIZE / 2, &error), "no such memory");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "bytes of memory");
}

int
main (int argc, char **argv)
{
  static const NevaDType types[] = {
      NEVA_DTYPE_F32, NEVA_DTYPE_BF16, NEVA_DTYPE_I8, NEVA_DTYPE_I4};
  static const gsize ms[] = {1, 2, 33}, ks[] = {1, 63, 300};

  rnd = g_rand_new_with_seed ((guint32) check_seed (argc, argv));
  fast = neva_backend_new (NULL, 3, NULL);
  g_setenv ("NEVA_CPU", "ref", TRUE);
  ref = neva_backend_new ("cpu", 3, NULL);

  for (gsize t = 0; t < G_N_ELEMENTS (types); t++) {
    for (gsize i = 0; i < G_N_ELEMENTS (ms); i++) {
      CHECK (neva_backend_supports (fast, NEVA_OP_LINEAR, types[t]), "type");
      for (gsize k = 0; k < G_N_ELEMENTS (ks); k++)
        test_linear (types[t], ms[i], ks[k]);
      test_gated (types[t], ms[i], 200, 140);
    }
    test_gated (types[t], 1100, 70, 12);
  }
  test_gather ();
  test_rows (1, 7);
  test_rows (300, 129); /* enough to be split */
  test_rope (5, 3, 10, 6);
  test_rope (700, 4, 16, 16);
  for (int bf16 = 0; bf16 < 2; bf16++) {
    const NevaDType type = bf16 ? NEVA_DTYPE_BF16 : NEVA_DTYPE_F32;

    test_attention (type, TRUE, 0, 4, 2, 16);
    test_attention (type, TRUE, 30, 6, 1, 10);
    test_attention (type, FALSE, 0, 3, 3, 9);
  }
  test_bad_numbers ();
  neva_backend_free (fast);
  neva_backend_free (ref);
  g_rand_free (rnd);
  return check_finish ();
}
