/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams that share a model: turns, room in the queues, priorities. */
#include "config.h"
#include "runtime/turns.h"
#include "runtime_helpers.h"

static void
check_turns (void)
{
  NevaTurns *turns = neva_turns_new ();

  CHECK (!neva_turns_before (turns, 1, 2), "nobody had one");
  neva_turns_take (turns, 1);
  CHECK (neva_turns_before (turns, 2, 1), "2 never had one");
  neva_turns_take (turns, 2);
  CHECK (neva_turns_before (turns, 1, 2), "1 had it first");
  for (guint64 stream = 10; stream < 10000; stream++)
    neva_turns_take (turns, stream);
  CHECK (neva_turns_before (turns, 9998, 9999), "forgotten at once");
  CHECK (neva_turns_before (turns, 1, 9999), "the oldest comes first");
  neva_turns_free (turns);

  CHECK (neva_turns_may_queue (0, 63, 63, 64), "nobody's are not bounded");
  CHECK (!neva_turns_may_queue (0, 64, 64, 64), "more than there are places");
  CHECK (neva_turns_may_queue (1, 0, 63, 64), "a newcomer finds no room");
  CHECK (!neva_turns_may_queue (1, 2, 63, 64), "takes all");
}

/* As many frames of a stream as may wait. */
static GPtrArray *
fill (NevaModel *model, guint64 stream)
{
  GPtrArray *frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  NevaEmbedding *frame;

  while ((frame = encode_of (model, stream, 0)))
    g_ptr_array_add (frames, frame);
  return frames;
}

static NevaRequest *
ask_of (NevaModel *model, guint64 stream, gint priority, NevaEmbedding *frame,
    guint max_tokens, Heard *heard)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  question.stream = stream;
  question.max_tokens = max_tokens;
  question.priority = priority;
  question.frames = &frame;
  question.n_frames = frame ? 1 : 0;
  return neva_model_ask (
      model, &question, NULL, on_done, heard, NULL, NULL, NULL);
}

/* A stream that fills the queue leaves room for another, whose frame need not
 * wait for all of its. */
static void
check_frames (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:x?encode=10");
  const guint64 greedy = neva_stream_new (), modest = neva_stream_new ();
  g_autoptr (GPtrArray) many = fill (model, greedy);
  g_autoptr (NevaEmbedding) one = encode_of (model, modest, 0);
  g_autoptr (NevaRequest) first = NULL, second = NULL;
  Heard *of_one = heard_new (), *of_many = heard_new ();

  CHECK (greedy != modest, "one number for two streams");
  CHECK (many->len < NEVA_MAX_QUEUED_FRAMES, "%u of one stream", many->len);
  CHECK (one != NULL, "no room for another stream");
  second = ask_of (model, greedy, 0, many->pdata[many->len - 1], 9, of_many);
  first = ask_of (model, modest, 0, one, 9, of_one);
  must_answer (first);
  must_answer (second);
  CHECK (
      of_one->order < of_many->order, "all of the first stream's came first");
  heard_free (of_one);
  heard_free (of_many);
}

static void
check_frame_priority (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:x?encode=10");
  const guint64 low = neva_stream_new (), high = neva_stream_new ();
  g_autoptr (GPtrArray) many = fill (model, low), urgent = NULL;
  Heard *of_low = heard_new (), *of_high = heard_new ();
  g_autoptr (NevaRequest) first = NULL, second = NULL;

  urgent =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  for (guint i = 0; i < 8; i++)
    g_ptr_array_add (urgent, encode_of (model, high, 1));
  /* The twelfth of the many would have its turn before the eighth of these. */
  second = ask_of (model, low, 0, many->pdata[24], 9, of_low);
  first = ask_of (model, high, 0, urgent->pdata[7], 9, of_high);
  must_answer (first);
  must_answer (second);
  CHECK (of_high->order < of_low->order, "priority of frames does not count");
  heard_free (of_low);
  heard_free (of_high);
}

static void
check_questions (void)
{
  /* One long encode holds the questions in the queue. */
  g_autoptr (NevaModel) model = must_open ("fake:x?encode=50");
  const guint64 streams[] = {
      neva_stream_new (), neva_stream_new (), neva_stream_new ()};
  g_autoptr (NevaEmbedding) frame = encode (model, 0, NULL, NULL);
  static const guint of[] = {0, 0, 0, 0, 1, 1, 2};
  static const gint64 want[] = {0, 3, 5, 6, 1, 4, 2};
  NevaRequest *requests[G_N_ELEMENTS (of)];
  Heard *heard[G_N_ELEMENTS (of)];
  const gint64 base = g_atomic_int_get (&done_count);

  for (guint i = 0; i < G_N_ELEMENTS (of); i++) {
    heard[i] = heard_new ();
    requests[i] = ask_of (model, streams[of[i]], 0, frame, 9, heard[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (of); i++) {
    must_answer (requests[i]);
    neva_request_unref (requests[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (of); i++) {
    CHECK (heard[i]->order - base == want[i], "question %u came out as %d", i,
        (int) (heard[i]->order - base));
    heard_free (heard[i]);
  }
}

/* When all places are taken, an urgent question does not wait for one. */
static void
check_urgent (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:a b c?tokens=200&delay=2000");
  NevaRequest *slow[NEVA_MAX_RUNNING];
  Heard *heard[NEVA_MAX_RUNNING], *of_urgent = heard_new ();
  g_autoptr (NevaRequest) urgent = NULL;
  NevaStats stats;

  for (guint i = 0; i < NEVA_MAX_RUNNING; i++) {
    heard[i] = heard_new ();
    slow[i] = ask_of (model, 0, 0, NULL, 256, heard[i]);
  }
  do
    neva_model_get_stats (model, &stats);
  while (stats.running < NEVA_MAX_RUNNING);
  urgent = ask_of (model, 0, 1, NULL, 4, of_urgent);
  must_answer (urgent);
  neva_model_get_stats (model, &stats);
  CHECK (stats.paused == 1, "%d paused", (int) stats.paused);
  CHECK (stats.answers == 1, "slow ones were answered before");
  for (guint i = 0; i < NEVA_MAX_RUNNING; i++) {
    CHECK (strlen (must_answer (slow[i])->text) == 399, "an answer was cut");
    neva_request_unref (slow[i]);
    heard_free (heard[i]);
  }
  heard_free (of_urgent);
}

int
main (void)
{
  check_turns ();
  check_frames ();
  check_frame_priority ();
  check_questions ();
  check_urgent ();
  return check_finish ();
}
