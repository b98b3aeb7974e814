/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real model folders through the whole runtime: frames encoded in batches,
 * questions answered together, prefixes reused, KV memory short. Whatever
 * happens beside it, an answer is the one that the original gives. */
#include "config.h"
#include <json-glib/json-glib.h>
#include <neva/neva.h>
#include <string.h>
#include "check.h"
#include "checkpoint/safetensors.h"
#include "text/prompt.h"

typedef struct {
  char *folder, *prompt;
  NevaSafetensors *expected;
  guint n_tokens; /* as stored */
  char *text;     /* of the stored greedy ids, up to the first that ends */
  NevaModel *model;
  GPtrArray *frames;
} Case;

/* The answer that the stored ids are. */
static char *
expected_text (const Case *c)
{
  const NevaTensorView *ids = neva_safetensors_find (c->expected, "greedy_ids");
  g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (c->folder, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (gint32));
  guint n = 0;

  g_assert (ids && tokenizer && ids->n_elements > 0);
  for (; n < ids->n_elements; n++) {
    gint64 wide = 0;
    const gsize size = ids->bytes / ids->n_elements;
    gint32 id;

    memcpy (&wide, (const char *) ids->data + n * size, size);
    id = (gint32) wide;
    if (id == neva_tokenizer_eos (tokenizer))
      break;
    g_array_append_val (list, id);
  }
  text = neva_tokenizer_decode (
      tokenizer, (const gint32 *) (void *) list->data, n, TRUE, NULL);
  return neva_prompt_clean ("none", text);
}

static gboolean
read_prompt (Case *c)
{
  g_autofree char *path = g_build_filename (c->folder, "expected.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!json_parser_load_from_file (parser, path, NULL))
    return FALSE;
  c->prompt = g_strdup (json_object_get_string_member (
      json_node_get_object (json_parser_get_root (parser)), "prompt"));
  return c->prompt != NULL;
}

static void
encode_frames (Case *c)
{
  const NevaTensorView *f = neva_safetensors_find (c->expected, "frames");
  g_autoptr (GCancellable) wait = g_cancellable_new ();

  g_assert (f && f->n_dims == 4 && f->shape[3] == 3);
  for (gsize i = 0; i < f->shape[0]; i++) {
    const gsize bytes = f->bytes / f->shape[0];
    const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
        .width = (guint) f->shape[2],
        .height = (guint) f->shape[1],
        .plane = {(const guint8 *) f->data + i * bytes},
        .stride = {(gint) f->shape[2] * 3},
        .pts_ns = -1};
    g_autoptr (GError) error = NULL;
    NevaEmbedding *e = neva_model_encode (c->model, &frame, wait, &error);

    if (!e)
      g_error ("%s: %s", c->folder, error->message);
    g_ptr_array_add (c->frames, e);
  }
}

static NevaRequest *
ask (const Case *c, const char *prompt)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaRequest *request;

  question.frames = (NevaEmbedding *const *) c->frames->pdata;
  question.n_frames = c->frames->len;
  question.conv_template = "none";
  question.prompt = prompt;
  question.max_tokens = c->n_tokens;
  request = neva_model_ask (
      c->model, &question, NULL, NULL, NULL, NULL, wait, &error);
  if (!request)
    g_error ("%s: %s", c->folder, error->message);
  return request;
}

static const NevaAnswer *
answer_of (NevaRequest *request)
{
  g_autoptr (GError) error = NULL;
  const NevaAnswer *answer = neva_request_wait (request, NULL, &error);

  if (!answer)
    g_error ("no answer: %s", error->message);
  return answer;
}

/* Together with others that differ, and again on what they left behind.
 * Returns: how many tokens were not computed again. */
static guint
check_questions (const Case *c)
{
  g_autofree char *longer =
      g_strconcat (c->prompt, " Please say so in many words.", NULL);
  g_autofree char *shorter = g_strdup ("<image>");
  const char *prompts[] = {
      c->prompt, longer, c->prompt, shorter, c->prompt, longer};
  NevaRequest *requests[G_N_ELEMENTS (prompts)];
  g_autofree char *of_longer = NULL;
  guint reused = 0;

  for (guint round = 0; round < 2; round++) {
    for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
      requests[i] = ask (c, prompts[i]);
    for (guint i = 0; i < G_N_ELEMENTS (prompts); i++) {
      const NevaAnswer *answer = answer_of (requests[i]);

      reused += answer->reused_tokens;
      if (prompts[i] == c->prompt)
        CHECK_STR (answer->text, c->text);
      if (prompts[i] == longer && !of_longer)
        of_longer = g_strdup (answer->text);
      if (prompts[i] == longer)
        CHECK_STR (answer->text, of_longer);
      neva_request_unref (requests[i]);
    }
  }
  return reused;
}

