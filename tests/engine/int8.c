/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices stored as 8-bit codes, whole and shared by ranks, and files that are
 * not as they should be. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "backend/backend.h"
#include "check.h"
#include "coded_matrix.h"
#include "matmul_layout.h"

enum { N = 72, K = 300 }; /* more than a panel; two groups and a part */

#define NAME "model.language_model.layers.0.x.weight"

static NevaBackend *backend;
static char *folder;
static gint8 codes[N][K];
static float scales[N];

/* ---- Files -------------------------------------------------------------- */

static void
add_tensor (GString *header, GByteArray *data, const char *name,
    const char *type, const char *shape, gconstpointer bytes, gsize n)
{
  g_string_append_printf (header,
      "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%u,%u]}",
      header->len > 1 ? "," : "", name, type, shape, data->len,
      data->len + (guint) n);
  g_byte_array_append (data, bytes, (guint) n);
}

/* The drawn matrix with scales in f32, or in bf16 of any shape; then `find` of
 * the header becomes `replace`. */
static NevaTensorSource *
write_matrix (const char *scale_type, const char *scale_shape, gint8 zero,
    const char *find, const char *replace)
{
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autoptr (GByteArray) data = g_byte_array_new ();
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autoptr (GString) header = g_string_new ("{");
  g_autoptr (GError) error = NULL;
  guint16 halves[N];
  gint8 zeros[N] = {0};
  NevaSafetensors *st;
  guint64 length;
  const gsize n_scales = strstr (scale_shape, "72") ? N : 1;

  for (int r = 0; r < N; r++)
    halves[r] = neva_f32_to_bf16 (scales[r]);
  zeros[N - 1] = zero;
  add_tensor (header, data, NAME, "I8", "[72,300]", codes, sizeof codes);
  if (!strcmp (scale_type, "F32"))
    add_tensor (
        header, data, NAME "_scale", "F32", scale_shape, scales, n_scales * 4);
  else
    add_tensor (header, data, NAME "_scale", scale_type, scale_shape, halves,
        n_scales * 2);
  add_tensor (
      header, data, NAME "_zero_point", "I8", "[72,1]", zeros, sizeof zeros);
  g_string_append_c (header, '}');
  if (find)
    CHECK (g_string_replace (header, find, replace, 1) == 1, "%s", find);
  length = header->len;
  g_byte_array_append (file, (const guint8 *) &length, 8);
  g_byte_array_append (file, (const guint8 *) header->str, (guint) length);
  g_byte_array_append (file, data->data, data->len);
  g_file_set_contents (path, (char *) file->data, (gssize) file->len, NULL);
  st = neva_safetensors_open (path, &error);
  if (!st)
    g_error ("%s", error->message);
  return neva_tensor_source_from_safetensors (st);
}

static NevaWeightStore *
load (NevaTensorSource *source, gboolean meant, const How *how, NevaMatrix *m,
    GError **error)
{
  return load_coded (
      source, backend, NEVA_AWQ_NONE, meant, how, N, K, m, error);
}

/* ---- What is loaded ----------------------------------------------------- */

/* From the layout of matmul_layout.h. */
static void
packed_at (const NevaMatrix *m, gsize r, gsize i, int *code, float *scale)
{
  const guint8 *group =
      (const guint8 *) m->w.data +
      r / NEVA_MATMUL_PANEL * neva_packed_panel_bytes (NEVA_DTYPE_I8, m->w.k) +
      i / NEVA_QUANT_GROUP * NEVA_I8_GROUP_BYTES;
  const gsize c = r % NEVA_MATMUL_PANEL, at = i % NEVA_QUANT_GROUP;

  *scale = ((const float *) (gconstpointer) group)[c];
  *code =
      group[NEVA_I8_Q + (at / 4 * NEVA_MATMUL_PANEL + c) * 4 + at % 4] - 128;
}

static void
check_matrix (const How *how, const NevaMatrix *m, gboolean one)
{
  const gsize r0 = how->split == NEVA_SPLIT_ROWS ? how->rank * m->w.n : 0;
  const gsize k0 = how->split == NEVA_SPLIT_COLUMNS ? how->rank * m->w.k : 0;
  gsize bad = 0;

  for (gsize r = 0; r < m->w.n; r++) {
    const float want = scales[one ? 0 : r0 + r];

    for (gsize i = 0; i < m->w.k; i++) {
      const gint8 q = codes[r0 + r][k0 + i];
      int code = q;
      float scale = want;

      if (m->w.type == NEVA_DTYPE_I8)
        packed_at (m, r, i, &code, &scale);
      else
        bad += ((const float *) m->w.data)[r * m->w.k + i] != want * (float) q;
      bad += code != q || scale != want;
    }
  }
  CHECK (bad == 0, "mode %d, rank %u of %u: %zu numbers wrong", how->mode,
      how->rank, how->ranks, bad);
}

