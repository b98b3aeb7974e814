/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An extracted .nemo checkpoint. The input is a list of files: a byte that says
 * which, two bytes of length (little endian), content. */
#include "config.h"
#include <glib/gstdio.h>
#include <stdlib.h>
#include "checkpoint/nemo_config.h"
#include "checkpoint/nemo_tensors.h"
#include "fuzz.h"

static const char *const names[] = {"model_config.yaml", "model_weights.ckpt",
    "model_weights/metadata.json", "model_weights/.metadata",
    "model_weights/__0_0.distcp", "model_weights/a.b/.zarray",
    "model_weights/a.b/0.0", "model_weights/a.b/0.1"};

#define CONFIG                                                                 \
  "num_layers: 1\nhidden_size: 64\nffn_hidden_size: 96\n"                      \
  "num_attention_heads: 4\nactivation: squared-relu\n"                         \
  "normalization: layernorm1p\nrotary_percentage: 0.5\nmm_cfg:\n"              \
  "  llm: {model_type: nvgpt, freeze: false}\n  mm_mlp_adapter_type: linear\n" \
  "  vision_encoder: {from_pretrained: x}\ndata: {num_frames: 4}\n"            \
  "tokenizer: &t\n  model: nemo:t.model\nagain: *t\n"
#define ZARRAY                                                                 \
  "{\"chunks\":[1,1],\"compressor\":null,\"dtype\":\"<f4\",\"fill_value\":"    \
  "null,\"filters\":null,\"order\":\"C\",\"shape\":[1,2],\"zarr_format\":2}"
#define ZARR_JSON "{\"sharded_backend\":\"zarr\",\"sharded_backend_version\":1}"
#define DIST_JSON                                                              \
  "{\"sharded_backend\":\"torch_dist\",\"sharded_backend_version\":1}"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED ("\x00\x4f\x01" CONFIG),
    FUZZ_SEED ("\x02\x36\x00" ZARR_JSON "\x05\x7b\x00" ZARRAY "\x06\x04\x00"
               "1234\x07\x04\x00"
               "5678"),
    FUZZ_SEED ("\x02\x3c\x00" DIST_JSON "\x03\x04\x00\x80\x02}.\x04\x04\x00"
               "1234"),
    FUZZ_SEED ("\x01\x04\x00\x80\x02}."),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static char *
write_files (const guint8 *data, gsize size)
{
  char *folder = g_strdup (fuzz_write_file ("nothing", NULL, 0));
  g_autofree char *array =
      g_build_filename (folder, "model_weights", "a.b", NULL);

  g_mkdir_with_parents (array, 0700);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);

    g_remove (path);
  }
  while (size >= 3) {
    const gsize length = MIN (data[1] | (gsize) data[2] << 8, size - 3);

    fuzz_write_file (names[data[0] % G_N_ELEMENTS (names)], data + 3, length);
    data += 3 + length;
    size -= 3 + length;
  }
  return folder;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *folder = write_files (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaBundle) bundle = neva_bundle_open (folder, &error);
  g_auto (NevaNemoInfo) info = {0};
  NevaTensorSet *set;
  NevaConfig config;

  if (!bundle == !error)
    abort ();
  if (!bundle)
    return 0;
  if (neva_nemo_config_read (bundle, &config, &info, &error) != !error)
    abort ();
  g_clear_error (&error);
  set = neva_nemo_tensors_read (bundle, FALSE, &error);
  if (!set == !error)
    abort ();
  for (guint i = 0; set && i < neva_tensor_set_all (set)->len; i++) {
    const NevaTensorView *view = neva_tensor_set_all (set)->pdata[i];
    const guint8 *bytes = neva_tensor_hold (view, NULL);

    for (gsize k = 0; bytes && k < view->bytes; k++)
      fuzz_sink += bytes[k];
    if (bytes)
      neva_tensor_let_go (view);
  }
  if (set)
    neva_tensor_set_free (set);
  return 0;
}
