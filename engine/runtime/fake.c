/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models for tests: no weights, but the same path through queues, sequences and
 * steps as a real one, and checks on the way that the worker feeds what it
 * should.
 *
 * A token of a prompt is a Unicode character; FAKE_MEDIA fills the media run,
 * FAKE_SYSTEM_END and FAKE_ASK mark the prompt's parts. A token of an answer is
 * FAKE_PIECE + the number of the word. The feature rows of a frame carry its
 * time and their own number, so that `fake:echo` reports what arrived. */
#include "config.h"
#include <string.h>
#include "runtime/fake.h"

enum {
  FAKE_SYSTEM_END = 0x110000, /* the first number that is no character */
  FAKE_ASK,
  FAKE_MEDIA,
  FAKE_PIECE = 0x200000
};

#define FAKE_SIZE 32 /* pixels, both ways */
#define FAKE_ROWS 4  /* per frame */
#define FAKE_ROW_FLOATS 4
#define FAKE_POOL_FROM 2                 /* after the time */
#define FAKE_SLICE_NS (10 * 1000 * 1000) /* of a delay: one step */

typedef struct {
  gint32 id;
  guint row;  /* of its frame; media only */
  gint64 pts; /* media only */
} FakeToken;

struct _NevaDriverSequence {
  GArray *tokens; /* FakeToken */
};

struct _NevaDriverAnswer {
  NevaFakeDriver *driver;
  char **pieces; /* NULL until the prompt was read */
  guint n_pieces, next;
  gint64 asked_us;
  GString *text;
  char **stop;
  gboolean full_text;
};

static void
fake_free (NevaDriver *driver)
{
  NevaFakeDriver *fake = (NevaFakeDriver *) driver;

  g_free (fake->name);
  g_free (fake->text);
  g_free (fake);
}

static gboolean
fake_preprocess (
    NevaDriver *driver, const NevaFrame *frame, guint8 *rgb, GError **error)
{
  if (frame->width == 0 || frame->height == 0 || !frame->plane[0]) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "a frame of %u×%u pixels cannot be encoded", frame->width,
        frame->height);
    return FALSE;
  }
  memset (rgb, frame->plane[0][0], driver->rgb_bytes);
  memcpy (rgb, &frame->pts_ns, sizeof frame->pts_ns);
  return TRUE;
}

static gboolean
fake_encode (NevaDriver *driver, const guint8 *const *rgb, gsize n,
    float *features, GError **error)
{
  NevaFakeDriver *fake = (NevaFakeDriver *) driver;

  if (fake->encode_ns)
    g_usleep ((gulong) (fake->encode_ns / 1000) * n);
  if (fake->fail == NEVA_FAKE_FAIL_ENCODE) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "fake model: encoding fails as asked");
    return FALSE;
  }
  for (gsize i = 0; i < n; i++)
    for (guint row = 0; row < FAKE_ROWS; row++, features += FAKE_ROW_FLOATS) {
      memcpy (features, rgb[i], sizeof (gint64));
      features[2] = (float) row;
      features[3] = rgb[i][sizeof (gint64)];
    }
  return TRUE;
}

static gboolean
append_text (GArray *ids, const char *text, GError **error)
{
  if (!g_utf8_validate (text, -1, NULL)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "the prompt is not UTF-8");
    return FALSE;
  }
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    const gint32 id = (gint32) g_utf8_get_char (p);
    g_array_append_val (ids, id);
  }
  return TRUE;
}

static gboolean
fake_prompt (NevaDriver *driver, const NevaQuestion *question,
    NevaPrompt *prompt, GError **error)
{
  NevaFakeDriver *fake = (NevaFakeDriver *) driver;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  const gint32 end = FAKE_SYSTEM_END, media = FAKE_MEDIA, ask = FAKE_ASK;
  const gsize media_len = question->n_frames * FAKE_ROWS;
  gsize media_start;

  if (question->conv_template &&
      !g_strv_contains (neva_prompt_templates (), question->conv_template)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "no prompt template \"%s\"", question->conv_template);
    return FALSE;
  }
  if (fake->fail == NEVA_FAKE_FAIL_PROMPT) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "fake model: the prompt is refused as asked");
    return FALSE;
  }
  if (question->system_prompt &&
      !append_text (ids, question->system_prompt, error))
    return FALSE;
  g_array_append_val (ids, end);
  media_start = ids->len;
  for (gsize i = 0; i < media_len; i++)
    g_array_append_val (ids, media);
  if (!append_text (ids, question->prompt, error))
    return FALSE;
  g_array_append_val (ids, ask);

  prompt->ids = g_steal_pointer (&ids);
  prompt->media_start = media_start;
  prompt->media_len = media_len;
  return TRUE;
}

