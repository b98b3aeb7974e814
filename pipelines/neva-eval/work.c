/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "common/console.h"
#include "decode.h"
#include "work.h"

/* Questions with the model at a time: as many as it answers together, and some
 * that are ready when one is done. Each holds its frames. */
#define MAX_OUTSTANDING (NEVA_MAX_RUNNING + 2)

struct _Work {
  const Options *options;
  NevaModel *model;
  const NevaPromptFile *file;
  const NevaMediaStore *store;
  const gboolean *done; /* [length] */
  gboolean one_by_one;
  Output *output;
  GCancellable *cancellable;
  gsize *group_of; /* [length] */
  gsize n_groups, next;
  gsize left;    /* records that are to be answered */
  guint decoded; /* media files */

  GMutex lock;
  GCond room;     /* one of `asked` is done */
  GList *asked;   /* lock: Asked */
  guint failures; /* lock */
};

/* A question that the model has. */
typedef struct {
  Work *work;
  gsize index;
  NevaRequest *request; /* lock; NULL until neva_model_ask () has returned */
  gboolean finished;    /* lock */
} Asked;

/* ---- Groups ------------------------------------------------------------- */

gsize *
work_group (
    const NevaPromptFile *file, gboolean grouped, gsize *place, gsize *n_groups)
{
  const gsize n = neva_prompt_file_length (file);
  g_autoptr (GHashTable) groups = g_hash_table_new (g_str_hash, g_str_equal);
  gsize *group_of = g_new (gsize, n + 1), *starts;

  for (gsize i = 0; i < n; i++) {
    const char *media = neva_prompt_file_get (file, i)->media;
    gpointer group;

    if (!g_hash_table_lookup_extended (groups, media, NULL, &group)) {
      group = GSIZE_TO_POINTER (g_hash_table_size (groups));
      g_hash_table_insert (groups, (gpointer) media, group);
    }
    group_of[i] = GPOINTER_TO_SIZE (group);
    place[i] = i;
  }
  *n_groups = g_hash_table_size (groups);
  if (!grouped)
    return group_of;

  starts = g_new0 (gsize, *n_groups + 1);
  for (gsize i = 0; i < n; i++)
    starts[group_of[i] + 1]++;
  for (gsize g = 0; g < *n_groups; g++)
    starts[g + 1] += starts[g];
  for (gsize i = 0; i < n; i++)
    place[i] = starts[group_of[i]]++;
  g_free (starts);
  return group_of;
}

Work *
work_new (const Options *options, NevaModel *model, const NevaPromptFile *file,
    const NevaMediaStore *store, const gboolean *done, gboolean one_by_one,
    Output *output, GCancellable *cancellable)
{
  const gsize n = neva_prompt_file_length (file);
  g_autofree gsize *place = g_new (gsize, n + 1);
  Work *work = g_new0 (Work, 1);

  *work = (Work){.options = options,
      .model = model,
      .file = file,
      .store = store,
      .done = done,
      .one_by_one = one_by_one,
      .output = output,
      .cancellable = cancellable};
  work->group_of = work_group (file, options->grouped, place, &work->n_groups);
  for (gsize i = 0; i < n; i++)
    work->left += !done[i];
  g_mutex_init (&work->lock);
  g_cond_init (&work->room);
  return work;
}

void
work_free (Work *work)
{
  g_mutex_clear (&work->lock);
  g_cond_clear (&work->room);
  g_free (work->group_of);
  g_free (work);
}

gboolean
work_next (Work *work, gsize *group)
{
  if (work->next >= work->n_groups)
    return FALSE;
  *group = work->next++;
  return TRUE;
}

/* ---- Questions ---------------------------------------------------------- */

static void
fail (Work *work, gsize index, const GError *error)
{
  const NevaPromptRecord *record = neva_prompt_file_get (work->file, index);

  if (!work->one_by_one)
    console_complain ("%s: %s %u: %s", work->options->prompt_file,
        g_str_has_suffix (work->options->prompt_file, ".json") ? "record"
                                                               : "line",
        record->line, error->message);
  g_mutex_lock (&work->lock);
  work->failures++;
  g_mutex_unlock (&work->lock);
  output_skip (work->output, index);
}

/* As the original prints a prompt and its answer. */
static void
print_answer (gsize number, gsize of, const NevaAnswer *answer)
{
  g_autofree char *text = g_strdup_printf (
      "------------- PROMPT %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
      " ------------ \n%s\n\nCLEAN RESPONSE: %s\n"
      "---------------------------------------------\n\n",
      number, of, answer->full_text, answer->text);

  console_print (text, FALSE);
}

static void
answered (Work *work, gsize index, const NevaAnswer *answer)
{
  const Options *o = work->options;
  const gsize length = neva_prompt_file_length (work->file);
  const NevaPromptResult result = {.full_text = answer->full_text,
      .pred_answer = answer->text,
      .model_id = o->neva_model_file,
      .scores = o->sampling.compute_logprob ? answer : NULL};

  output_add (
      work->output, index, neva_prompt_file_row (work->file, index, &result));
  if (!o->quiet && !work->one_by_one && strcmp (o->output_file, "-"))
    print_answer (index + 1, length, answer);
  console_progress ((double) output_count (work->output) / (double) length,
      work->one_by_one ? "calibrating" : "answering",
      neva_prompt_file_get (work->file, index)->media,
      output_count (work->output));
}

