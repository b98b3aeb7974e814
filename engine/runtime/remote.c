/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model behind an OpenAI-compatible endpoint, run like one of our own: a
 * frame's features are its JPEG, an answer's tokens are the pieces that the
 * server streams. Each answer has a thread, which waits for the server; the
 * worker's steps take what has come, so that several answers are in flight at
 * once and cancelling one takes effect at the next step.
 *
 *   step (worker)  <-- pieces, end, error -- ask (thread) <-- chat client */
#include "config.h"
#include <string.h>
#include "remote/chat_pool.h"
#include "remote/jpeg.h"
#include "runtime/runtime.h"
#include "vision/preprocess.h"

/* Larger frames are made smaller, to this longest side. */
#define MAX_SIDE 768
/* Room for one JPEG with its length in front. */
#define FRAME_BYTES (512u << 10)
#define DEFAULT_RETRIES 2
/* A step without news ends after this, so that frames and questions that came
 * meanwhile are looked at. */
#define NO_NEWS_US (20 * G_TIME_SPAN_MILLISECOND)

enum { TOKEN_MEDIA, TOKEN_ASK, TOKEN_PIECE, TOKEN_END = G_MAXINT32 };

/* Rings when an answer has news; outlives the driver. */
typedef struct {
  gint refs; /* atomic */
  GMutex lock;
  GCond cond;
} Bell;

typedef struct {
  NevaDriver parent;
  char *name;
  NevaChatPool *pool;
  Bell *bell;
} RemoteDriver;

/* One question under way, of the worker and of its thread. */
typedef struct {
  gint refs; /* atomic */
  NevaChatPool *pool;
  Bell *bell;
  GCancellable *cancellable;
  char *system, *prompt;
  char **stop;
  GPtrArray *images; /* GBytes */
  NevaChatParameters parameters;
  gsize received; /* bytes of pieces; the thread */

  GPtrArray *pieces; /* char *; under the bell's lock, as what follows */
  gboolean done;
  GError *error; /* when done */
} Ask;

struct _NevaDriverSequence {
  gsize length;
};

struct _NevaDriverAnswer {
  Ask *ask;
  guint next; /* piece */
  gboolean full_text;
  GString *text;
};

/* ---- Shared by the worker and the threads ---- */

static Bell *
bell_ref (Bell *bell)
{
  g_atomic_int_inc (&bell->refs);
  return bell;
}

static void
bell_unref (Bell *bell)
{
  if (!g_atomic_int_dec_and_test (&bell->refs))
    return;
  g_mutex_clear (&bell->lock);
  g_cond_clear (&bell->cond);
  g_free (bell);
}

static void
ask_unref (Ask *ask)
{
  if (!g_atomic_int_dec_and_test (&ask->refs))
    return;
  neva_chat_pool_unref (ask->pool);
  bell_unref (ask->bell);
  g_object_unref (ask->cancellable);
  g_free (ask->system);
  g_free (ask->prompt);
  g_strfreev (ask->stop);
  g_ptr_array_unref (ask->images);
  g_ptr_array_unref (ask->pieces);
  g_clear_error (&ask->error);
  g_free (ask);
}

static void
on_piece (const char *piece, gpointer user_data)
{
  Ask *ask = user_data;

  ask->received += strlen (piece);
  g_mutex_lock (&ask->bell->lock);
  g_ptr_array_add (ask->pieces, g_strdup (piece));
  g_cond_broadcast (&ask->bell->cond);
  g_mutex_unlock (&ask->bell->lock);
}

static gpointer
run_ask (gpointer data)
{
  Ask *ask = data;
  NevaChatMessage messages[2];
  gsize n = 0;
  GError *error = NULL;
  g_autofree char *text = NULL;

  if (ask->system)
    messages[n++] = (NevaChatMessage){.role = "system", .text = ask->system};
  messages[n++] = (NevaChatMessage){.role = "user",
      .text = ask->prompt,
      .images = (GBytes *const *) ask->images->pdata,
      .n_images = ask->images->len};
  text = neva_chat_pool_complete (ask->pool, messages, n, &ask->parameters,
      on_piece, ask, ask->cancellable, &error);
  /* A server that does not stream says all at once. */
  if (text && strlen (text) > ask->received)
    on_piece (text + ask->received, ask);
  g_mutex_lock (&ask->bell->lock);
  ask->done = TRUE;
  ask->error = error;
  g_cond_broadcast (&ask->bell->cond);
  g_mutex_unlock (&ask->bell->lock);
  ask_unref (ask);
  return NULL;
}

