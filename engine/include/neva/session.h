/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synchronous use of a model from a plain C program: one conversation, one
 * thread. Push frames and text, then pull the answer piece by piece. */
#ifndef NEVA_SESSION_H
#define NEVA_SESSION_H

#include <neva/request.h>

G_BEGIN_DECLS

typedef struct _NevaSession NevaSession;

typedef enum {
  NEVA_STEP_TEXT, /* a piece of the answer */
  NEVA_STEP_END,  /* the answer is complete */
  NEVA_STEP_ERROR
} NevaStep;

/* Holds a reference on the model. Returns: (transfer full) */
NevaSession *neva_session_new (NevaModel *model, GError **error);
void neva_session_free (NevaSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaSession, neva_session_free)

/* How the next answers are generated; question->frames, n_frames and prompt are
 * ignored. Copied. */
void neva_session_set_options (
    NevaSession *session, const NevaQuestion *question);

/* The frame joins the next question. Borrowed for the call. Waits for room. */
gboolean neva_session_push_frame (
    NevaSession *session, const NevaFrame *frame, GError **error);
/* Sets the next question's text. */
gboolean neva_session_push_text (
    NevaSession *session, const char *text, GError **error);

/* Starts generating if needed; blocks until the next piece is there. *piece
 * (UTF-8) is valid until the next call on the session. After END the session
 * is empty again: frames and text of the next question may be pushed. */
NevaStep neva_session_next (
    NevaSession *session, const char **piece, GError **error);

G_END_DECLS

#endif /* NEVA_SESSION_H */
