/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .nemo archives made to do harm, or made wrong: names and links that leave the
 * archive, pickles that call something, YAML that explodes, tensors, ranks and
 * adapters that do not fit. Each is an error that names what was wrong. */
#include "config.h"
#include <archive.h>
#include <archive_entry.h>
#include <ftw.h>
#include <neva/convert.h>
#include <string.h>
#include "check.h"
#include "checkpoint/bundle.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/nemo_config.h"

static char *folder, *good; /* a .nemo that opens */

static int
remove_one (
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void) st, (void) kind, (void) where;
  return remove (path);
}

/* ---- Archives ----------------------------------------------------------- */

static struct archive *
begin (const char *path)
{
  struct archive *tar = archive_write_new ();

  archive_write_set_format_ustar (tar);
  g_assert (archive_write_open_filename (tar, path) == ARCHIVE_OK);
  return tar;
}

/* link: "" for a file, "s" a symbolic and "h" a hard link to content. */
static void
add (struct archive *tar, const char *name, const char *link,
    const void *content, gsize length)
{
  struct archive_entry *e = archive_entry_new ();

  archive_entry_set_pathname (e, name);
  archive_entry_set_perm (e, 0644);
  archive_entry_set_filetype (e, *link == 's' ? AE_IFLNK : AE_IFREG);
  if (*link == 's')
    archive_entry_set_symlink (e, content);
  else if (*link == 'h')
    archive_entry_set_hardlink (e, content);
  else
    archive_entry_set_size (e, (la_int64_t) length);
  g_assert (archive_write_header (tar, e) == ARCHIVE_OK);
  if (!*link)
    archive_write_data (tar, content, length);
  archive_entry_free (e);
}

static void
finish (struct archive *tar)
{
  g_assert (archive_write_free (tar) == ARCHIVE_OK);
}

/* The good archive, with one member replaced (content NULL: left out). */
static char *
variant (const char *member, const void *content, gsize length)
{
  g_autoptr (NevaBundle) bundle = neva_bundle_open (good, NULL);
  const GPtrArray *names = neva_bundle_names (bundle);
  char *path = g_build_filename (folder, "variant.nemo", NULL);
  struct archive *tar = begin (path);

  for (guint i = 0; i < names->len; i++) {
    GBytes *bytes = neva_bundle_find (bundle, names->pdata[i]);
    gsize n;
    const void *data = g_bytes_get_data (bytes, &n);

    if (strcmp (names->pdata[i], member))
      add (tar, names->pdata[i], "", data, n);
    else if (content)
      add (tar, member, "", content, length);
  }
  finish (tar);
  return path;
}

static GError *
open_error (const char *path, const char *lora)
{
  const NevaCheckpointParts parts = {.lora = lora};
  g_auto (NevaCheckpoint) checkpoint = {0};
  GError *error = NULL;

  if (neva_checkpoint_open (&checkpoint, path, &parts, &error))
    return NULL;
  return error;
}

/* ---- Tests -------------------------------------------------------------- */

static void
test_names_and_links (void)
{
  g_autofree char *path = g_build_filename (folder, "names.nemo", NULL);
  g_autoptr (NevaBundle) bundle = NULL;
  struct archive *tar = begin (path);

  add (tar, "/etc/passwd", "", "x", 1);
  add (tar, "../outside", "", "x", 1);
  add (tar, "./a/../../outside", "", "x", 1);
  add (tar, "a/..", "", "x", 1);
  add (tar, "link", "s", "/etc/passwd", 0);
  add (tar, "hard", "h", "/etc/passwd", 0);
  add (tar, "./model_config.yaml", "", "a: 1", 4);
  finish (tar);
  bundle = neva_bundle_open (path, NULL);
  CHECK (bundle && neva_bundle_names (bundle)->len == 1, "%u members",
      bundle ? neva_bundle_names (bundle)->len : 0);
  CHECK (bundle && neva_bundle_find (bundle, "model_config.yaml"), "config");
  CHECK (bundle && !neva_bundle_find (bundle, "link"), "a link");
}

/* A torch.save file is a zip; a bare pickle is none. */
static void
test_pickles (void)
{
  g_autofree char *path = variant ("model_weights.ckpt", "\x80\x02}.", 4);
  g_autoptr (GError) error = open_error (path, NULL);

  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "model_weights.ckpt");
  g_free (path);
  path = variant ("model_weights.ckpt", NULL, 0);
  error = open_error (path, NULL);
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "no weights in it");
}