/* ---- Frames ---- */

static void
remote_free (NevaDriver *driver)
{
  RemoteDriver *self = (RemoteDriver *) driver;

  neva_chat_pool_unref (self->pool);
  bell_unref (self->bell);
  g_free (self->name);
  g_free (self);
}

static gboolean
remote_preprocess (
    NevaDriver *driver, const NevaFrame *frame, guint8 *rgb, GError **error)
{
  const guint longest = MAX (frame->width, frame->height);
  NevaPreprocess pre = {.mode = NEVA_RESIZE_EXACT,
      .width = frame->width,
      .height = frame->height};
  g_autofree guint8 *pixels = NULL;
  gsize length;
  guint32 stored;

  if (longest > MAX_SIDE) {
    pre.width = MAX ((guint) ((guint64) frame->width * MAX_SIDE / longest), 1);
    pre.height =
        MAX ((guint) ((guint64) frame->height * MAX_SIDE / longest), 1);
  }
  pixels = g_try_malloc (3 * (gsize) pre.width * pre.height);
  if (!pixels && pre.width && pre.height) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for a frame of %u×%u pixels", pre.width, pre.height);
    return FALSE;
  }
  if (!neva_preprocess_frame (&pre, frame, pixels, error) ||
      !neva_jpeg_encode (pixels, pre.width, pre.height, rgb + sizeof stored,
          driver->rgb_bytes - sizeof stored, &length, error))
    return FALSE;
  stored = (guint32) length;
  memcpy (rgb, &stored, sizeof stored);
  return TRUE;
}

static gboolean
remote_encode (NevaDriver *driver, const guint8 *const *rgb, gsize n,
    float *features, GError **error)
{
  (void) error;
  for (gsize i = 0; i < n; i++)
    memcpy (features + i * driver->row_floats, rgb[i], driver->rgb_bytes);
  return TRUE;
}

static GBytes *
jpeg_of (const NevaEmbedding *frame)
{
  guint32 length;

  memcpy (&length, frame->features, sizeof length);
  return g_bytes_new ((const guint8 *) frame->features + sizeof length, length);
}

/* ---- Questions ---- */

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "a remote model (openai:) knows no %s", what);
  return FALSE;
}

/* What the protocol has no word for is not left out in silence. */
static gboolean
check_question (const NevaQuestion *q, GError **error)
{
  const NevaSampling *s = &q->sampling;

  if (q->conv_template)
    return refuse (error, "template: it has its own");
  if (q->grammar)
    return refuse (error, "grammar");
  if (q->yes_no)
    return refuse (error, "probability of yes");
  if (q->all_probs || q->prompt_logprobs || s->compute_logprob)
    return refuse (error, "log-probabilities");
  if (s->min_tokens)
    return refuse (error, "least number of tokens");
  if (!s->greedy && s->top_k > 0)
    return refuse (error, "top-k");
  if (!s->greedy && s->repetition_penalty != 1.0)
    return refuse (error, "repetition penalty");
  return TRUE;
}

static gboolean
remote_prompt (NevaDriver *driver, const NevaQuestion *question,
    NevaPrompt *prompt, GError **error)
{
  const gint32 media = TOKEN_MEDIA, ask = TOKEN_ASK;

  (void) driver;
  if (!check_question (question, error))
    return FALSE;
  if (!g_utf8_validate (question->prompt, -1, NULL) ||
      (question->system_prompt &&
          !g_utf8_validate (question->system_prompt, -1, NULL))) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "the prompt is not UTF-8");
    return FALSE;
  }
  prompt->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  for (gsize i = 0; i < question->n_frames; i++)
    g_array_append_val (prompt->ids, media);
  g_array_append_val (prompt->ids, ask);
  prompt->media_start = 0;
  prompt->media_len = question->n_frames;
  return TRUE;
}

/* The pictures go beside the text: it needs no marker. */
static char *
without_marker (const char *prompt)
{
  static const char *const markers[] = {
      "<video>\n", "<image>\n", "<video>", "<image>"};

  for (gsize i = 0; i < G_N_ELEMENTS (markers); i++) {
    const char *at = strstr (prompt, markers[i]);

    if (at)
      return g_strdup_printf (
          "%.*s%s", (int) (at - prompt), prompt, at + strlen (markers[i]));
  }
  return g_strdup (prompt);
}