/* On the model's thread, or the canceller's. */
static void
on_done (NevaRequest *request, const NevaAnswer *answer, const GError *error,
    gpointer user_data)
{
  Asked *asked = user_data;
  Work *work = asked->work;
  gboolean owned;

  (void) request;
  if (answer)
    answered (work, asked->index, answer);
  else if (!g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED))
    fail (work, asked->index, error);

  g_mutex_lock (&work->lock);
  asked->finished = TRUE;
  owned = asked->request != NULL;
  work->asked = g_list_remove (work->asked, asked);
  g_cond_signal (&work->room);
  g_mutex_unlock (&work->lock);
  if (owned) { /* else neva_model_ask () has not returned: ask () frees it */
    neva_request_unref (asked->request);
    g_free (asked);
  }
}

static void
wait_for_room (Work *work, guint most)
{
  g_mutex_lock (&work->lock);
  while (g_list_length (work->asked) > most &&
         !g_cancellable_is_cancelled (work->cancellable))
    g_cond_wait_until (&work->room, &work->lock,
        g_get_monotonic_time () + 100 * G_TIME_SPAN_MILLISECOND);
  g_mutex_unlock (&work->lock);
}

static guint
most_asked (const Work *work)
{
  return work->one_by_one ? 1 : MAX_OUTSTANDING;
}

static void
ask (Work *work, gsize index, const GPtrArray *frames, gint64 duration_ns)
{
  const Options *o = work->options;
  const NevaModelInfo *info = neva_model_get_info (work->model);
  const NevaPromptRecord *record = neva_prompt_file_get (work->file, index);
  const char *prompt = record->prompt;
  NevaQuestion question = {.frames = (NevaEmbedding *const *) frames->pdata,
      .n_frames = frames->len,
      .duration_ns = record->duration > 0 ? (gint64) (record->duration * 1e9)
                                          : duration_ns,
      .prompt = prompt,
      .system_prompt = o->system_prompt,
      .conv_template = o->conv_template,
      .stop = (const char *const *) o->end_strings,
      .own_stops_only = info->media_type != NULL,
      .max_tokens = o->max_tokens,
      .sampling = o->sampling,
      .clean = o->clean,
      .media_type = o->rules.media_type,
      .full_text = TRUE,
      .all_probs = o->all_probs,
      .prompt_logprobs = o->sampling.compute_logprob};
  Asked *asked = g_new0 (Asked, 1);
  NevaRequest *request = NULL;
  g_autoptr (GError) error = NULL;
  gboolean finished;

  question.sampling.seed += index; /* a resumed run draws the same */
  *asked = (Asked){.work = work, .index = index};
  g_mutex_lock (&work->lock);
  work->asked = g_list_prepend (work->asked, asked);
  g_mutex_unlock (&work->lock);
  if (neva_prompt_check_marker (info, o->conv_template, prompt, &error))
    request = neva_model_ask (work->model, &question, NULL, on_done, asked,
        NULL, work->cancellable, &error);

  g_mutex_lock (&work->lock);
  finished = asked->finished;
  asked->request = request;
  if (!request)
    work->asked = g_list_remove (work->asked, asked);
  g_mutex_unlock (&work->lock);
  if (error && !g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED))
    fail (work, index, error);
  if (finished && request)
    neva_request_unref (request);
  if (finished || !request)
    g_free (asked);
}

static GPtrArray *
open_media (Work *work, const char *media, gint64 *duration_ns, GError **error)
{
  const NevaModelInfo *info = neva_model_get_info (work->model);
  const DecodeWhat what = {.type = work->options->rules.media_type,
      .num_frames = work->options->num_frames ? work->options->num_frames
                                              : info->num_frames,
      .frame_choice = info->frame_choice};
  g_auto (NevaMediaFile) file = {NULL, -1};

  if (!neva_media_store_find (work->store, media, &file, error))
    return NULL;
  work->decoded++;
  return decode_media (work->model, file.path, media, &what, duration_ns,
      work->cancellable, error);
}

void
work_run_group (Work *work, gsize group)
{
  const gsize n = neva_prompt_file_length (work->file);
  g_autoptr (GPtrArray) frames = NULL;
  g_autoptr (GError) error = NULL;
  gint64 duration_ns = 0;

  for (gsize i = 0; i < n; i++) {
    if (work->group_of[i] != group || work->done[i])
      continue;
    if (!frames && !error) {
      wait_for_room (work, most_asked (work) - 1);
      frames = open_media (work, neva_prompt_file_get (work->file, i)->media,
          &duration_ns, &error);
    }
    if (g_cancellable_is_cancelled (work->cancellable))
      return;
    if (!frames) {
      fail (work, i, error);
      continue;
    }
    wait_for_room (work, most_asked (work) - 1);
    ask (work, i, frames, duration_ns);
  }
}

/* None of the questions is answered any more. */
static void
cancel_all (Work *work)
{
  g_autoptr (GPtrArray) requests =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_request_unref);

  g_mutex_lock (&work->lock);
  for (GList *l = work->asked; l; l = l->next) {
    Asked *asked = l->data;

    if (asked->request)
      g_ptr_array_add (requests, neva_request_ref (asked->request));
  }
  g_mutex_unlock (&work->lock);
  for (guint i = 0; i < requests->len; i++)
    neva_request_cancel (requests->pdata[i]);
}

guint
work_decoded (const Work *work)
{
  return work->decoded;
}

guint
work_finish (Work *work)
{
  wait_for_room (work, 0);
  if (g_cancellable_is_cancelled (work->cancellable))
    cancel_all (work);
  return work->failures;
}
