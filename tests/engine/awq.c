/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices stored as 4-bit codes, in the three published layouts: packed here
 * step by step as the publications do it, read back by the engine. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "backend/backend.h"
#include "check.h"
#include "checkpoint/awq.h"
#include "coded_matrix.h"

#define N 72   /* more than a panel */
#define K 1280 /* ten groups: more zeros than a word of eight */
#define GROUPS (K / NEVA_QUANT_GROUP)
#define WORDS ((GROUPS + 7) / 8)
#define STEM "model.language_model.layers.0.x."

static NevaBackend *backend;
static char *folder;

/* What is to be found again. */
static guint8 codes[N][K], zeros[N][GROUPS];
static guint16 scales[N][GROUPS]; /* f16 */

static const int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};

static void
draw (GRand *rand)
{
  for (int r = 0; r < N; r++) {
    for (int i = 0; i < K; i++)
      codes[r][i] = (guint8) g_rand_int_range (rand, 0, 16);
    for (int g = 0; g < GROUPS; g++) {
      zeros[r][g] = (guint8) g_rand_int_range (rand, 0, 16);
      scales[r][g] =
          neva_f32_to_f16 ((float) exp (g_rand_double_range (rand, -9, 2)));
    }
  }
  scales[3][1] = 1; /* the smallest subnormal */
  scales[4][2] = 0;
}

/* What code 0 stands for: of FAST, rounded in the file. */
static float
low_of (NevaAwqLayout layout, int r, int g)
{
  const float low = -neva_f16_to_f32 (scales[r][g]) * (float) zeros[r][g];

  return layout == NEVA_AWQ_FAST ? neva_f16_to_f32 (neva_f32_to_f16 (low))
                                 : low;
}

static float
weight_of (NevaAwqLayout layout, int r, int i)
{
  const int g = i / NEVA_QUANT_GROUP;

  if (layout == NEVA_AWQ_FAST)
    return neva_f16_to_f32 (scales[r][g]) * (float) codes[r][i] +
           low_of (layout, r, g);
  return neva_f16_to_f32 (scales[r][g]) *
         (float) ((int) codes[r][i] - zeros[r][g]);
}

/* ---- Packing ------------------------------------------------------------ */

static GByteArray *
array_of (gsize bytes)
{
  GByteArray *a = g_byte_array_new ();

  g_byte_array_set_size (a, (guint) bytes);
  memset (a->data, 0, bytes);
  return a;
}

static void
or_word (GByteArray *a, gsize at, guint code, int nibble)
{
  ((guint32 *) (void *) a->data)[at] |= (guint32) code << (4 * nibble);
}

static void
pack_gemm (GByteArray *q, GByteArray *z, GByteArray *s)
{
  for (int word = 0; word < N / 8; word++) {
    for (int nibble = 0; nibble < 8; nibble++) {
      const int r = word * 8 + order[nibble];

      for (int i = 0; i < K; i++)
        or_word (q, (gsize) i * (N / 8) + (gsize) word, codes[r][i], nibble);
      for (int g = 0; g < GROUPS; g++)
        or_word (z, (gsize) g * (N / 8) + (gsize) word, zeros[r][g], nibble);
    }
  }
  for (int g = 0; g < GROUPS; g++) {
    for (int r = 0; r < N; r++)
      ((guint16 *) (void *) s->data)[g * N + r] = scales[r][g];
  }
}

static void
pack_gemv (GByteArray *q, GByteArray *z, GByteArray *s)
{
  for (int r = 0; r < N; r++) {
    for (int i = 0; i < K; i++)
      or_word (q, (gsize) (r * (K / 8) + i / 8), codes[r][i], i % 8);
    for (int g = 0; g < GROUPS; g++) {
      or_word (z, (gsize) (r * WORDS + g / 8), zeros[r][g], g % 8);
      ((guint16 *) (void *) s->data)[r * WORDS * 8 + g] = scales[r][g];
    }
  }
}

/* One row: [4][4][2] of 32 become [4 of the middle][4 of the outer][2], then
 * even and odd of each 8 are parted. */
static void
shuffle_row (guint8 *to, const guint8 *from)
{
  guint8 turned[K];

  for (int block = 0; block < K; block += 32) {
    int at = block;

    for (int b = 0; b < 4; b++) {
      for (int a = 0; a < 4; a++) {
        for (int c = 0; c < 2; c++)
          turned[at++] = from[block + a * 8 + b * 2 + c];
      }
    }
  }
  for (int i = 0; i < K; i++)
    to[i] = turned[i / 8 * 8 + order[i % 8]];
}

