/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asynchronous use of a model: hand frames in as they come, ask when a clip is
 * complete, hear tokens and the answer from the model's worker. Many streams
 * may do so at once; nothing here waits for arithmetic unless it says so. */
#ifndef NEVA_REQUEST_H
#define NEVA_REQUEST_H

#include <gio/gio.h>
#include <neva/frame.h>
#include <neva/grammar.h>
#include <neva/model.h>
#include <neva/sampling.h>

G_BEGIN_DECLS

/* Bounds, per model. A waiting frame takes 3 bytes per pixel of the tower's
 * input. */
#define NEVA_MAX_QUEUED_FRAMES 64
#define NEVA_MAX_QUEUED_QUESTIONS 32
#define NEVA_MAX_RUNNING 16 /* questions answered at once */

/* A number for one of the streams that share models, unique in the process.
 * Among waiting frames and among waiting questions of equal priority, streams
 * take turns; none can fill a queue so that others find no room. */
guint64 neva_stream_new (void);

/* ---- Frames ------------------------------------------------------------- */

/* One frame's visual tokens, possibly still being computed. */
typedef struct _NevaEmbedding NevaEmbedding;

/* Resizes the frame on the calling thread (a few milliseconds for 1080p), then
 * queues it for the vision tower. The encode queue is bounded: when it is full,
 * waits for room if `wait` is given (until it is cancelled:
 * NEVA_ERROR_CANCELLED) and returns NEVA_ERROR_BUSY at once if `wait` is NULL.
 * frame: borrowed for the call.
 * Returns: (transfer full): NULL with error set on failure. */
NevaEmbedding *neva_model_encode (NevaModel *model, const NevaFrame *frame,
    GCancellable *wait, GError **error);
NevaEmbedding *neva_embedding_ref (NevaEmbedding *embedding);
/* Dropping the last reference of a frame that is still queued cancels it. */
void neva_embedding_unref (NevaEmbedding *embedding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaEmbedding, neva_embedding_unref)

NevaModel *neva_embedding_get_model (
    NevaEmbedding *embedding);                            /* (transfer none) */
gint64 neva_embedding_get_pts (NevaEmbedding *embedding); /* ns, or -1 */
gboolean neva_embedding_is_ready (NevaEmbedding *embedding);
/* Calls `func` once, when the frame is encoded or could not be: on the model's
 * worker thread, where it must not block, or, if it is so already, at once.
 * `destroy` frees user_data after that, or when the embedding goes before. */
void neva_embedding_when_done (NevaEmbedding *embedding,
    void (*func) (NevaEmbedding *embedding, gpointer user_data),
    gpointer user_data, GDestroyNotify destroy);
/* The means of the frame's visual tokens over the cells of a coarse grid, 8 x 8
 * and less: [*n_cells][*n], (transfer full). NULL while they are not ready, and
 * of a model behind an endpoint, which shows none. */
float *neva_embedding_pool (NevaEmbedding *embedding, gsize *n_cells, gsize *n);
gboolean neva_model_has_features (NevaModel *model);

/* ---- Questions ---------------------------------------------------------- */

typedef struct _NevaRequest NevaRequest;

/* How an answer's text is made of what the model wrote (spec 3.6). */
typedef enum {
  NEVA_CLEAN_EXACT, /* the end marker goes, and white space at the ends */
  NEVA_CLEAN_NEMO   /* as the original, bit for bit, defects included; such an
                       answer has no partial text */
} NevaClean;

typedef enum { NEVA_MEDIA_VIDEO, NEVA_MEDIA_IMAGE } NevaMediaType;

/* Where the marker <video> or <image> goes into a question's text. */
typedef enum {
  NEVA_INSERT_NONE, /* nowhere: where the text has none, templates put one */
  NEVA_INSERT_LEFT, /* marker + text */
  NEVA_INSERT_RIGHT /* text + marker */
} NevaInsertMedia;

/* All members are copied or referenced by neva_model_ask (). */
typedef struct {
  NevaEmbedding *const *frames; /* [n_frames] of the same model, in order */
  gsize n_frames;               /* 0: a question without media */
  gint64 duration_ns; /* of what the frames are taken from; 0: unknown. A model
                         that knows times (LITA) reads "<12.5s>" and " 12.5
                         seconds" of the prompt as times since its beginning
                         and writes "<12.5>"; without, they stay as they are */
  const char *prompt; /* NULL: the model's default */
  const char *system_prompt; /* NULL: the template's own */
  const char *conv_template; /* NULL: the model's own */
  const char *const *stop;   /* NULL-terminated stop strings, or NULL */
  NevaGrammar *grammar;    /* what the answer must look like, or NULL: any text;
                              stop strings and cleaning are then left out */
  guint max_tokens;        /* 0: 256 */
  gboolean own_stops_only; /* only `stop` and the eos id end the answer, by
                              NeMo's rules; not the template's strings */
  NevaClean clean;
  NevaMediaType media_type;     /* what full_text calls the media */
  NevaInsertMedia insert_media; /* of a question with frames: the marker that
                                   the model takes, else that of media_type */
  gboolean add_media_sep;       /* insert_media puts " \n" behind the marker */
  gboolean full_text;           /* wanted in the answer */
  gboolean all_probs;           /* full_logprob is wanted in the answer */
  gboolean yes_no;              /* yes_probability is wanted in the answer */
  gboolean prompt_logprobs; /* prompt is wanted in the answer: slower, nothing
                               is reused */
  NevaSampling sampling;
  guint64 stream; /* neva_stream_new (), or 0: nobody's */
  gint priority;  /* higher goes first; 0 is normal */
} NevaQuestion;

