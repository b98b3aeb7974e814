/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values that the original's functions gave when they were executed ([exec] in
 * the specification), and the acceptance vectors of its 8.5. Here are those
 * that no other test has:
 *
 *   1.3   frame tables, L = 123, integer division    gst/framesampler-choice.c
 *   1.5   crop column 130, pad row 140                here
 *   1.7   runs of S = 4, F = 2                        here
 *   2.2   order of the merging projector              here
 *   2.7   padded vocabularies                         here
 *   3.2   prompts                                     prompt.c, here with ids
 *   3.4   switch between image and video, its traps   eval.c
 *   3.5   ids 0, 1, 2                                 here
 *   3.6   CLEAN RESPONSE                              clean.c
 *   4.4   distribution and top-p                      sampler.c
 *   5.2   qkv rows of 4 heads in 2 groups             here
 *   6.2   learning rates                              train.c
 *   6.4   toy example, masks                          train.c
 *   7.6, 7.8   scores, summary, two roundings         judge.c, py_text.c
 */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "checkpoint/nemo_qkv.h"
#include "checkpoint/tensor_source.h"
#include "convert/nemo_plan.h"
#include "extended_tokenizer.h"
#include "model/projector.h"
#include "text/nemo_prompt.h"
#include "vision/preprocess.h"

/* ---- Geometry (1.5) ----------------------------------------------------- */

enum { WIDTH = 640, HEIGHT = 360 };

static guint8 *
noise (GRand *rand)
{
  guint8 *rgb = g_malloc (WIDTH * HEIGHT * 3);

  for (gsize i = 0; i < WIDTH * HEIGHT * 3; i++)
    rgb[i] = (guint8) g_rand_int_range (rand, 0, 256);
  return rgb;
}

static guint8 *
preprocess (const guint8 *rgb, const NevaPreprocess *pre)
{
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = WIDTH,
      .height = HEIGHT,
      .plane = {rgb},
      .stride = {WIDTH * 3}};
  guint8 *out = g_malloc ((gsize) pre->width * pre->height * 3);
  g_autoptr (GError) error = NULL;

  CHECK (neva_preprocess_frame (pre, &frame, out, &error), "%s",
      error ? error->message : "");
  return out;
}

/* 640×360 at 336: resized to 597×336, columns 130..465. */
static void
test_crop (const guint8 *rgb)
{
  const NevaPreprocess whole = {.mode = NEVA_RESIZE_EXACT,
      .width = 597,
      .height = 336,
      .rescale = 1.0 / 255};
  const NevaPreprocess clip = {.mode = NEVA_RESIZE_SHORTEST,
      .width = 336,
      .height = 336,
      .shortest_edge = 336,
      .center_crop = TRUE,
      .rescale = 1.0 / 255};
  g_autofree guint8 *all = preprocess (rgb, &whole);
  g_autofree guint8 *cropped = preprocess (rgb, &clip);
  guint same = 0;

  for (guint row = 0; row < 336; row++)
    same +=
        !memcmp (cropped + row * 336 * 3, all + (row * 597 + 130) * 3, 336 * 3);
  CHECK (same == 336, "%u rows", same);
}

/* Padded to 640×640: the picture begins at row 140. */
static void
test_pad (const guint8 *rgb)
{
  const NevaPreprocess pad = {.mode = NEVA_RESIZE_SHORTEST,
      .pad = TRUE,
      .pad_color = {122, 116, 104},
      .width = WIDTH,
      .height = WIDTH,
      .shortest_edge = WIDTH,
      .center_crop = TRUE,
      .rescale = 1.0 / 255};
  g_autofree guint8 *out = preprocess (rgb, &pad);
  guint border = 0;

  for (guint row = 0; row < WIDTH; row++)
    if (row < 140 || row >= 140 + HEIGHT)
      for (guint i = 0; i < WIDTH; i++)
        border += !memcmp (out + (row * WIDTH + i) * 3, pad.pad_color, 3);
  CHECK (border == WIDTH * (WIDTH - HEIGHT), "%u pixels", border);
  CHECK (!memcmp (out + 140 * WIDTH * 3, rgb, WIDTH * HEIGHT * 3),
      "the picture is at row 140");
}

/* ---- The merging projector (2.2) ---------------------------------------- */