static void
test_exact (void)
{
  static const How hows[] = {{NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1},
      {NEVA_WEIGHTS_INT8, NEVA_SPLIT_ROWS, 1, 2},
      {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_COLUMNS, 2, 3},
      {NEVA_WEIGHTS_F32, NEVA_SPLIT_NONE, 0, 1},
      {NEVA_WEIGHTS_F32, NEVA_SPLIT_ROWS, 3, 4},
      {NEVA_WEIGHTS_F32, NEVA_SPLIT_COLUMNS, 1, 2}};
  static const char *const shapes[][2] = {{"F32", "[72,1]"}, {"F32", "[72]"},
      {"BF16", "[72,1]"}, {"F32", "[1]"}, {"BF16", "[]"}};

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    for (gsize h = 0; h < G_N_ELEMENTS (hows); h++) {
      g_autoptr (GError) error = NULL;
      NevaMatrix m = {0};
      NevaWeightStore *s =
          load (write_matrix (shapes[i][0], shapes[i][1], 0, NULL, NULL), TRUE,
              &hows[h], &m, &error);

      CHECK (s != NULL, "%s", error ? error->message : "");
      if (!s)
        continue;
      CHECK_STR (neva_weights_name (s),
          hows[h].mode == NEVA_WEIGHTS_F32 ? "f32" : "int8");
      check_matrix (&hows[h], &m, !strstr (shapes[i][1], "72"));
      neva_weights_free (s);
    }
  }
}

static void
test_types (void)
{
  static const struct {
    NevaWeights mode;
    NevaDType type;
  } rows[] = {
      {NEVA_WEIGHTS_BF16, NEVA_DTYPE_BF16}, {NEVA_WEIGHTS_INT4, NEVA_DTYPE_I4}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const How how = {rows[i].mode, NEVA_SPLIT_NONE, 0, 1};
    NevaMatrix m = {0};
    NevaWeightStore *s = load (
        write_matrix ("F32", "[72,1]", 0, NULL, NULL), TRUE, &how, &m, NULL);

    CHECK (s && m.w.type == rows[i].type, "row %zu", i);
    neva_weights_free (s);
  }
}

static void
test_refused (void)
{
  static const struct {
    const char *type, *shape, *find, *replace, *part;
    gint8 zero;
    gboolean unmeant;
    int code;
  } rows[] = {
      {"F32", "[72,1]", NULL, NULL, "no quantization_config", 0, TRUE,
          NEVA_ERROR_BAD_FILE},
      {"F32", "[72,1]", "x.weight_scale", "x.weight_skale",
          NAME "_scale' is missing", 0, FALSE, NEVA_ERROR_BAD_FILE},
      {"F32", "[72,1]", "[72,300]", "[300,72]",
          NAME "': I8 72×300 expected, I8 300×72", 0, FALSE,
          NEVA_ERROR_BAD_FILE},
      {"F32", "[72,1]", "\"shape\":[72,1]", "\"shape\":[36,2]",
          NAME "_scale': F32, BF16 or F16 72×1", 0, FALSE, NEVA_ERROR_BAD_FILE},
      {"I16", "[72,1]", NULL, NULL, NAME "_scale': F32, BF16 or F16 72×1", 0,
          FALSE, NEVA_ERROR_BAD_FILE},
      {"F32", "[72,1]", NULL, NULL, NAME "_zero_point': zero points", 3, FALSE,
          NEVA_ERROR_UNSUPPORTED},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const How how = {NEVA_WEIGHTS_AUTO, NEVA_SPLIT_NONE, 0, 1};
    g_autoptr (GError) error = NULL;
    NevaMatrix m = {0};

    CHECK (!load (write_matrix (rows[i].type, rows[i].shape, rows[i].zero,
                      rows[i].find, rows[i].replace),
               !rows[i].unmeant, &how, &m, &error),
        "row %zu was accepted", i);
    CHECK_ERROR (error, rows[i].code, rows[i].part);
  }
}

static void
test_not_finite (void)
{
  static const NevaWeights modes[] = {NEVA_WEIGHTS_AUTO, NEVA_WEIGHTS_F32};
  const float kept = scales[70];

  scales[70] = NAN;
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++) {
    const How how = {modes[i], NEVA_SPLIT_NONE, 0, 1};
    g_autoptr (GError) error = NULL;
    NevaMatrix m = {0};

    CHECK (!load (write_matrix ("F32", "[72,1]", 0, NULL, NULL), TRUE, &how, &m,
               &error),
        "accepted");
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "NaN or an infinity");
  }
  scales[70] = kept;
}

int
main (int argc, char **argv)
{
  g_autoptr (GRand) rand =
      g_rand_new_with_seed ((guint32) check_seed (argc, argv));
  g_autofree char *clean = NULL;

  backend = neva_backend_new ("cpu", 2, NULL);
  folder = g_dir_make_tmp ("neva-int8-XXXXXX", NULL);
  clean = g_strdup_printf ("rm -r '%s'", folder);
  for (int r = 0; r < N; r++) {
    scales[r] = neva_bf16_to_f32 (
        neva_f32_to_bf16 ((float) exp (g_rand_double_range (rand, -9, 2))));
    for (int i = 0; i < K; i++)
      codes[r][i] = (gint8) g_rand_int_range (rand, -128, 128);
  }
  test_exact ();
  test_types ();
  test_refused ();
  test_not_finite ();
  neva_backend_free (backend);
  g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL);
  g_free (folder);
  return check_finish ();
}