static NevaDriverSequence *
fake_sequence_new (NevaDriver *driver, GError **error)
{
  NevaDriverSequence *sequence = g_new0 (NevaDriverSequence, 1);

  (void) driver, (void) error;
  sequence->tokens = g_array_new (FALSE, FALSE, sizeof (FakeToken));
  return sequence;
}

static NevaDriverSequence *
fake_sequence_fork (
    NevaDriver *driver, NevaDriverSequence *sequence, gsize length)
{
  NevaDriverSequence *fork = fake_sequence_new (driver, NULL);

  g_array_append_vals (fork->tokens, sequence->tokens->data, (guint) length);
  ((NevaFakeDriver *) driver)->kv_tokens += length;
  return fork;
}

static void
fake_sequence_truncate (
    NevaDriver *driver, NevaDriverSequence *sequence, gsize length)
{
  NevaFakeDriver *fake = (NevaFakeDriver *) driver;

  if (length >= sequence->tokens->len)
    return;
  fake->kv_tokens -= sequence->tokens->len - length;
  g_array_set_size (sequence->tokens, (guint) length);
}

static void
fake_sequence_free (NevaDriver *driver, NevaDriverSequence *sequence)
{
  fake_sequence_truncate (driver, sequence, 0);
  g_array_unref (sequence->tokens);
  g_free (sequence);
}

static guint64
fake_kv_bytes (NevaDriver *driver)
{
  return ((NevaFakeDriver *) driver)->kv_tokens * sizeof (FakeToken);
}

static gsize
fake_kv_room (NevaDriver *driver)
{
  const NevaFakeDriver *fake = (NevaFakeDriver *) driver;

  return fake->kv_max ? fake->kv_max - fake->kv_tokens : G_MAXSIZE;
}

static char *
echo (const NevaDriverSequence *sequence)
{
  const FakeToken *t = (const FakeToken *) (void *) sequence->tokens->data;
  GString *out = g_string_new ("prompt="), *system = g_string_new (NULL),
          *times = g_string_new (NULL);
  guint i = 0, n_frames = 0;

  for (; t[i].id != FAKE_SYSTEM_END; i++)
    g_string_append_unichar (system, (gunichar) t[i].id);
  for (i++; t[i].id != FAKE_ASK; i++) {
    if (t[i].id != FAKE_MEDIA)
      g_string_append_unichar (out, (gunichar) t[i].id);
    else if (t[i].row == 0) {
      if (n_frames++)
        g_string_append_c (times, ',');
      if (t[i].pts < 0)
        g_string_append_c (times, '-');
      else
        g_string_append_printf (times, "%" G_GINT64_FORMAT ".%03d",
            t[i].pts / 1000000000, (int) (t[i].pts / 1000000 % 1000));
    }
  }
  if (system->len)
    g_string_append_printf (out, "; system=%s", system->str);
  g_string_append_printf (out, "; frames=%u", n_frames);
  if (n_frames)
    g_string_append_printf (out, "; times=%s", times->str);
  g_string_free (system, TRUE);
  g_string_free (times, TRUE);
  return g_string_free (out, FALSE);
}

/* Cuts the text before each space; with tokens=N the pieces are repeated. */
static void
cut (NevaDriverAnswer *answer, const char *text)
{
  GPtrArray *pieces = g_ptr_array_new ();
  const guint want = answer->driver->tokens;
  const char *start = text;

  for (const char *p = text; *p; p++)
    if (p > start && *p == ' ' && p[-1] != ' ') {
      g_ptr_array_add (pieces, g_strndup (start, (gsize) (p - start)));
      start = p;
    }
  if (*start)
    g_ptr_array_add (pieces, g_strdup (start));
  for (guint i = 0; want && pieces->len && pieces->len < want; i++)
    g_ptr_array_add (
        pieces, g_strconcat (i ? "" : " ", pieces->pdata[i], NULL));
  answer->n_pieces = want ? MIN (want, pieces->len) : pieces->len;
  g_ptr_array_add (pieces, NULL);
  answer->pieces = (char **) g_ptr_array_free (pieces, FALSE);
}

