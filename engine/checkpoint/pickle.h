/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A restricted reader of Python pickles, for the structure part of torch.save
 * files and of PyTorch's distributed checkpoints. Nothing is executed: a call
 * becomes a value that says which callable was named and with what arguments.
 * Only the opcodes that those writers use and only the globals of one fixed
 * table are accepted; anything else is an error that names it. Parser of
 * untrusted bytes: length, depth, memo and number of values are limited.
 *
 * Values may be shared and may even contain themselves (that is legal in a
 * pickle), so a reader must walk them by known structure, never blindly.
 */
#ifndef NEVA_PICKLE_H
#define NEVA_PICKLE_H

#include <glib.h>

typedef enum {
  NEVA_PICKLE_NONE,
  NEVA_PICKLE_BOOL,
  NEVA_PICKLE_INT,
  NEVA_PICKLE_FLOAT,
  NEVA_PICKLE_STRING, /* UTF-8 */
  NEVA_PICKLE_BYTES,
  NEVA_PICKLE_SEQUENCE, /* tuple, list, set: items */
  NEVA_PICKLE_DICT,     /* items: key, value, key, value, … */
  NEVA_PICKLE_GLOBAL,   /* string: "module name", of the table in pickle_value.c
                         */
  NEVA_PICKLE_OBJECT,   /* callable (args), then state or items */
  NEVA_PICKLE_PERSISTENT /* args[0]: the persistent id */
} NevaPickleKind;

typedef struct _NevaPickleValue NevaPickleValue;

struct _NevaPickleValue {
  NevaPickleKind kind;
  gint64 integer;          /* INT, BOOL */
  double real;             /* FLOAT */
  const char *string;      /* STRING, BYTES, GLOBAL; NUL-terminated */
  gsize length;            /* bytes of string */
  NevaPickleValue **items; /* SEQUENCE, DICT; [n_items] */
  gsize n_items, n_allocated;
  const NevaPickleValue *callable; /* OBJECT: a GLOBAL */
  const NevaPickleValue *args;     /* OBJECT: a SEQUENCE; PERSISTENT: the id */
  const NevaPickleValue *state;    /* OBJECT: what BUILD gave, or NULL */
};

typedef struct _NevaPickle NevaPickle;

/* Reads one pickle from data [length]; `name` is for messages. *used, if not
 * NULL: bytes consumed. Returns: (transfer full). Values live as long as it. */
NevaPickle *neva_pickle_read (const guint8 *data, gsize length,
    const char *name, gsize *used, GError **error);
void neva_pickle_free (NevaPickle *pickle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaPickle, neva_pickle_free)

const NevaPickleValue *neva_pickle_root (const NevaPickle *pickle);

/* The table's entry for "module name", or NULL when it is not allowed. */
const char *neva_pickle_allowed_global (const char *full_name);

/* ---- Walking; every function takes NULL and wrong kinds and gives NULL/FALSE
 */

/* The value of a string key of a DICT, of an OBJECT's state, or of an OBJECT
 * that behaves like a dict (OrderedDict). */
const NevaPickleValue *neva_pickle_get (
    const NevaPickleValue *value, const char *key);
/* Item of a SEQUENCE, or argument of an OBJECT. */
const NevaPickleValue *neva_pickle_item (
    const NevaPickleValue *value, gsize index);
/* OBJECT made by the named callable, e.g. "torch Size". */
gboolean neva_pickle_is (const NevaPickleValue *value, const char *callable);
gboolean neva_pickle_int (const NevaPickleValue *value, gint64 *integer);
const char *neva_pickle_string (const NevaPickleValue *value);

#endif /* NEVA_PICKLE_H */