/* Each token's four pixels (row, column), as layer norm leaves them. */
static void
test_merge_order (void)
{
  static const guint want[4][4][2] = {{{0, 0}, {0, 1}, {1, 0}, {1, 1}},
      {{2, 0}, {2, 1}, {3, 0}, {3, 1}}, {{0, 2}, {0, 3}, {1, 2}, {1, 3}},
      {{2, 2}, {2, 3}, {3, 2}, {3, 3}}};
  static const float unit[16] = {
      1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  static float ones[4] = {1, 1, 1, 1}, zeros[4] = {0};
  g_autoptr (GError) error = NULL;
  NevaBackend *backend = neva_backend_new ("cpu", 1, &error);
  NevaProjector p = {.kind = NEVA_PROJECTOR_DOWNSAMPLE,
      .side = 4,
      .width = 1,
      .norm = ones,
      .norm_bias = zeros,
      .layers = 1,
      .bias = {zeros}};
  NevaArena arena = {NULL, 0, 0};
  g_autofree guint8 *memory = NULL;
  const float *out;
  float x[16];

  CHECK (neva_backend_matrix_init (backend, &p.linear[0], NEVA_DTYPE_F32, unit,
             NEVA_DTYPE_F32, 4, 4, &error),
      "%s", error ? error->message : "");
  for (guint i = 0; i < 16; i++)
    x[i] = (float) (i * i); /* no two blocks differ alike */
  neva_projector_run (&p, backend, &arena, x, 1, 16);
  memory = g_malloc (arena.peak + 64);
  arena = (NevaArena){.base = (guint8 *) (((gsize) memory + 63) / 64 * 64)};
  out = neva_projector_run (&p, backend, &arena, x, 1, 16);
  CHECK (neva_backend_synchronize (backend, &error), "fault");
  for (guint t = 0; t < 4; t++) {
    double v[4], mean = 0, var = 0;

    for (guint i = 0; i < 4; i++)
      mean += v[i] = x[want[t][i][0] * 4 + want[t][i][1]];
    mean /= 4;
    for (guint i = 0; i < 4; i++)
      var += (v[i] - mean) * (v[i] - mean) / 4;
    for (guint i = 0; i < 4; i++) /* a few roundings of numbers below 2 */
      CHECK (fabs (out[t * 4 + i] - (v[i] - mean) / sqrt (var + 1e-5)) <= 1e-5,
          "token %u, place %u: %g", t, i, out[t * 4 + i]);
  }
  neva_backend_matrix_clear (backend, &p.linear[0]);
  neva_backend_free (backend);
}

/* ---- qkv rows (5.2) ------------------------------------------------------ */

/* Heads in the order q0 q1 k0 v0 q2 q3 k1 v1, two rows each. */
static void
test_qkv_order (void)
{
  static const struct {
    const char *name;
    guint rows;
    float want[8];
  } letters[] = {{"q_proj", 8, {0, 1, 2, 3, 8, 9, 10, 11}},
      {"k_proj", 4, {4, 5, 12, 13}}, {"v_proj", 4, {6, 7, 14, 15}}};
  static const float stored[16] = {
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const NevaTensorView view = {.name = "qkv",
      .dtype = "F32",
      .n_dims = 2,
      .shape = {16, 1},
      .n_elements = 16,
      .bytes = sizeof stored,
      .data = stored};
  const NevaQkv qkv = {.heads = 4, .groups = 2, .head_dim = 2};
  NevaTensorSet *set = neva_tensor_set_new ("vectors");
  g_autoptr (NevaTensorSource) source = NULL;

  CHECK (neva_nemo_qkv_split (set, &view, &qkv, "", "", NULL), "split");
  source = neva_tensor_source_from_set (set, "vectors");
  for (gsize i = 0; i < G_N_ELEMENTS (letters); i++) {
    const NevaTensorView *got =
        neva_tensor_source_find (source, letters[i].name);
    const float *data =
        got ? neva_tensor_source_data (source, got, NULL) : NULL;

    CHECK (data && got->shape[0] == letters[i].rows &&
               !memcmp (data, letters[i].want, letters[i].rows * sizeof *data),
        "%s", letters[i].name);
    if (got)
      neva_tensor_source_release (source, got);
  }
}

/* ---- Vocabularies (2.7) ------------------------------------------------- */

static void
test_padded_vocabulary (void)
{
  static const struct {
    guint tp, want;
  } rows[] = {{1, 32128}, {4, 32256}, {8, 32768}};
  NevaOrigin origin = {NULL};

  origin.config.text = (NevaTextConfig){.vocab = 32008,
      .kv_heads = 8,
      .ffn = 1024,
      .layers = 8,
      .heads = 8,
      .hidden = 256,
      .head_dim = 32};
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    NevaNemoShape shape = {0};
    g_autoptr (GError) error = NULL;

    CHECK (neva_nemo_shape (&shape, &origin, rows[i].tp, 1, 32008, &error),
        "%s", error ? error->message : "");
    CHECK (shape.vocab == rows[i].want && shape.divisible_by == 128,
        "tp %u: %u, divisible by %u", rows[i].tp, shape.vocab,
        shape.divisible_by);
  }
}

/* ---- Prompts and ids (1.7, 3.2, 3.5, 4.5) ------------------------------- */

static gboolean
build (const NevaTokenizer *tokenizer, const char *conv_template,
    gsize media_tokens, gboolean use_im_start_end, NevaPrompt *prompt)
{
  const NevaPromptSpec spec = {.conv_template = conv_template,
      .text = "Can you describe the scene?<video>",
      .media_tokens = media_tokens};
  const NevaNemoMedia media = {.use_im_start_end = use_im_start_end};
  g_autoptr (GError) error = NULL;
  g_autofree char *text = neva_prompt_text (&spec, &error);
  const gboolean ok =
      text && neva_nemo_prompt_build (tokenizer, text, conv_template, &media,
                  media_tokens, prompt, &error);

  CHECK (ok, "%s: %s", conv_template, error ? error->message : "");
  return ok;
}

static gint32
id_at (const NevaPrompt *prompt, gsize i)
{
  return i < prompt->ids->len ? g_array_index (prompt->ids, gint32, i) : -1;
}

/* START PATCH PATCH END: 32004 32003 32003 32005 of a Llama, 32004 0 0 32005
 * where ids are rewritten. */
static void
test_runs (const NevaTokenizer *tokenizer, gint32 first)
{
  static const struct {
    const char *name;
    gboolean rewritten;
    gint32 begins; /* the first id after rewriting; -1: any */
  } rows[] = {{"nvgpt", FALSE, -1}, {"nv_steerlm", FALSE, -1},
      {"nv_dpo", FALSE, -1}, {"yi_34b", FALSE, -1}, {"llama_3", FALSE, -1},
      {"v1", TRUE, -1}, {"llama_2", TRUE, -1}, {"mistral", TRUE, 1}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const gint32 patch = rows[i].rewritten ? 0 : first + 3;
    const gint32 want[] = {first + 4, patch, patch, first + 5};
    NevaPrompt prompt = {0};

    if (!build (tokenizer, rows[i].name, 4, FALSE, &prompt))
      continue;
    CHECK (prompt.media_len == 4, "%s: %zu", rows[i].name, prompt.media_len);
    for (gsize k = 0; k < 4; k++)
      CHECK (id_at (&prompt, prompt.media_start + k) == want[k],
          "%s: id %zu is %d", rows[i].name, k,
          id_at (&prompt, prompt.media_start + k));
    CHECK (rows[i].begins < 0 || id_at (&prompt, 0) == rows[i].begins ||
               id_at (&prompt, 1) == rows[i].begins,
        "%s begins with %d %d", rows[i].name, id_at (&prompt, 0),
        id_at (&prompt, 1));
    neva_prompt_clear (&prompt);
  }
}

/* S = 4, F = 2: six patches between the ends, or eight between two more. */
static void
test_run_lengths (const NevaTokenizer *tokenizer, gint32 first)
{
  for (int ends = 0; ends < 2; ends++) {
    NevaPrompt prompt = {0};
    guint patches = 0;

    if (!build (tokenizer, "nvgpt", 8, ends, &prompt))
      continue;
    for (guint i = 0; i < prompt.ids->len; i++)
      patches += id_at (&prompt, i) == first + 3;
    CHECK (patches == (ends ? 8 : 6) && prompt.media_len == 8, "%u patches",
        patches);
    CHECK (id_at (&prompt, prompt.media_start - (gsize) ends) == first + 4,
        "START is not there");
    CHECK (id_at (&prompt, prompt.media_start + 7 + (gsize) ends) == first + 5,
        "END is not there");
    neva_prompt_clear (&prompt);
  }
}

static void
test_nvgpt_text (const NevaTokenizer *tokenizer)
{
  NevaPrompt prompt = {0};
  g_autofree char *text = NULL;

  if (!build (tokenizer, "nvgpt", 4, FALSE, &prompt))
    return;
  text = neva_tokenizer_decode (tokenizer,
      (const gint32 *) (void *) prompt.ids->data, prompt.ids->len, TRUE, NULL);
  CHECK (strstr (text, "scene?<extra_id_4><extra_id_3><extra_id_3><extra_id_5>"
                       "\n<extra_id_1>Assistant\n<extra_id_2>quality:4,"),
      "%s", text);
  neva_prompt_clear (&prompt);
}

/* NeMo's sentencepiece_legacy: a space behind every text and every string that
 * was added, then nothing at the ends. */
static void
test_legacy_decode (void)
{
  gint32 first;
  g_autoptr (NevaTokenizer) tokenizer = extended_tokenizer (TRUE, &first);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *text = NULL;

  if (!tokenizer ||
      !neva_tokenizer_encode (tokenizer,
          "<extra_id_0>System\n<extra_id_4><extra_id_3>x\n", -1, ids, NULL))
    return;
  text = neva_tokenizer_decode_legacy (
      tokenizer, (const gint32 *) (void *) ids->data, ids->len);
  CHECK_STR (text, "<extra_id_0> System\n <extra_id_4>  <extra_id_3> x");
}

/* Byte 0 is a token like others; what is behind it is not cut off. */
static void
test_nul (const NevaTokenizer *tokenizer, gint32 first)
{
  const gint32 ids[] = {neva_tokenizer_find (tokenizer, "<0x41>"),
      neva_tokenizer_find (tokenizer, "<0x00>"),
      neva_tokenizer_find (tokenizer, "<0x42>"), first + 1};
  g_autofree char *text = NULL;

  CHECK (ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0, "bytes are no tokens");
  text = neva_tokenizer_decode_text (tokenizer, ids, 4, TRUE);
  CHECK_STR (text, "A\xef\xbf\xbd"
                   "B<extra_id_1>");
}

/* What the original makes unknown, id 0, is an error that names it. */
static void
test_missing_stand_in (void)
{
  g_autofree char *demo =
      g_build_filename (g_getenv ("NEVA_SOURCE"), "models", "demo", NULL);
  g_autoptr (NevaTokenizer) plain = neva_tokenizer_open (demo, NULL);
  const NevaNemoMedia media = {FALSE, FALSE};
  NevaPrompt prompt = {0};
  g_autoptr (GError) error = NULL;

  if (!plain)
    return;
  CHECK (!neva_nemo_prompt_build (plain, "<extra_id_6> [INST] Q [/INST]",
             "mistral", &media, 0, &prompt, &error),
      "no <extra_id_6>");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "'<extra_id_6>'");
  CHECK (neva_nemo_prompt_build (
             plain, "USER: Q ASSISTANT:", "v1", &media, 0, &prompt, &error),
      "nothing is missing");
  neva_prompt_clear (&prompt);
}