static Ask *
ask_new (RemoteDriver *self, const NevaQuestion *q)
{
  Ask *ask = g_new0 (Ask, 1);

  ask->refs = 2; /* the worker's and the thread's */
  ask->pool = neva_chat_pool_ref (self->pool);
  ask->bell = bell_ref (self->bell);
  ask->cancellable = g_cancellable_new ();
  ask->system = g_strdup (q->system_prompt);
  ask->prompt = without_marker (q->prompt);
  ask->stop = g_strdupv ((char **) q->stop);
  ask->images = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  ask->pieces = g_ptr_array_new_with_free_func (g_free);
  for (gsize i = 0; i < q->n_frames; i++)
    g_ptr_array_add (ask->images, jpeg_of (q->frames[i]));
  ask->parameters = (NevaChatParameters){
      .temperature = q->sampling.greedy ? 0 : q->sampling.temperature,
      .top_p = q->sampling.greedy ? 1 : q->sampling.top_p,
      .max_tokens = q->max_tokens,
      .seed = (gint64) (q->sampling.seed & G_MAXINT32),
      .stop = (const char *const *) ask->stop,
      .stream = TRUE};
  return ask;
}

static NevaDriverAnswer *
remote_answer_new (NevaDriver *driver, const NevaQuestion *question,
    const NevaPrompt *prompt, GError **error)
{
  Ask *ask = ask_new ((RemoteDriver *) driver, question);
  g_autoptr (GError) local = NULL;
  GThread *thread = g_thread_try_new ("neva-remote", run_ask, ask, &local);
  NevaDriverAnswer *answer;

  (void) prompt;
  if (!thread) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "%s", local->message);
    ask_unref (ask);
    ask_unref (ask);
    return NULL;
  }
  g_thread_unref (thread);
  answer = g_new0 (NevaDriverAnswer, 1);
  answer->ask = ask;
  answer->full_text = question->full_text;
  answer->text = g_string_new (NULL);
  return answer;
}

/* Does not wait for the thread: the cancelled client ends it. */
static void
remote_answer_free (NevaDriverAnswer *answer)
{
  g_cancellable_cancel (answer->ask->cancellable);
  ask_unref (answer->ask);
  g_string_free (answer->text, TRUE);
  g_free (answer);
}

static gboolean
remote_answer_push (NevaDriverAnswer *answer, gint32 token)
{
  const guint piece = (guint) (token - TOKEN_PIECE);
  Ask *ask = answer->ask;

  if (token == TOKEN_END)
    return TRUE;
  g_mutex_lock (&ask->bell->lock);
  g_string_append (answer->text, ask->pieces->pdata[piece]);
  g_mutex_unlock (&ask->bell->lock);
  answer->next = piece + 1;
  return FALSE;
}

static const char *
remote_answer_text (NevaDriverAnswer *answer)
{
  return answer->text->str;
}

static char *
remote_answer_finish (
    NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids, char **full_text)
{
  (void) ids, (void) n_ids;
  if (answer->full_text)
    *full_text =
        g_strdup_printf ("%s\n%s", answer->ask->prompt, answer->text->str);
  return g_strstrip (g_strdup (answer->text->str));
}

/* ---- Sequences and steps ---- */

static NevaDriverSequence *
remote_sequence_new (NevaDriver *driver, GError **error)
{
  (void) driver, (void) error;
  return g_new0 (NevaDriverSequence, 1);
}

static void
remote_sequence_free (NevaDriver *driver, NevaDriverSequence *sequence)
{
  (void) driver;
  g_free (sequence);
}

static void
remote_sequence_truncate (
    NevaDriver *driver, NevaDriverSequence *sequence, gsize length)
{
  (void) driver;
  sequence->length = MIN (sequence->length, length);
}

static guint64
remote_kv_bytes (NevaDriver *driver)
{
  (void) driver;
  return 0;
}

static gsize
remote_kv_room (NevaDriver *driver)
{
  (void) driver;
  return G_MAXSIZE;
}