/* The call stands where the dictionary was; the zip around it is as it was. */
static void
test_call_in_pickle (void)
{
  static const char call[] = "\x80\x02"
                             "cposix\nsystem\nX\4\0\0\0true\x85R.";
  g_autoptr (NevaBundle) bundle = neva_bundle_open (good, NULL);
  GBytes *bytes = neva_bundle_find (bundle, "model_weights.ckpt");
  gsize n;
  const char *data = g_bytes_get_data (bytes, &n);
  g_autofree char *copy = g_memdup2 (data, n);
  char *at = memmem (copy, n, "\x80\x02}(", 4);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  g_assert (at);
  memcpy (at, call, sizeof call - 1);
  path = variant ("model_weights.ckpt", copy, n);
  error = open_error (path, NULL);
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "'posix.system' is not allowed");
  g_free (path);
  memcpy (at, "\x80\x02}.", 4);
  path = variant ("model_weights.ckpt", copy, n);
  error = open_error (path, NULL);
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "no tensor of a model");
  for (gsize cut = 1; cut < n; cut = cut * 2 + 1) {
    g_free (path);
    path = variant ("model_weights.ckpt", data, n - cut);
    error = open_error (path, NULL);
    CHECK (error, "%zu bytes less went unseen", cut);
    g_clear_error (&error);
  }
}

static char *
repeat (const char *text, guint n)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append (all, text);
  return g_string_free (all, FALSE);
}

/* Ten levels of ten aliases each: ten thousand million values. */
static char *
laughs (void)
{
  GString *all = g_string_new ("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");

  for (guint i = 1; i < 10; i++) {
    g_string_append_printf (all, "a%u: &a%u [", i, i);
    for (guint k = 0; k < 10; k++)
      g_string_append_printf (all, "%s*a%u", k ? ", " : "", i - 1);
    g_string_append (all, "]\n");
  }
  return g_string_free (all, FALSE);
}

static void
check_yaml (const char *text, const char *part)
{
  g_auto (NevaNemoInfo) info = {0};
  NevaConfig config = {0};
  g_autoptr (GError) error = NULL;

  CHECK (!neva_nemo_config_parse (
             text, strlen (text), "model_config.yaml", &config, &info, &error),
      "accepted: %.60s", text);
  CHECK (error && strstr (error->message, part), "%.60s: %s", text,
      error ? error->message : "no error");
}

static void
test_yaml (void)
{
#define SHAPE "num_layers: 2\nhidden_size: 64\nnum_attention_heads: 4\n"
#define REST SHAPE "position_embedding_type: rope\ntokenizer: {model: x}\n"
#define MEDIA REST "mm_cfg: {vision_encoder: {from_hf: true}"
  static const struct {
    const char *text, *part;
  } rows[] = {
      {"", "empty"},
      {"just a word", "no mapping"},
      {"[1, 2]", "no mapping"},
      {"a: [", "line"},
      {"a: *nobody", "alias"},
      {"? [a, b]\n: c", "no text"},
      {"num_layers: -3", "num_layers"},
      {"num_layers: 99999999999999999999", "num_layers"},
      {"num_layers: .nan", "num_layers"},
      {"num_layers: [4]", "num_layers"},
      {"hidden_size: 1e300", "hidden_size"},
      {SHAPE "num_query_groups: 3", "num_query_groups"},
      {SHAPE "kv_channels: 7", "kv_channels"},
      {SHAPE "activation: reglu", "reglu"},
      {SHAPE "normalization: batch", "batch"},
      {SHAPE "position_embedding_type: alibi", "alibi"},
      {REST "rotary_percentage: 2", "rotary_percentage"},
      {REST "tokenizer: {library: yttm}", "yttm"},
      {REST "window_size: [-1, 0]", "window_size"},
      {REST "peft: {lora_tuning: {adapter_dim: -1}}", "adapter_dim"},
      {MEDIA ", mm_mlp_adapter_type: perceiver}", "perceiver"},
      {MEDIA ", mm_mlp_adapter_type: mlp99x_gelu}", "mlp99x_gelu"},
      {MEDIA "}\ndata: {image_aspect_ratio: keep}", "keep"},
      {MEDIA "}\ndata: {num_frames: 0}", "num_frames"},
      {MEDIA "}\ndata: {num_frames: 8, splice_single_frame: first}", "first"},
      {MEDIA "}\nneva: [1]", "neva"},
      {MEDIA "}\nneva: {tokenizer_files: [3]}", "tokenizer_files"},
      {REST "mm_cfg: 3", "mm_cfg"},
  };
  g_autofree char *deep = repeat ("[", 5000), *wide = laughs ();
  g_autofree char *map = repeat ("{a: ", 900);
  /* minutes, if libyaml saw it */
  g_autofree char *abyss = repeat ("[", 200000);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    check_yaml (rows[i].text, rows[i].part);
  check_yaml (deep, "line");
  check_yaml (map, "line");
  check_yaml (abyss, "opening brackets");
  check_yaml (wide, "more values");
}