static gboolean
feed (NevaFakeDriver *fake, const NevaDriverItem *item, GError **error)
{
  for (gsize i = 0; i < item->n; i++) {
    FakeToken token = {.id = item->ids[i]};
    const GArray *tokens = item->sequence->tokens;

    if (item->rows && item->rows[i]) {
      token.id = FAKE_MEDIA;
      token.row = (guint) item->rows[i][2];
      memcpy (&token.pts, item->rows[i], sizeof token.pts);
    }
    if ((token.id == FAKE_MEDIA) != (item->rows && item->rows[i]) ||
        (token.id == FAKE_MEDIA && token.row != 0 &&
            (tokens->len == 0 ||
                g_array_index (tokens, FakeToken, tokens->len - 1).row + 1 !=
                    token.row))) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "fake model: token %u is out of order", tokens->len);
      return FALSE;
    }
    g_array_append_val (item->sequence->tokens, token);
    fake->kv_tokens++;
  }
  return TRUE;
}

/* The token due now, if its time has come; else *wait_ns is lowered. */
static void
choose (NevaFakeDriver *fake, NevaDriverItem *item, gint64 *wait_ns)
{
  NevaDriverAnswer *answer = item->answer;
  const gint64 now = g_get_monotonic_time ();
  gint64 due_ns, since_ns;

  if (!answer->pieces) {
    g_autofree char *text = fake->echo ? echo (item->sequence) : NULL;

    cut (answer, text ? text : fake->text);
    answer->asked_us = now;
  }
  due_ns = fake->delay_ns * (gint64) (answer->next + 1) /
           (gint64) (answer->n_pieces + 1);
  since_ns = (now - answer->asked_us) * 1000;
  item->token = NEVA_TOKEN_NOT_YET;
  item->logprob = -0.5;
  item->yes = fake->yes / 100.0;
  if (since_ns >= due_ns)
    item->token = FAKE_PIECE + (gint32) answer->next;
  *wait_ns = MIN (*wait_ns, MAX (due_ns - since_ns, 0));
}

static gboolean
fake_step (
    NevaDriver *driver, NevaDriverItem *items, gsize n_items, GError **error)
{
  NevaFakeDriver *fake = (NevaFakeDriver *) driver;
  gint64 wait_ns = FAKE_SLICE_NS;
  gsize n = 0;

  for (gsize i = 0; i < n_items; i++)
    n += items[i].n;
  if (fake->fail == NEVA_FAKE_FAIL_ANSWER ||
      (fake->kv_max && fake->kv_tokens + n > fake->kv_max)) {
    g_set_error (error, NEVA_ERROR,
        fake->fail == NEVA_FAKE_FAIL_ANSWER ? NEVA_ERROR_BAD_FILE
                                            : NEVA_ERROR_DEVICE,
        fake->fail == NEVA_FAKE_FAIL_ANSWER
            ? "fake model: answering fails as asked"
            : "fake model: the KV cache is full");
    return FALSE;
  }
  for (gsize i = 0; i < n_items; i++) {
    if (!feed (fake, &items[i], error))
      return FALSE;
    for (gsize k = 0; k < items[i].n_scores; k++)
      items[i].scores[k].logprob = -0.5;
    if (items[i].answer)
      choose (fake, &items[i], &wait_ns);
    else
      wait_ns = 0;
  }
  if (wait_ns > 0)
    g_usleep ((gulong) (wait_ns / 1000 + 1));
  return TRUE;
}

static NevaDriverAnswer *
fake_answer_new (NevaDriver *driver, const NevaQuestion *question,
    const NevaPrompt *prompt, GError **error)
{
  NevaDriverAnswer *answer = g_new0 (NevaDriverAnswer, 1);

  (void) prompt, (void) error;
  answer->driver = (NevaFakeDriver *) driver;
  answer->text = g_string_new (NULL);
  answer->stop = g_strdupv ((char **) question->stop);
  answer->full_text = question->full_text;
  return answer;
}

static void
fake_answer_free (NevaDriverAnswer *answer)
{
  g_strfreev (answer->pieces);
  g_string_free (answer->text, TRUE);
  g_strfreev (answer->stop);
  g_free (answer);
}

