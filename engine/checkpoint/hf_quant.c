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

NevaAwqLayout
neva_hf_read_awq (const NevaHfReader *top)
{
  const NevaHfReader q =
      neva_hf_child (top, "quantization_config", "quantization_config.");
  const char *method;

  if (!q.object)
    return NEVA_AWQ_NONE;
  method = neva_hf_string (&q, "quant_method", "(none)");
  if (!g_str_equal (method, "awq")) {
    neva_hf_fail (&q, "quant_method", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (awq)", method);
    return NEVA_AWQ_NONE;
  }
  check_number (&q, "bits", "w_bit", 4);
  check_number (&q, "group_size", "q_group_size", NEVA_QUANT_GROUP);
  if (!neva_hf_bool (&q, "zero_point", TRUE))
    neva_hf_fail (&q, "zero_point", NEVA_ERROR_UNSUPPORTED,
        "false is not supported (true)");
  return read_version (&q);
}