/* Under the bell's lock. What has come for this answer; FALSE with error. */
static gboolean
choose (NevaDriverItem *item, GError **error)
{
  const Ask *ask = item->answer->ask;

  item->logprob = 0;
  item->token = NEVA_TOKEN_NOT_YET;
  if (item->answer->next < ask->pieces->len) {
    item->token = TOKEN_PIECE + (gint32) item->answer->next;
  } else if (ask->done && ask->error) {
    g_propagate_error (error, g_error_copy (ask->error));
    return FALSE;
  } else if (ask->done) {
    item->token = TOKEN_END;
  }
  return TRUE;
}

static gboolean
remote_step (
    NevaDriver *driver, NevaDriverItem *items, gsize n_items, GError **error)
{
  Bell *bell = ((RemoteDriver *) driver)->bell;
  const gint64 end = g_get_monotonic_time () + NO_NEWS_US;
  gboolean ok = TRUE, news = FALSE;

  for (gsize i = 0; i < n_items; i++)
    items[i].sequence->length += items[i].n;
  g_mutex_lock (&bell->lock);
  for (gboolean waited = FALSE; ok && !news && !waited;) {
    for (gsize i = 0; i < n_items && ok; i++) {
      if (!items[i].answer)
        news = TRUE;
      else
        ok = choose (&items[i], error);
      news |= items[i].answer && items[i].token != NEVA_TOKEN_NOT_YET;
    }
    if (ok && !news)
      waited = !g_cond_wait_until (&bell->cond, &bell->lock, end);
  }
  g_mutex_unlock (&bell->lock);
  return ok;
}

/* ---- Opening ---- */

static const NevaDriverClass remote_class = {
    .free = remote_free,
    .preprocess = remote_preprocess,
    .encode = remote_encode,
    .prompt = remote_prompt,
    .sequence_new = remote_sequence_new,
    .sequence_free = remote_sequence_free,
    .sequence_truncate = remote_sequence_truncate,
    .kv_bytes = remote_kv_bytes,
    .kv_room = remote_kv_room,
    .step = remote_step,
    .answer_new = remote_answer_new,
    .answer_free = remote_answer_free,
    .answer_push = remote_answer_push,
    .answer_text = remote_answer_text,
    .answer_finish = remote_answer_finish,
};

static gboolean
check_options (const NevaModelOptions *o, GError **error)
{
  if (o->base_model || o->vision_tower || o->lora)
    return refuse (error, "base model, vision tower or adapters of ours");
  if (o->device && strcmp (o->device, "cpu") && strcmp (o->device, "auto"))
    return refuse (error, "device of this machine");
  if (o->tensor_parallel > 1 || o->pipeline_parallel > 1)
    return refuse (error, "parts of a model here");
  return neva_jpeg_is_there (error);
}

static void
fill_info (RemoteDriver *self, const NevaModelOptions *o, const char *path)
{
  self->name = g_strdup (path);
  self->parent.rgb_bytes = FRAME_BYTES;
  self->parent.row_floats = FRAME_BYTES / sizeof (float);
  self->parent.pool_from = self->parent.row_floats;
  self->parent.info = (NevaModelInfo){.name = self->name,
      .architecture = "remote",
      .weights = "none",
      .image_width = MAX_SIDE,
      .image_height = MAX_SIDE,
      .num_frames = 8,
      .tokens_per_frame = 1,
      .context_length = o->context_length ? o->context_length : 1u << 20,
      .vocab_size = 0,
      .prompt = "Describe the video.",
      .conv_template = "none"};
}

NevaDriver *
neva_remote_driver_open (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  static const NevaModelOptions defaults;
  const NevaModelOptions *o = options ? options : &defaults;
  const NevaChatOptions chat = {.key_file = o->key_file,
      .timeout_s = o->timeout_s,
      .retries = o->retries < 0    ? 0
                 : o->retries == 0 ? DEFAULT_RETRIES
                                   : (guint) o->retries};
  RemoteDriver *self;
  NevaChatPool *pool;

  (void) cancellable;
  if (!check_options (o, error))
    return NULL;
  pool = neva_chat_pool_new (path, &chat, error);
  if (!pool)
    return NULL;
  self = g_new0 (RemoteDriver, 1);
  self->parent.klass = &remote_class;
  self->pool = pool;
  self->bell = g_new0 (Bell, 1);
  self->bell->refs = 1;
  g_mutex_init (&self->bell->lock);
  g_cond_init (&self->bell->cond);
  fill_info (self, o, path);
  if (progress)
    progress (1.0, user_data);
  return &self->parent;
}