static void
pack_fast (GByteArray *q, GByteArray *z, GByteArray *s)
{
  guint16 *out = (guint16 *) (void *) q->data;

  for (int r = 0; r < N; r += 4) {
    guint8 rows[4][K];

    for (int j = 0; j < 4; j++)
      shuffle_row (rows[j], codes[r + j]);
    for (int block = 0; block < K; block += 64) {
      guint8 flat[256];

      for (int j = 0; j < 4; j++)
        memcpy (flat + j * 64, rows[j] + block, 64);
      for (int i = 0; i < 64; i++)
        *out++ = (guint16) (flat[4 * i] | flat[4 * i + 1] << 4 |
                            flat[4 * i + 2] << 8 | flat[4 * i + 3] << 12);
    }
  }
  for (int g = 0; g < GROUPS; g++) {
    for (int r = 0; r < N; r++) {
      ((guint16 *) (void *) s->data)[g * N + r] = scales[r][g];
      ((guint16 *) (void *) z->data)[g * N + r] =
          neva_f32_to_f16 (low_of (NEVA_AWQ_FAST, r, g));
    }
  }
}

/* ---- Files -------------------------------------------------------------- */

static const struct {
  NevaAwqLayout layout;
  const char *name, *zeros, *codes_type, *zeros_type;
  int codes_shape[2], zeros_shape[2], scales_shape[2];
  void (*pack) (GByteArray *q, GByteArray *z, GByteArray *s);
} layouts[] = {
    {NEVA_AWQ_GEMM, "gemm", "qzeros", "I32", "I32", {K, N / 8}, {GROUPS, N / 8},
        {GROUPS, N}, pack_gemm},
    {NEVA_AWQ_GEMV, "gemv", "qzeros", "I32", "I32", {N, K / 8}, {N, WORDS},
        {N, WORDS * 8}, pack_gemv},
    {NEVA_AWQ_FAST, "fast", "scaled_zeros", "I16", "F16", {N / 4, K},
        {WORDS * 8, N}, {WORDS * 8, N}, pack_fast},
};

static void
append (GString *header, GByteArray *all, const char *name, const char *dtype,
    const int *shape, const GByteArray *data)
{
  g_string_append_printf (header,
      "%s\"" STEM "%s\":{\"dtype\":\"%s\",\"shape\":[%d,%d],"
      "\"data_offsets\":[%u,%u]}",
      header->len > 1 ? "," : "", name, dtype, shape[0], shape[1], all->len,
      all->len + data->len);
  g_byte_array_append (all, data->data, data->len);
}

static NevaTensorSource *
open_text (const char *header, const GByteArray *data)
{
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  const guint64 length = strlen (header);
  g_autoptr (GError) error = NULL;
  NevaSafetensors *st;

  g_byte_array_append (file, (const guint8 *) &length, 8);
  g_byte_array_append (file, (const guint8 *) header, (guint) length);
  g_byte_array_append (file, data->data, data->len);
  g_file_set_contents (path, (char *) file->data, (gssize) file->len, NULL);
  st = neva_safetensors_open (path, &error);
  if (!st)
    g_error ("%s", error->message);
  return neva_tensor_source_from_safetensors (st);
}

/* The drawn matrix; then `find` of the header becomes `replace`, of the same
 * length. */
static NevaTensorSource *
write_layout (gsize i, const char *find, const char *replace)
{
  g_autoptr (GByteArray) q = array_of (
      (gsize) layouts[i].codes_shape[0] * (gsize) layouts[i].codes_shape[1] *
      (layouts[i].codes_type[2] == '6' ? 2 : 4));
  g_autoptr (GByteArray) z = array_of (
      (gsize) layouts[i].zeros_shape[0] * (gsize) layouts[i].zeros_shape[1] *
      (layouts[i].zeros_type[0] == 'F' ? 2 : 4));
  g_autoptr (GByteArray) s = array_of ((gsize) layouts[i].scales_shape[0] *
                                       (gsize) layouts[i].scales_shape[1] * 2);
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autoptr (GString) header = g_string_new ("{");

  layouts[i].pack (q, z, s);
  append (
      header, all, "qweight", layouts[i].codes_type, layouts[i].codes_shape, q);
  append (header, all, layouts[i].zeros, layouts[i].zeros_type,
      layouts[i].zeros_shape, z);
  append (header, all, "scales", "F16", layouts[i].scales_shape, s);
  g_string_append_c (header, '}');
  if (find)
    CHECK (g_string_replace (header, find, replace, 1) == 1, "%s", find);
  return open_text (header->str, all);
}