/* Returns: the most bytes of KV cache that were in use. */
static guint64
run (Case *c, const NevaModelOptions *options)
{
  g_autoptr (GError) error = NULL;
  NevaStats stats;
  guint reused;

  c->model = neva_model_open (c->folder, options, NULL, NULL, NULL, &error);
  CHECK (c->model != NULL, "%s: %s", c->folder, error ? error->message : "");
  if (!c->model)
    return 0;
  c->frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  encode_frames (c);
  reused = check_questions (c);
  /* Where memory is short, nothing may be left behind. */
  CHECK (reused > 0 || options->kv_cache_bytes, "nothing was reused");
  neva_model_get_stats (c->model, &stats);
  g_clear_pointer (&c->frames, g_ptr_array_unref);
  g_clear_pointer (&c->model, neva_model_unref);
  return stats.kv_bytes_peak;
}

static void
check_folder (const char *folder)
{
  g_autofree char *path =
      g_build_filename (folder, "expected.safetensors", NULL);
  Case c = {.folder = (char *) folder};
  /* The stored ids are those of f32 arithmetic. */
  NevaModelOptions options = {.weights = NEVA_WEIGHTS_F32};

  c.expected = neva_safetensors_open (path, NULL);
  if (!c.expected || !read_prompt (&c))
    g_error ("%s: nothing expected", folder);
  c.n_tokens =
      (guint) neva_safetensors_find (c.expected, "greedy_ids")->n_elements;
  c.text = expected_text (&c);
  printf ("%s\n", folder);
  /* Again with room for about two of the six. */
  options.kv_cache_bytes = run (&c, &options) / 3;
  CHECK (run (&c, &options) <= options.kv_cache_bytes, "beyond the bound");
  g_free (c.text);
  g_free (c.prompt);
  neva_safetensors_free (c.expected);
}

static void
check_refusals (const char *folder)
{
  g_autoptr (NevaModel) model =
      neva_model_open (folder, NULL, NULL, NULL, NULL, NULL);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autofree char *endless = NULL;

#define REFUSED(code, part)                                                    \
  CHECK (!neva_model_ask (                                                     \
             model, &question, NULL, NULL, NULL, NULL, NULL, &error),          \
      "accepted");                                                             \
  CHECK_ERROR (error, code, part)

  question.conv_template = "no_such";
  REFUSED (NEVA_ERROR_BAD_INPUT, "no_such");
  question.conv_template = "none";
  question.prompt = "<video>";
  REFUSED (NEVA_ERROR_BAD_INPUT, "no picture");
  question.prompt = "\xff";
  REFUSED (NEVA_ERROR_BAD_INPUT, "UTF-8");
  question.prompt = "x";
  question.sampling.greedy = FALSE;
  question.sampling.temperature = 0;
  REFUSED (NEVA_ERROR_BAD_INPUT, "temperature");
  question.sampling.greedy = TRUE;
  question.prompt = endless = g_strnfill (100000, 'x');
  REFUSED (NEVA_ERROR_TOO_LONG, "context of");
}

static void
check_all (const char *root, const char *prefix)
{
  g_autoptr (GDir) dir = g_dir_open (root, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *folder = g_build_filename (root, name, NULL);

    if (!g_str_has_prefix (name, prefix))
      continue;
    check_folder (folder);
    check_refusals (folder);
  }
}

int
main (void)
{
  const char *shared = check_shared (), *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *own = g_build_filename (
      source ? source : ".", "tests", "data", "reference", NULL);
  g_autofree char *root =
      shared ? g_build_filename (shared, "reference", NULL) : NULL;

  check_all (own, "clip-");
  check_all (own, "siglip-");
  if (root)
    check_all (root, "hf-");
  return check_finish ();
}