static void
keep_log (GLogLevelFlags level, const char *message, gpointer text)
{
  if (level == G_LOG_LEVEL_DEBUG)
    g_string_append (text, message);
}

/* Dead keys, and those of later versions, do no harm and are listed. */
static void
test_unknown_keys (void)
{
  static const char text[] = MEDIA
      "}\nsome: {thing: [1]}\ndata: {lazy_preprocess: true, num_frames: 4}\n";
  g_autoptr (GString) log = g_string_new (NULL);
  g_auto (NevaNemoInfo) info = {0};
  NevaConfig config = {0};

  neva_set_log_func (keep_log, log);
  CHECK (
      neva_nemo_config_parse (text, strlen (text), "x", &config, &info, NULL),
      "refused");
  neva_set_log_func (NULL, NULL);
  CHECK (strstr (log->str, "some") && strstr (log->str, "data.lazy_preprocess"),
      "%s", log->str);
  CHECK (!strstr (log->str, "num_frames") && !strstr (log->str, "from_hf"),
      "%s", log->str);
}

/* Section neva overrides, within bounds. */
static void
test_extras (void)
{
  static const struct {
    const char *neva, *part;
  } rows[] = {
      {"neva: {projector: cube}", "cube"},
      {"neva: {drop_rows: 64}", "drop_rows"},
      {"neva: {select_layer: 200}", "select_layer"},
      {"neva: {window_layers: [9]}", "window_layers"},
      {"neva: {experts_used: 3}", "experts_used"},
      {"neva: {rope: llama3}", "rope_high_freq"},
      {"neva: {rope_base: -1}", "rope_base"},
      {"neva: {eos: [-4]}", "eos"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = g_strconcat (MEDIA "}\n", rows[i].neva, NULL);
    g_auto (NevaNemoInfo) info = {0};
    NevaConfig config = {0};
    g_autoptr (GError) error = NULL;

    CHECK (neva_nemo_config_parse (
               text, strlen (text), "x", &config, &info, &error),
        "%s", error ? error->message : "");
    config.tower.layers = 4, config.tower.image_size = 28;
    config.tower.patch_size = 7, config.tower.class_tokens = 1;
    CHECK (
        !neva_nemo_config_finish (&info, "x", &config, &error), "row %zu", i);
    CHECK (error && strstr (error->message, rows[i].part), "row %zu: %s", i,
        error ? error->message : "no error");
  }
}

/* A model is no file of adapters; half a set of ranks is none. */
static void
test_parts (const char *demo)
{
  g_autofree char *ranks = g_build_filename (folder, "ranks.nemo", NULL);
  g_autofree char *path = NULL, *whole = g_steal_pointer (&good);
  g_autoptr (GError) error = open_error (whole, whole);
  const NevaConvertOptions options = {
      .format = NEVA_FORMAT_NEMO, .tensor_parallel = 2};

  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "no LoRA adapters");
  CHECK (neva_convert (demo, ranks, &options, NULL), "ranks");
  good = g_strdup (ranks);
  path = variant ("mp_rank_01/model_weights.ckpt", NULL, 0);
  error = open_error (path, NULL);
  CHECK (error, "one of two ranks");
  g_clear_error (&error);
  g_free (path);
  path = variant ("mp_rank_00/model_weights.ckpt", NULL, 0);
  error = open_error (path, NULL);
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "rank missing");
  g_free (good);
  good = g_steal_pointer (&whole);
}

int
main (void)
{
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";
  g_autofree char *demo = g_build_filename (root, "models", "demo", NULL);
  const NevaConvertOptions options = {.format = NEVA_FORMAT_NEMO};

  folder = g_dir_make_tmp ("neva-hostile-XXXXXX", NULL);
  good = g_build_filename (folder, "good.nemo", NULL);
  g_assert (neva_convert (demo, good, &options, NULL));
  test_names_and_links ();
  test_pickles ();
  test_call_in_pickle ();
  test_yaml ();
  test_unknown_keys ();
  test_extras ();
  test_parts (demo);
  nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  g_free (folder);
  g_free (good);
  return check_finish ();
}