/* ---- Loading ------------------------------------------------------------ */

static NevaWeightStore *
load (NevaTensorSource *source, NevaAwqLayout layout, const How *how,
    NevaMatrix *m, GError **error)
{
  return load_coded (source, backend, layout, FALSE, how, N, K, m, error);
}

/* Products with unit vectors are the columns of the matrix. They round some
 * eight times in f32; matmul.h says what 4 bits of bf16 scales may lose. */
static void
check_codes (gsize i, const How *how, const NevaMatrix *m)
{
  const gsize n = m->w.n, k = m->w.k;
  const int r0 = how->split == NEVA_SPLIT_ROWS ? (int) (how->rank * n) : 0;
  const int k0 = how->split == NEVA_SPLIT_COLUMNS ? (int) (how->rank * k) : 0;
  g_autofree float *unit = g_new0 (float, k *k);
  g_autofree float *got = g_new (float, k *n);
  const NevaProduct product = {m, got, n, {0}};
  gsize bad = 0;
  double worst = 0, sum = 0;

  for (gsize j = 0; j < k; j++)
    unit[j * k + j] = 1;
  neva_backend_linear (backend, unit, k, k, &product, 1);
  for (gsize j = 0; j < k; j++) {
    for (gsize r = 0; r < n; r++) {
      const int row = r0 + (int) r, column = k0 + (int) j;
      const int g = column / NEVA_QUANT_GROUP;
      const double s = neva_f16_to_f32 (scales[row][g]);
      const double low = fabs (low_of (layouts[i].layout, row, g));
      const double rounding = 0x1p-8 * (7.5 * s * (1 + 0x1p-8) + low);
      const double bound = rounding + 8 * 0x1p-24 * (15 * s + low);
      const double d = fabs (
          got[j * n + r] - (double) weight_of (layouts[i].layout, row, column));

      bad += !(d <= bound);
      if (s > 0) {
        worst = fmax (worst, d / s);
        sum += d * d / (s * s);
      }
    }
  }
  CHECK (bad == 0, "%s: %zu codes wrong", layouts[i].name, bad);
  printf ("%s, rank %u of %u: off by %.3f of a step, %.3f at most\n",
      layouts[i].name, how->rank, how->ranks, sqrt (sum / (double) (n * k)),
      worst);
}

/* f32: exactly what the codes stand for. */
static void
check_exact (gsize i, const How *how, const NevaMatrix *m)
{
  const gsize n = m->w.n, k = m->w.k;
  const int r0 = how->split == NEVA_SPLIT_ROWS ? (int) (how->rank * n) : 0;
  const int k0 = how->split == NEVA_SPLIT_COLUMNS ? (int) (how->rank * k) : 0;
  const float *w = m->w.data;
  gsize bad = 0;

  for (gsize r = 0; r < n; r++) {
    for (gsize j = 0; j < k; j++)
      bad += !(w[r * k + j] ==
               weight_of (layouts[i].layout, r0 + (int) r, k0 + (int) j));
  }
  CHECK (bad == 0, "%s: %zu numbers wrong", layouts[i].name, bad);
}

static void
test_layout (gsize i)
{
  static const How hows[] = {{NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1},
      {NEVA_WEIGHTS_INT4, NEVA_SPLIT_ROWS, 1, 2},
      {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_COLUMNS, 1, 2},
      {NEVA_WEIGHTS_F32, NEVA_SPLIT_NONE, 0, 1},
      {NEVA_WEIGHTS_F32, NEVA_SPLIT_ROWS, 1, 6},
      {NEVA_WEIGHTS_F32, NEVA_SPLIT_COLUMNS, 3, 8}};

  for (gsize h = 0; h < G_N_ELEMENTS (hows); h++) {
    const gboolean f32 = hows[h].mode == NEVA_WEIGHTS_F32;
    g_autoptr (GError) error = NULL;
    NevaMatrix m = {0};
    NevaWeightStore *s = load (
        write_layout (i, NULL, NULL), layouts[i].layout, &hows[h], &m, &error);

    CHECK (s != NULL, "%s: %s", layouts[i].name, error ? error->message : "");
    if (!s)
      continue;
    CHECK (m.w.type == (f32 ? NEVA_DTYPE_F32 : NEVA_DTYPE_I4), "type");
    CHECK_STR (neva_weights_name (s), f32 ? "f32" : "int4");
    (f32 ? check_exact : check_codes) (i, &hows[h], &m);
    neva_weights_free (s);
  }
}

