/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real .nemo checkpoints that lack something, have too much, or whose parts do
 * not fit: what the original does wrong without a word (spec 8.2) is an error
 * that names it. And the forms of one archive: folder, tar, gzip. */
#include "config.h"
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <neva/neva.h>
#include <string.h>
#include "check.h"
#include "checkpoint/bundle.h"

static char *root; /* of the references */

static char *
reference (const char *name, const char *file)
{
  return g_build_filename (root, name, file, NULL);
}

static NevaModel *
open_model (
    const char *path, const char *base, const char *tower, GError **error)
{
  const NevaModelOptions options = {.base_model = base, .vision_tower = tower};

  return neva_model_open (path, &options, NULL, NULL, NULL, error);
}

/* (transfer full): a folder with the archive's content, `from` in its
 * configuration turned into `to`. */
static char *
extract (const char *archive, const char *from, const char *to)
{
  char *folder = g_dir_make_tmp ("neva-parts-XXXXXX", NULL);
  NevaBundle *bundle = neva_bundle_open (archive, NULL);
  const GPtrArray *names = neva_bundle_names (bundle);

  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *parent = g_path_get_dirname (path);
    gsize n;
    const char *data = g_bytes_get_data (neva_bundle_find (bundle, name), &n);
    g_autoptr (GString) text = g_string_new_len (data, (gssize) n);

    if (from && !strcmp (name, "model_config.yaml") &&
        !g_string_replace (text, from, to, 0))
      g_error ("%s: no '%s'", archive, from);
    g_mkdir_with_parents (parent, 0700);
    g_file_set_contents (path, text->str, (gssize) text->len, NULL);
  }
  neva_bundle_free (bundle);
  return folder;
}

static void
discard (char *folder)
{
  g_autofree char *quoted = g_shell_quote (folder);
  g_autofree char *command = g_strconcat ("rm -r ", quoted, NULL);

  g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL);
  g_free (folder);
}

#define CHECK_REFUSED(model, error, part)                                      \
  CHECK (!(model) && strstr ((error)->message, part), "%s",                    \
      (error) ? (error)->message : "accepted")

static void
test_language_model_is_missing_or_twice (void)
{
  g_autofree char *projector =
      reference ("nemo-projector-lora", "projector.nemo");
  g_autofree char *base = reference ("nemo-projector-lora", "base_llm.nemo");
  g_autofree char *whole = reference ("nemo-gpt2bpe", "model.nemo");
  g_autoptr (GError) a = NULL, b = NULL, c = NULL, d = NULL;
  g_autoptr (NevaModel) none = open_model (projector, NULL, NULL, &a);
  g_autoptr (NevaModel) good = open_model (projector, base, NULL, &b);
  g_autoptr (NevaModel) twice = open_model (whole, base, NULL, &c);
  g_autoptr (NevaModel) alone = open_model (base, NULL, NULL, &d);

  CHECK_REFUSED (none, a, "give the base model");
  CHECK (good != NULL, "%s", b ? b->message : "");
  CHECK_REFUSED (twice, c, "leave out the base model");
  CHECK_REFUSED (alone, d, "without mm_cfg");
}

static void
test_tower_does_not_fit (void)
{
  g_autofree char *archive = reference ("nemo-gpt2bpe", "model.nemo");
  g_autofree char *tower = reference ("nemo-gpt2bpe", "tower");
  char *folder =
      extract (archive, "crop_size: [14, 14]", "crop_size: [28, 28]");
  g_autoptr (GError) a = NULL, b = NULL, c = NULL;
  g_autoptr (NevaModel) bad = open_model (folder, NULL, tower, &a);
  g_autoptr (NevaModel) gone = open_model (folder, NULL, NULL, &b);
  g_autoptr (NevaModel) wrong = open_model (archive, NULL, archive, &c);

  CHECK_REFUSED (bad, a, "vision_encoder.crop_size");
  CHECK_REFUSED (gone, b, "the vision tower 'tower' is not there");
  CHECK_REFUSED (wrong, c, "no CLIP checkpoint");
  discard (folder);
}

static void
test_missing_media_token_is_named (void)
{
  g_autofree char *archive = reference ("nemo-gpt2bpe", "model.nemo");
  g_autofree char *tower = reference ("nemo-gpt2bpe", "tower");
  char *folder = extract (archive, "\"<extra_id_4>\"", "\"<other>\"");
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model = open_model (folder, NULL, tower, &error);
  g_autofree guint8 *rgb = g_malloc0 (16 * 16 * 3);
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = 16,
      .height = 16,
      .plane = {rgb},
      .stride = {16 * 3},
      .pts_ns = -1};
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  NevaEmbedding *seen;

  CHECK (model != NULL, "%s", error ? error->message : "");
  if (model) {
    seen = neva_model_encode (model, &frame, NULL, NULL);
    question.frames = &seen;
    question.n_frames = 1;
    CHECK_REFUSED (
        neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, &error),
        error, "no '<extra_id_4>'");
    neva_embedding_unref (seen);
  }
  discard (folder);
}

/* What the archive holds, compressed. */
static gboolean
compress (const char *from, const char *to)
{
  g_autoptr (GFile) source = g_file_new_for_path (from);
  g_autoptr (GFile) target = g_file_new_for_path (to);
  g_autoptr (GFileInputStream) in = g_file_read (source, NULL, NULL);
  g_autoptr (GFileOutputStream) out =
      g_file_replace (target, NULL, FALSE, G_FILE_CREATE_NONE, NULL, NULL);
  g_autoptr (GConverter) zip =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 1));
  g_autoptr (GOutputStream) packed =
      g_converter_output_stream_new (G_OUTPUT_STREAM (out), zip);

  return g_output_stream_splice (packed, G_INPUT_STREAM (in),
             G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, NULL) > 0;
}

static void
test_forms_of_an_archive (void)
{
  static const char *const names[] = {"nemo-gpt2bpe", "nemo-clip-tp2"};
  static const char *const towers[] = {"tower", "clip.nemo"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *archive = reference (names[i], "model.nemo");
    g_autofree char *tower = reference (names[i], towers[i]);
    char *folder = extract (archive, NULL, NULL);
    char *clip = i ? extract (tower, NULL, NULL) : g_strdup (tower);
    g_autofree char *packed = g_build_filename (folder, "packed.nemo", NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (NevaModel) of_folder = open_model (folder, NULL, clip, &error);
    g_autoptr (NevaModel) of_packed = NULL;

    CHECK (of_folder != NULL, "%s", error ? error->message : "");
    CHECK (compress (archive, packed), "%s", packed);
    g_clear_error (&error);
    of_packed = open_model (packed, NULL, tower, &error);
    CHECK (of_packed != NULL, "%s", error ? error->message : "");
    discard (folder);
    if (i)
      discard (clip);
    else
      g_free (clip);
  }
}

int
main (void)
{
  const char *source = g_getenv ("NEVA_SOURCE");

  root = g_build_filename (
      source ? source : ".", "tests", "data", "reference", NULL);
  test_language_model_is_missing_or_twice ();
  test_tower_does_not_fit ();
  test_missing_media_token_is_named ();
  test_forms_of_an_archive ();
  g_free (root);
  return check_finish ();
}
