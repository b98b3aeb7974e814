/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "hf_quant.h"

static const struct {
  const char *version;
  NevaAwqLayout layout;
} versions[] = {
    {"gemm", NEVA_AWQ_GEMM},
    {"exllama", NEVA_AWQ_GEMM}, /* other kernels for the same file */
    {"exllamav2", NEVA_AWQ_GEMM},
    {"ipex", NEVA_AWQ_GEMM},
    {"gemv", NEVA_AWQ_GEMV},
    {"gemv_fast", NEVA_AWQ_FAST},
};

/* AutoAWQ writes the first name, llm-awq's options have the other. */
static void
check_number (
    const NevaHfReader *r, const char *name, const char *other, gint64 only)
{
  const char *key =
      !neva_hf_has (r, name) && neva_hf_has (r, other) ? other : name;
  const gint64 value = neva_hf_int (r, key, only, -1, 1 << 20);

  if (value != only)
    neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED,
        "%" G_GINT64_FORMAT " is not supported (%" G_GINT64_FORMAT ")", value,
        only);
}

static NevaAwqLayout
read_version (const NevaHfReader *r)
{
  const char *given = neva_hf_string (r, "version", "gemm");
  const char *backend = neva_hf_string (r, "backend", "autoawq");

  if (!g_str_equal (backend, "autoawq") && !g_str_equal (backend, "llm-awq"))
    neva_hf_fail (r, "backend", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (autoawq, llm-awq)", backend);
  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    if (g_ascii_strcasecmp (given, versions[i].version) == 0)
      return versions[i].layout;
  }
  neva_hf_fail (r, "version", NEVA_ERROR_UNSUPPORTED,
      "'%s' is not supported (gemm, gemv, gemv_fast)", given);
  return NEVA_AWQ_NONE;
}

static NevaAwqLayout
read_awq (const NevaHfReader *q)
{
  check_number (q, "bits", "w_bit", 4);
  check_number (q, "group_size", "q_group_size", NEVA_QUANT_GROUP);
  if (!neva_hf_bool (q, "zero_point", TRUE))
    neva_hf_fail (q, "zero_point", NEVA_ERROR_UNSUPPORTED,
        "false is not supported (true)");
  return read_version (q);
}

/* ---- compressed-tensors ------------------------------------------------- */

static void
check_word (const NevaHfReader *r, const char *key, const char *def,
    const char *const *supported)
{
  const char *given = neva_hf_string (r, key, def);
  g_autofree char *list = g_strjoinv (", ", (char **) supported);

  if (!g_strv_contains (supported, given))
    neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED, "'%s' is not supported (%s)",
        given, list);
}

static void
check_null (const NevaHfReader *r, const char *key)
{
  if (neva_hf_has (r, key))
    neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED, "is not supported (null)");
}

static gboolean
is_false (const NevaHfReader *r, const char *key)
{
  if (!neva_hf_bool (r, key, FALSE))
    return TRUE;
  neva_hf_fail (
      r, key, NEVA_ERROR_UNSUPPORTED, "true is not supported (false)");
  return FALSE;
}

/* int8: of whatever granularity the tensors show. What products do with their
 * inputs is ours: 8 bits, a scale per row and group of 128, at least as fine as
 * what is written down for other programs. fp8: E4M3, one scale for a matrix
 * and one, stored, for its inputs. */
static void
check_scheme (const NevaHfReader *group, gboolean fp8)
{
  static const char *const int8_types[] = {"int", NULL};
  static const char *const fp8_types[] = {"float", NULL};
  static const char *const strategies[] = {"channel", "tensor", NULL};
  const char *const *strategy = fp8 ? strategies + 1 : strategies;
  const char *const *types = fp8 ? fp8_types : int8_types;
  const NevaHfReader weights = neva_hf_child (
      group, "weights", "quantization_config.config_groups.weights.");
  const NevaHfReader input = neva_hf_child (group, "input_activations",
      "quantization_config.config_groups.input_activations.");

  if (!weights.object)
    neva_hf_fail (group, "weights", NEVA_ERROR_UNSUPPORTED, "is missing");
  check_number (&weights, "num_bits", "num_bits", 8);
  check_word (&weights, "type", "int", types);
  check_word (&weights, "strategy", *strategy, strategy);
  if (!neva_hf_bool (&weights, "symmetric", TRUE))
    neva_hf_fail (&weights, "symmetric", NEVA_ERROR_UNSUPPORTED,
        "false is not supported (true)");
  if (fp8 && !input.object)
    neva_hf_fail (
        group, "input_activations", NEVA_ERROR_UNSUPPORTED, "is missing");
  if (!input.object)
    return;
  check_number (&input, "num_bits", "num_bits", 8);
  check_word (&input, "type", "int", types);
  if (fp8 && is_false (&input, "dynamic"))
    check_word (&input, "strategy", "tensor", strategy);
}

static void
read_compressed (const NevaHfReader *q, NevaConfig *config)
{
  static const char *const formats[] = {
      "int-quantized", "naive-quantized", "float-quantized", NULL};
  const gboolean fp8 =
      g_str_equal (neva_hf_string (q, "format", ""), "float-quantized");
  const NevaHfReader groups =
      neva_hf_child (q, "config_groups", "quantization_config.config_groups.");
  g_autoptr (GList) names =
      groups.object ? json_object_get_members (groups.object) : NULL;

  check_word (q, "format", "int-quantized", formats);
  check_null (q, "kv_cache_scheme");
  if (!names)
    neva_hf_fail (q, "config_groups", NEVA_ERROR_UNSUPPORTED, "is missing");
  for (const GList *l = names; l && !neva_hf_failed (q); l = l->next) {
    const NevaHfReader group =
        neva_hf_child (&groups, l->data, "quantization_config.config_groups.");

    check_null (&group, "output_activations");
    check_scheme (&group, fp8);
  }
  config->fp8 = fp8;
  config->int8 = !fp8;
}

void
neva_hf_read_quantization (const NevaHfReader *top, NevaConfig *config)
{
  const NevaHfReader q =
      neva_hf_child (top, "quantization_config", "quantization_config.");
  const char *method;

  if (!q.object)
    return;
  method = neva_hf_string (&q, "quant_method", "(none)");
  if (g_str_equal (method, "awq"))
    config->awq = read_awq (&q);
  else if (g_str_equal (method, "compressed-tensors"))
    read_compressed (&q, config);
  else
    neva_hf_fail (&q, "quant_method", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (awq, compressed-tensors)", method);
}