static void
test_types (void)
{
  static const struct {
    NevaWeights mode;
    NevaDType type;
  } rows[] = {
      {NEVA_WEIGHTS_BF16, NEVA_DTYPE_BF16}, {NEVA_WEIGHTS_INT8, NEVA_DTYPE_I8}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const How how = {rows[i].mode, NEVA_SPLIT_NONE, 0, 1};
    g_autoptr (GError) error = NULL;
    NevaMatrix m = {0};
    NevaWeightStore *s =
        load (write_layout (0, NULL, NULL), NEVA_AWQ_GEMM, &how, &m, &error);

    CHECK (s && m.w.type == rows[i].type, "row %zu", i);
    neva_weights_free (s);
  }
}

/* I16 codes tell by themselves which layout they have. */
static void
test_fast_by_type (void)
{
  const How how = {NEVA_WEIGHTS_F32, NEVA_SPLIT_NONE, 0, 1};
  g_autoptr (GError) error = NULL;
  NevaMatrix m = {0};
  NevaWeightStore *s =
      load (write_layout (2, NULL, NULL), NEVA_AWQ_GEMM, &how, &m, &error);

  CHECK (s != NULL, "%s", error ? error->message : "");
  if (s)
    check_exact (2, &how, &m);
  neva_weights_free (s);
}

static void
test_refused (void)
{
  static const struct {
    gsize layout;
    NevaAwqLayout said;
    const char *find, *replace, *part;
    int code;
    How how;
  } rows[] = {
      {0, NEVA_AWQ_NONE, NULL, NULL, "no quantization_config",
          NEVA_ERROR_BAD_FILE, {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1}},
      {0, NEVA_AWQ_GEMV, NULL, NULL, STEM "qweight': I32 72×160 expected",
          NEVA_ERROR_BAD_FILE, {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1}},
      {0, NEVA_AWQ_GEMM, "[10,9]", "[9,10]", STEM "qzeros': I32 10×9 expected",
          NEVA_ERROR_BAD_FILE, {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1}},
      {0, NEVA_AWQ_GEMM, "qzeros", "zeroes", STEM "qzeros' is missing",
          NEVA_ERROR_BAD_FILE, {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1}},
      {0, NEVA_AWQ_GEMM, "\"F16\"", "\"I16\"", STEM "scales': F16 10×72",
          NEVA_ERROR_BAD_FILE, {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1}},
      {2, NEVA_AWQ_FAST, "[18,1280]", "[36, 640]", "I16 18×1280 expected",
          NEVA_ERROR_BAD_FILE, {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1}},
      {0, NEVA_AWQ_GEMM, NULL, NULL, "shared by 4 ranks",
          NEVA_ERROR_UNSUPPORTED,
          {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_COLUMNS, 1, 4}},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    NevaMatrix m = {0};
    NevaWeightStore *s =
        load (write_layout (rows[i].layout, rows[i].find, rows[i].replace),
            rows[i].said, &rows[i].how, &m, &error);

    CHECK (!s, "row %zu was accepted", i);
    CHECK_ERROR (error, rows[i].code, rows[i].part);
    neva_weights_free (s);
  }
}

static void
test_not_finite (void)
{
  static const NevaWeights modes[] = {NEVA_WEIGHTS_AUTO, NEVA_WEIGHTS_F32};
  const guint16 kept = scales[70][9];

  scales[70][9] = 0x7c00;
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++) {
    const How how = {modes[i], NEVA_SPLIT_NONE, 0, 1};
    g_autoptr (GError) error = NULL;
    NevaMatrix m = {0};

    CHECK (
        !load (write_layout (0, NULL, NULL), NEVA_AWQ_GEMM, &how, &m, &error),
        "accepted");
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "NaN or an infinity");
  }
  scales[70][9] = kept;
}

int
main (int argc, char **argv)
{
  g_autoptr (GRand) rand =
      g_rand_new_with_seed ((guint32) check_seed (argc, argv));
  g_autofree char *clean = NULL;

  backend = neva_backend_new ("cpu", 2, NULL);
  folder = g_dir_make_tmp ("neva-awq-XXXXXX", NULL);
  clean = g_strdup_printf ("rm -r '%s'", folder);
  draw (rand);
  for (gsize i = 0; i < G_N_ELEMENTS (layouts); i++)
    test_layout (i);
  test_types ();
  test_fast_by_type ();
  test_refused ();
  test_not_finite ();
  neva_backend_free (backend);
  g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL);
  g_free (folder);
  return check_finish ();
}