static gboolean
fake_answer_push (NevaDriverAnswer *answer, gint32 token)
{
  const guint piece = (guint) (token - FAKE_PIECE);

  if (piece >= answer->n_pieces)
    return TRUE;
  g_string_append (answer->text, answer->pieces[piece]);
  answer->next = piece + 1;
  for (char **stop = answer->stop; stop && *stop; stop++)
    if (**stop && g_str_has_suffix (answer->text->str, *stop)) {
      g_string_truncate (answer->text, answer->text->len - strlen (*stop));
      return TRUE;
    }
  return FALSE;
}

static const char *
fake_answer_text (NevaDriverAnswer *answer)
{
  return answer->text->str;
}

static char *
fake_answer_finish (
    NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids, char **full_text)
{
  GString *prompt = g_string_new (NULL);

  for (gsize i = 0; i < n_ids && ids[i] != FAKE_ASK; i++)
    if (ids[i] != FAKE_SYSTEM_END && ids[i] != FAKE_MEDIA)
      g_string_append_unichar (prompt, (gunichar) ids[i]);
  if (answer->full_text)
    *full_text = g_strdup_printf ("%s\n%s", prompt->str, answer->text->str);
  g_string_free (prompt, TRUE);
  return g_strdup (answer->text->str);
}

static const NevaDriverClass fake_class = {
    .free = fake_free,
    .preprocess = fake_preprocess,
    .encode = fake_encode,
    .prompt = fake_prompt,
    .sequence_new = fake_sequence_new,
    .sequence_fork = fake_sequence_fork,
    .sequence_free = fake_sequence_free,
    .sequence_truncate = fake_sequence_truncate,
    .kv_bytes = fake_kv_bytes,
    .kv_room = fake_kv_room,
    .step = fake_step,
    .answer_new = fake_answer_new,
    .answer_free = fake_answer_free,
    .answer_push = fake_answer_push,
    .answer_text = fake_answer_text,
    .answer_finish = fake_answer_finish,
};

static gboolean
check_device (const NevaModelOptions *options, GError **error)
{
  const char *device = options ? options->device : NULL;

  if (!device || g_str_equal (device, "cpu") || g_str_equal (device, "auto"))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "device '%s': fake models know cpu and auto", device);
  return FALSE;
}

static gboolean
pretend_to_load (NevaFakeDriver *fake, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  const gint64 load_us = fake->load_ns / 1000;
  gint64 past = 0;

  while (past < load_us && !g_cancellable_is_cancelled (cancellable)) {
    if (progress)
      progress ((double) past / (double) load_us, user_data);
    g_usleep ((gulong) MIN (load_us - past, FAKE_SLICE_NS / 1000));
    past = g_get_monotonic_time () - start;
  }
  if (g_cancellable_is_cancelled (cancellable)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED,
        "loading of '%s' was cancelled", fake->name);
    return FALSE;
  }
  if (fake->fail == NEVA_FAKE_FAIL_LOAD) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "fake model: loading fails as asked");
    return FALSE;
  }
  if (progress)
    progress (1.0, user_data);
  return TRUE;
}

NevaDriver *
neva_fake_driver_open (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  NevaFakeDriver *fake = g_new0 (NevaFakeDriver, 1);
  NevaDriver *driver = &fake->parent;

  driver->klass = &fake_class;
  driver->rgb_bytes = FAKE_SIZE * FAKE_SIZE * 3;
  driver->row_floats = FAKE_ROW_FLOATS;
  driver->pool_from = FAKE_POOL_FROM;
  driver->info = (NevaModelInfo){.architecture = "fake",
      .weights = "none",
      .image_width = FAKE_SIZE,
      .image_height = FAKE_SIZE,
      .num_frames = 8,
      .tokens_per_frame = FAKE_ROWS,
      .context_length = 4096,
      .vocab_size = 2 * FAKE_PIECE,
      .prompt = "Describe the video.",
      .conv_template = "plain"};
  driver->info.name = fake->name = g_strdup (path);

  if (!check_device (options, error) || !neva_fake_parse (fake, path, error) ||
      !pretend_to_load (fake, progress, user_data, cancellable, error)) {
    fake_free (driver);
    return NULL;
  }
  if (options && options->context_length)
    driver->info.context_length = options->context_length;
  return driver;
}
