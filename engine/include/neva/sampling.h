/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the next token is chosen. Names and rules follow neva_inference.yaml
 * (spec 4.1, 4.4): temperature, then repetition penalty, top-k, top-p. */
#ifndef NEVA_SAMPLING_H
#define NEVA_SAMPLING_H

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  NEVA_PENALTY_DOCUMENTED, /* divides positive, multiplies negative logits of
                              every token seen, whenever the penalty != 1 */
  NEVA_PENALTY_NEMO        /* the original's conditions and plain division */
} NevaPenaltyMode;

typedef struct {
  gboolean greedy;            /* argmax; everything below is ignored */
  gint top_k;                 /* <= 0: off; ties at the boundary survive */
  gdouble top_p;              /* active only if 0 < p < 1 */
  gdouble temperature;        /* > 0 */
  gdouble repetition_penalty; /* 1: off */
  NevaPenaltyMode penalty_mode;
  gboolean
      compute_logprob; /* of NEVA_PENALTY_NEMO: the list exists only then */
  guint min_tokens;    /* the eos id is forbidden before that */
  guint64 seed;        /* same seed, same text */
} NevaSampling;

/* Greedy, no penalty. */
#define NEVA_SAMPLING_DEFAULT                                                  \
  {                                                                            \
    .greedy = TRUE, .top_k = 0, .top_p = 0.9, .temperature = 0.2,              \
    .repetition_penalty = 1.0, .penalty_mode = NEVA_PENALTY_DOCUMENTED,        \
    .compute_logprob = FALSE, .min_tokens = 0, .seed = 1234                    \
  }

G_END_DECLS

#endif /* NEVA_SAMPLING_H */