#define NEVA_QUESTION_DEFAULT                                                  \
  {                                                                            \
    .max_tokens = 256, .sampling = NEVA_SAMPLING_DEFAULT                       \
  }

typedef enum {
  NEVA_FINISH_STOP,  /* a stop id or stop string */
  NEVA_FINISH_LENGTH /* max_tokens or the context */
} NevaFinish;

/* A generated token; logprob: natural log of its probability before
 * temperature, penalty and truncation. */
typedef struct {
  gint32 id;
  double logprob;
} NevaToken;

/* Pointers are owned by the request. */
typedef struct {
  const char *text;      /* cleaned answer, UTF-8 */
  const char *full_text; /* prompt and answer with the end marker, the media as
                            one <video> or <image>; NULL unless asked for */
  const NevaToken *prompt; /* [prompt_tokens], media placeholders too; the first
                              has the logprob 0; NULL unless asked for */
  const NevaToken *tokens; /* [generated_tokens], the one that ended it too */
  const float *full_logprob; /* [generated_tokens][n_logprobs] log-probabilities
                                of the whole vocabulary; NULL unless asked for
                              */
  gsize n_logprobs;
  double yes_probability; /* that the answer begins with yes rather than no, in
                             any spelling; NaN unless asked for */
  NevaFinish finish;
  guint prompt_tokens, reused_tokens, generated_tokens;
  double mean_logprob; /* of the generated tokens, natural log */
  gint64 queue_ns, encode_ns, prefill_ns, first_token_ns, decode_ns;
  /* waiting; for the frames; prompt; ask to first token; all tokens */
} NevaAnswer;

/* Called on the model's worker thread; must not block. `text` is the answer so
 * far (valid for the call); its prefix never changes. */
typedef void (*NevaPartialFunc) (
    NevaRequest *request, const char *text, gpointer user_data);
/* Called exactly once per request, on the worker thread or, when cancelled, on
 * the cancelling one; never while `partial` of the same request runs elsewhere.
 * Exactly one of answer and error is set; both are borrowed. */
typedef void (*NevaDoneFunc) (NevaRequest *request, const NevaAnswer *answer,
    const GError *error, gpointer user_data);

/* Queues a question. `partial` and `done` may be NULL. The question queue is
 * bounded; `wait` as for neva_model_encode (). `destroy` frees user_data after
 * the last callback (not called when NULL is returned).
 * Returns: (transfer full): NULL with error set when the question is refused
 * (no such template, frames of another model, longer than the context, …);
 * `done` is then not called. */
NevaRequest *neva_model_ask (NevaModel *model, const NevaQuestion *question,
    NevaPartialFunc partial, NevaDoneFunc done, gpointer user_data,
    GDestroyNotify destroy, GCancellable *wait, GError **error);
/* The tokens of the question's prompt, media included, without asking it. It
 * may have more than the context. An endpoint does not say how it counts: for
 * one, three bytes of text are a token.
 * Returns: 0 with error set when the question would be refused. */
gsize neva_model_measure (
    NevaModel *model, const NevaQuestion *question, GError **error);
NevaRequest *neva_request_ref (NevaRequest *request);
/* Dropping a reference does not cancel. */
void neva_request_unref (NevaRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaRequest, neva_request_unref)

/* When this returns, no callback of the request runs or will run: `done` was
 * called with NEVA_ERROR_CANCELLED, on this thread, or had been called before.
 * (Within a callback of the same request it returns at once instead.) So hold
 * no lock that the callbacks take. The worker stops within one step. */
void neva_request_cancel (NevaRequest *request);

/* Blocks until the request is done or `cancellable` (may be NULL) is cancelled.
 * Returns: (transfer none): the answer, valid while the request is. */
const NevaAnswer *neva_request_wait (
    NevaRequest *request, GCancellable *cancellable, GError **error);

G_END_DECLS

#endif /* NEVA_REQUEST_H */
