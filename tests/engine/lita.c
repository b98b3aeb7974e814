/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LITA: time strings and time tokens, whose table is what NeMo's own
 * encode_time_str () gives, and frames between tokens through the runtime. */
#include "config.h"
#include <json-glib/json-glib.h>
#include <neva/neva.h>
#include <string.h>
#include "check.h"
#include "checkpoint/safetensors.h"
#include "text/times.h"

/* A vocabulary of one letter, and <t0> … <tM>. */
static NevaTokenizer *
make_tokenizer (guint tokens)
{
  g_autoptr (NevaFileSet) files = neva_file_set_new ("memory");
  g_autoptr (NevaTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;
  GString *json = g_string_new (
      "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, "
      "\"added_tokens\": [");
  g_autoptr (GBytes) bytes = NULL;

  for (guint i = 0; i < tokens; i++)
    g_string_append_printf (json, "%s{\"id\": %u, \"content\": \"<t%u>\"}",
        i ? ", " : "", i + 1, i);
  g_string_append (json, "]}");
  bytes = g_string_free_to_bytes (json);
  neva_file_set_add (files, "tokenizer.json", bytes);
  tokenizer = neva_tokenizer_open_files (files, FALSE, &error);
  if (!tokenizer)
    g_error ("%s", error->message);
  return g_steal_pointer (&tokenizer);
}

static void
test_encode (void)
{
  static const struct {
    const char *text;
    double seconds;
    guint tokens;
    const char *want;
  } rows[] = {
      {"What is at <12.5s>?", 25, 100, "What is at <t50>?"},
      {"From <0s> to <10s>.", 10, 100, "From <t0> to <t99>."},
      {"What happens after 12.5 seconds here", 20, 100,
          "What happens after<t62> here"},
      {"At 3s. and 5s, or 7s>", 10, 100, "At<t30> and<t50> or<t69>"},
      {" 1 second later ", 8, 100, "<t12> later"},
      {"a 2 seconds b 3 second c", 10, 11, "a<t2> b<t3> c"},
      {"  x\xc2\xa0"
       "4 seconds ",
          9, 100, "x<t44>"},
      {"no time, 5 sec, <5>", 9, 100, "no time, 5 sec, <5>"},
      /* halves to even */
      {"half <2.5s> of 5", 50, 11, "half <t0> of 5"},
      {"<1.5s><4.5s>", 30, 11, "<t0><t2>"},
      {"in 4s 5s 6s now", 10, 100, "in<t40>5s<t59>now"},
      {"at <30s>", 10, 100, "at <t297>"},
      {"a\n7s|b", 10, 100, "a<t69>b"},
      {"<.5s> <5.s>", 10, 100, "<t5> <t50>"},
      /* no number: the original ends with a traceback */
      {"<1.2.3s> stays", 10, 100, "<1.2.3s> stays"},
      /* how long it is is not known */
      {" at <3s> ", 0, 100, " at <3s> "},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const NevaTimes times = {rows[i].seconds, rows[i].tokens, FALSE};
    g_autoptr (NevaTokenizer) tokenizer = make_tokenizer (rows[i].tokens);
    g_autofree char *got =
        neva_times_encode (&times, tokenizer, rows[i].text, NULL);

    CHECK_STR (got, rows[i].want);
  }
}

static void
test_missing_token_is_named (void)
{
  const NevaTimes times = {10, 100, FALSE};
  g_autoptr (NevaTokenizer) tokenizer = make_tokenizer (50);
  g_autoptr (GError) error = NULL;
  g_autofree char *got =
      neva_times_encode (&times, tokenizer, "at <9s>", &error);

  CHECK (!got && g_error_matches (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE) &&
             strstr (error->message, "'<t89>'"),
      "%s", error ? error->message : got);
}

static void
test_decode (void)
{
  static const struct {
    const char *text;
    double seconds;
    const char *want;
  } rows[] = {
      {"From <t0> to <t99>.", 25, "From <0.0> to <25.0>."},
      {"<t50>", 10, "<5.05>"},
      {"<t1><t2>", 7.25, "<0.07><0.15>"},
      {"<t33> of an hour", 3600, "<1200.0> of an hour"},
      {"<t100> <t05> <t> <t5 <tx>", 10, "<t100> <t05> <t> <t5 <tx>"},
      {"at <t5>", 0, "at <t5>"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const NevaTimes times = {rows[i].seconds, 100, FALSE};
    g_autofree char *got = neva_times_decode (&times, rows[i].text);

    CHECK_STR (got, rows[i].want);
  }
}

/* What is shown of an answer in the making is never taken back. */
static void
test_certain (void)
{
  static const struct {
    const char *text;
    gsize want;
  } rows[] = {{"at ", 3}, {"at <", 3}, {"at <t", 3}, {"at <t12", 3},
      {"at <t12>", 8}, {"a < b", 5}, {"<tx", 3}, {"", 0}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    CHECK (neva_times_certain (rows[i].text) == rows[i].want, "'%s': %zu",
        rows[i].text, neva_times_certain (rows[i].text));
}

/* ---- Frames between tokens ---------------------------------------------- */

static GPtrArray *
encode_frames (NevaModel *model, const NevaSafetensors *st)
{
  const NevaTensorView *f = neva_safetensors_find (st, "frames");
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  GPtrArray *frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);

  for (gsize i = 0; i < f->shape[0]; i++) {
    const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
        .width = (guint) f->shape[2],
        .height = (guint) f->shape[1],
        .plane = {(const guint8 *) f->data + i * f->bytes / f->shape[0]},
        .stride = {(gint) f->shape[2] * 3},
        .pts_ns = -1};

    g_ptr_array_add (frames, neva_model_encode (model, &frame, wait, NULL));
  }
  return frames;
}

static void
check_ids (const NevaAnswer *answer, const NevaTensorView *want)
{
  CHECK (answer->generated_tokens > 0, "nothing");
  for (guint i = 0; i < answer->generated_tokens; i++) {
    gint64 id;

    memcpy (&id, (const char *) want->data + i * sizeof id, sizeof id);
    CHECK (answer->tokens[i].id == id, "token %u: %d, not %d", i,
        answer->tokens[i].id, (int) id);
  }
}

static void
test_frames_between_tokens (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "model.nemo", NULL);
  g_autofree char *json = g_build_filename (folder, "expected.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *file =
      g_build_filename (folder, "expected.safetensors", NULL);
  g_autoptr (NevaSafetensors) st = neva_safetensors_open (file, NULL);
  g_autoptr (GError) error = NULL;
  const NevaModelOptions options = {.weights = NEVA_WEIGHTS_F32};
  g_autoptr (NevaModel) model =
      neva_model_open (path, &options, NULL, NULL, NULL, &error);
  g_autoptr (GPtrArray) frames = NULL;
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  if (!model || !st || !json_parser_load_from_file (parser, json, &error))
    g_error ("%s: %s", folder, error ? error->message : "?");
  frames = encode_frames (model, st);
  question.frames = (NevaEmbedding *const *) frames->pdata;
  question.n_frames = frames->len;
  question.conv_template = "none";
  question.prompt = json_object_get_string_member (
      json_node_get_object (json_parser_get_root (parser)), "prompt");
  question.max_tokens =
      (guint) neva_safetensors_find (st, "greedy_ids")->n_elements;
  /* twice: fed, and reused */
  for (guint i = 0; i < 2; i++) {
    g_autoptr (NevaRequest) request =
        neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, &error);
    const NevaAnswer *answer =
        request ? neva_request_wait (request, NULL, &error) : NULL;

    CHECK (answer != NULL, "%s", error ? error->message : "?");
    if (answer)
      check_ids (answer, neva_safetensors_find (st, "greedy_ids"));
  }
  question.prompt = "What is at <5s>?<video>";
  question.duration_ns = 10 * G_GINT64_CONSTANT (1000000000);
  CHECK (!neva_model_ask (
             model, &question, NULL, NULL, NULL, NULL, NULL, &error) &&
             strstr (error->message, "'<t50>'"),
      "%s", error ? error->message : "no error");
}

int
main (void)
{
  const char *source = g_getenv ("NEVA_SOURCE");

  test_encode ();
  test_missing_token_is_named ();
  test_decode ();
  test_certain ();
  if (source) {
    g_autofree char *folder = g_build_filename (
        source, "tests", "data", "reference", "nemo-lita-ends", NULL);

    test_frames_between_tokens (folder);
  }
  return check_finish ();
}
