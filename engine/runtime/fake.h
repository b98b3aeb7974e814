/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of the driver of `fake:` models: fake.c runs them, fake_path.c
 * reads what they are to be. */
#ifndef NEVA_FAKE_H
#define NEVA_FAKE_H

#include "runtime/driver.h"

typedef enum {
  NEVA_FAKE_FAIL_NEVER,
  NEVA_FAKE_FAIL_LOAD,
  NEVA_FAKE_FAIL_ENCODE,
  NEVA_FAKE_FAIL_PROMPT,
  NEVA_FAKE_FAIL_ANSWER
} NevaFakeFailure;

typedef struct {
  NevaDriver parent;
  char *name, *text;
  gboolean echo;
  gint64 load_ns, delay_ns, encode_ns;
  guint tokens; /* 0: as many as the text has */
  NevaFakeFailure fail;
  guint64 kv_tokens; /* in all sequences */
  guint64 kv_max;    /* 0: no bound */
  guint yes;         /* per cent */
} NevaFakeDriver;

/* Splits "fake:TEXT?key=value&…" (model.h). A text may itself end in a question
 * mark. */
gboolean neva_fake_parse (
    NevaFakeDriver *fake, const char *path, GError **error);

#endif /* NEVA_FAKE_H */