static void
test_stop_ids (const NevaTokenizer *tokenizer, gint32 first)
{
  static const char *const ends[] = {"<extra_id_1>", "<extra_id_7>",
      "<|endoftext|>", "two words that are more than a token", NULL};
  const gint32 want[] = {first + 1, first + 7, neva_tokenizer_eos (tokenizer)};
  g_auto (GStrv) texts = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  texts = neva_nemo_stop_ids (tokenizer, ends, ids);
  CHECK (texts && g_strv_length (texts) == 1, "texts");
  CHECK_STR (texts ? texts[0] : "", ends[3]);
  CHECK (
      ids->len == G_N_ELEMENTS (want) && !memcmp (ids->data, want, sizeof want),
      "%u ids", ids->len);
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);
  g_autofree guint8 *rgb = noise (rand);
  g_autoptr (NevaTokenizer) tokenizer = NULL;
  gint32 first = 0;

  test_crop (rgb);
  test_pad (rgb);
  test_merge_order ();
  test_qkv_order ();
  test_padded_vocabulary ();
  tokenizer = extended_tokenizer (FALSE, &first);
#if HAVE_SENTENCEPIECE
  CHECK (tokenizer != NULL, "no tokenizer");
#endif
  if (tokenizer) {
    test_runs (tokenizer, first);
    test_run_lengths (tokenizer, first);
    test_nvgpt_text (tokenizer);
    test_stop_ids (tokenizer, first);
    test_legacy_decode ();
    test_nul (tokenizer, first);
    test_missing_stand_in ();
  }
  return check_finish ();
}
