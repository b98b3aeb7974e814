/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine: a stack of values, marks into it, and a memo. Opcode meanings
 * follow Python's Lib/pickletools.py (protocols 0 to 5 as far as listed here).
 */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/pickle.h"

/* Far above what a checkpoint of a thousand layers needs. */
#define MAX_VALUES (1u << 23)
#define MAX_MEMO (1u << 22)
#define MAX_STACK (1u << 20)
#define MAX_MARKS 4096u

struct _NevaPickle {
  GPtrArray *values; /* owns every NevaPickleValue */
  GPtrArray *strings;
  const NevaPickleValue *root;
};

typedef struct {
  NevaPickle *pickle;
  const guint8 *data;
  gsize length, at;
  const char *name;
  GPtrArray *stack, *memo;
  GArray *marks; /* gsize: stack heights */
  GError **error;
} Machine;

static void
value_free (gpointer data)
{
  NevaPickleValue *value = data;

  g_free (value->items);
  g_free (value);
}

void
neva_pickle_free (NevaPickle *pickle)
{
  if (!pickle)
    return;
  g_ptr_array_unref (pickle->values);
  g_ptr_array_unref (pickle->strings);
  g_free (pickle);
}

const NevaPickleValue *
neva_pickle_root (const NevaPickle *pickle)
{
  return pickle->root;
}

/* ---- The machine's primitives -------------------------------------------- */

static gboolean fail (Machine *m, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (Machine *m, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (m->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: pickle at byte %" G_GSIZE_FORMAT ": %s", m->name, m->at, what);
  return FALSE;
}

static gboolean
need (Machine *m, guint64 bytes)
{
  return bytes <= m->length - m->at ? TRUE : fail (m, "truncated");
}

static gboolean
read_uint (Machine *m, guint bytes, guint64 *out)
{
  guint64 v = 0;

  if (!need (m, bytes))
    return FALSE;
  for (guint i = 0; i < bytes; i++)
    v |= (guint64) m->data[m->at + i] << (8 * i);
  m->at += bytes;
  *out = v;
  return TRUE;
}

static NevaPickleValue *
new_value (Machine *m, NevaPickleKind kind)
{
  NevaPickleValue *value;

  if (m->pickle->values->len >= MAX_VALUES) {
    fail (m, "more than %u values", MAX_VALUES);
    return NULL;
  }
  value = g_new0 (NevaPickleValue, 1);
  value->kind = kind;
  g_ptr_array_add (m->pickle->values, value);
  return value;
}

static gboolean
push (Machine *m, NevaPickleValue *value)
{
  if (!value)
    return FALSE; /* new_value () said why */
  if (m->stack->len >= MAX_STACK)
    return fail (m, "stack deeper than %u", MAX_STACK);
  g_ptr_array_add (m->stack, value);
  return TRUE;
}

static NevaPickleValue *
pop (Machine *m)
{
  const gsize floor =
      m->marks->len ? g_array_index (m->marks, gsize, m->marks->len - 1) : 0;

  if (m->stack->len <= floor) {
    fail (m, "stack underflow");
    return NULL;
  }
  return g_ptr_array_steal_index (m->stack, m->stack->len - 1);
}

static NevaPickleValue *
top (Machine *m)
{
  if (!m->stack->len) {
    fail (m, "stack underflow");
    return NULL;
  }
  return g_ptr_array_index (m->stack, m->stack->len - 1);
}

static gboolean
append (Machine *m, NevaPickleValue *to, NevaPickleValue *item)
{
  if (to->n_items == to->n_allocated) {
    to->n_allocated = to->n_allocated ? 2 * to->n_allocated : 4;
    to->items = g_renew (NevaPickleValue *, to->items, to->n_allocated);
  }
  to->items[to->n_items++] = item;
  return TRUE;
}

/* Moves everything above the last mark into `to`. */
static gboolean
take_marked (Machine *m, NevaPickleValue *to)
{
  gsize from;

  if (!to)
    return FALSE;
  if (!m->marks->len)
    return fail (m, "no mark on the stack");
  from = g_array_index (m->marks, gsize, m->marks->len - 1);
  g_array_set_size (m->marks, m->marks->len - 1);
  for (gsize i = from; i < m->stack->len; i++)
    append (m, to, g_ptr_array_index (m->stack, i));
  g_ptr_array_set_size (m->stack, from);
  return TRUE;
}

static gboolean
push_integer (Machine *m, NevaPickleKind kind, gint64 integer)
{
  NevaPickleValue *value = new_value (m, kind);

  if (value)
    value->integer = integer;
  return push (m, value);
}

static gboolean
push_string (Machine *m, NevaPickleKind kind, guint length_bytes)
{
  NevaPickleValue *value;
  guint64 length;
  char *copy;

  if (!read_uint (m, length_bytes, &length) || !need (m, length) ||
      !(value = new_value (m, kind)))
    return FALSE;
  copy = g_malloc (length + 1); /* length <= the file's */
  memcpy (copy, m->data + m->at, length);
  copy[length] = 0;
  g_ptr_array_add (m->pickle->strings, copy);
  /* g_utf8_validate_len () also refuses a NUL inside */
  if (kind == NEVA_PICKLE_STRING && !g_utf8_validate_len (copy, length, NULL))
    return fail (m, "a string that is not UTF-8");
  value->string = copy;
  value->length = length;
  m->at += length;
  return push (m, value);
}

static gboolean
push_global (Machine *m, const char *module, const char *name)
{
  g_autofree char *full = g_strconcat (module, " ", name, NULL);
  NevaPickleValue *value;
  const char *allowed = neva_pickle_allowed_global (full);

  if (!allowed)
    return fail (m, "global '%s.%s' is not allowed", module, name);
  if (!(value = new_value (m, NEVA_PICKLE_GLOBAL)))
    return FALSE;
  value->string = allowed;
  value->length = strlen (allowed);
  return push (m, value);
}

static gboolean
op_global (Machine *m)
{
  char *line[2];
  gboolean ok;

  for (guint i = 0; i < 2; i++) {
    const guint8 *end = memchr (m->data + m->at, '\n', m->length - m->at);

    if (!end || (gsize) (end - m->data) - m->at > 256) {
      if (i)
        g_free (line[0]);
      return fail (m, "a global's name has no end");
    }
    line[i] = g_utf8_make_valid (
        (const char *) m->data + m->at, end - (m->data + m->at));
    m->at = end - m->data + 1;
  }
  ok = push_global (m, line[0], line[1]);
  g_free (line[0]);
  g_free (line[1]);
  return ok;
}

static gboolean
op_stack_global (Machine *m)
{
  const NevaPickleValue *name = pop (m), *module = name ? pop (m) : NULL;

  if (!module)
    return FALSE;
  if (name->kind != NEVA_PICKLE_STRING || module->kind != NEVA_PICKLE_STRING)
    return fail (m, "a global named by something that is no string");
  return push_global (m, module->string, name->string);
}

/* REDUCE, NEWOBJ and NEWOBJ_EX: record the call. */
static gboolean
op_call (Machine *m, gboolean keywords)
{
  NevaPickleValue *kw = keywords ? pop (m) : NULL;
  NevaPickleValue *args, *callable, *value;

  if (keywords && !kw)
    return FALSE;
  if (!(args = pop (m)) || !(callable = pop (m)))
    return FALSE;
  if (callable->kind != NEVA_PICKLE_GLOBAL)
    return fail (m, "a call of something that is no global");
  if (args->kind != NEVA_PICKLE_SEQUENCE)
    return fail (m, "a call of '%s' without a tuple", callable->string);
  if (!(value = new_value (m, NEVA_PICKLE_OBJECT)))
    return FALSE;
  value->callable = callable;
  value->args = args;
  value->state = kw;
  return push (m, value);
}

static gboolean
op_build (Machine *m)
{
  NevaPickleValue *state = pop (m), *object = state ? top (m) : NULL;

  if (!object)
    return FALSE;
  if (object->kind != NEVA_PICKLE_OBJECT)
    return fail (m, "a state for something that is no object");
  object->state = state;
  return TRUE;
}

static gboolean
op_persistent (Machine *m)
{
  NevaPickleValue *id = pop (m), *value;

  if (!id || !(value = new_value (m, NEVA_PICKLE_PERSISTENT)))
    return FALSE;
  value->args = id;
  return push (m, value);
}

static gboolean
op_tuple (Machine *m, guint n)
{
  NevaPickleValue *items[3], *value = new_value (m, NEVA_PICKLE_SEQUENCE);

  if (!value)
    return FALSE;
  for (guint i = n; i-- > 0;) {
    if (!(items[i] = pop (m)))
      return FALSE;
  }
  for (guint i = 0; i < n; i++)
    append (m, value, items[i]);
  return push (m, value);
}

static gboolean
op_marked (Machine *m, NevaPickleKind kind)
{
  NevaPickleValue *value = new_value (m, kind);

  if (!take_marked (m, value))
    return FALSE;
  if (kind == NEVA_PICKLE_DICT && value->n_items % 2)
    return fail (m, "a key without a value");
  return push (m, value);
}

/* APPEND(S), ADDITEMS: into a list; SETITEM(S): into a dict or an object. */
static gboolean
op_add (Machine *m, gboolean dict, guint n)
{
  NevaPickleValue *to, *items[2];
  NevaPickleValue scratch = {.kind = NEVA_PICKLE_SEQUENCE};
  gboolean ok = TRUE;

  if (n) {
    for (guint i = n; i-- > 0;) {
      if (!(items[i] = pop (m)))
        return FALSE;
    }
    for (guint i = 0; i < n; i++)
      append (m, &scratch, items[i]);
  } else if (!take_marked (m, &scratch)) {
    return FALSE;
  }

  to = top (m);
  if (!to)
    ok = FALSE;
  else if (to->kind != NEVA_PICKLE_OBJECT &&
           to->kind != (dict ? NEVA_PICKLE_DICT : NEVA_PICKLE_SEQUENCE))
    ok = fail (m, "items for something that holds none");
  else if (dict && scratch.n_items % 2)
    ok = fail (m, "a key without a value");
  for (gsize i = 0; ok && i < scratch.n_items; i++)
    append (m, to, scratch.items[i]);
  g_free (scratch.items);
  return ok;
}

static gboolean
op_put (Machine *m, guint64 index)
{
  NevaPickleValue *value = top (m);

  if (!value)
    return FALSE;
  if (index >= MAX_MEMO)
    return fail (m, "memo of more than %u values", MAX_MEMO);
  if (index >= m->memo->len)
    g_ptr_array_set_size (m->memo, index + 1);
  m->memo->pdata[index] = value;
  return TRUE;
}

static gboolean
op_get (Machine *m, guint64 index)
{
  if (index >= m->memo->len || !m->memo->pdata[index])
    return fail (m, "memo %" G_GUINT64_FORMAT " was never put", index);
  return push (m, m->memo->pdata[index]);
}

static gboolean
op_long (Machine *m)
{
  guint64 length, bits = 0;

  if (!read_uint (m, 1, &length))
    return FALSE;
  if (length > 8)
    return fail (m, "an integer of %u bytes", (guint) length);
  if (!read_uint (m, length, &bits))
    return FALSE;
  if (length && length < 8 && bits >> (8 * length - 1))
    bits |= ~(guint64) 0 << (8 * length); /* sign */
  return push_integer (m, NEVA_PICKLE_INT, (gint64) bits);
}

static gboolean
op_float (Machine *m)
{
  guint64 bits = 0;
  NevaPickleValue *value;

  if (!need (m, 8) || !(value = new_value (m, NEVA_PICKLE_FLOAT)))
    return FALSE;
  for (guint i = 0; i < 8; i++) /* big endian, unlike everything else */
    bits = bits << 8 | m->data[m->at++];
  memcpy (&value->real, &bits, sizeof bits);
  return push (m, value);
}

static gboolean
op_mark (Machine *m)
{
  const gsize height = m->stack->len;

  if (m->marks->len >= MAX_MARKS)
    return fail (m, "nested deeper than %u", MAX_MARKS);
  g_array_append_val (m->marks, height);
  return TRUE;
}

/* ---- The opcodes ----------------------------------------------------------
 */

static gboolean
step_number (Machine *m, guint8 op)
{
  guint64 v;

  switch (op) {
    case 'J': /* BININT */
      return read_uint (m, 4, &v) &&
             push_integer (m, NEVA_PICKLE_INT, (gint32) (guint32) v);
    case 'K': /* BININT1 */
      return read_uint (m, 1, &v) && push_integer (m, NEVA_PICKLE_INT, v);
    case 'M': /* BININT2 */
      return read_uint (m, 2, &v) && push_integer (m, NEVA_PICKLE_INT, v);
    case 0x8a: /* LONG1 */
      return op_long (m);
    case 'G': /* BINFLOAT */
      return op_float (m);
    case 'q': /* BINPUT */
      return read_uint (m, 1, &v) && op_put (m, v);
    case 'r': /* LONG_BINPUT */
      return read_uint (m, 4, &v) && op_put (m, v);
    case 'h': /* BINGET */
      return read_uint (m, 1, &v) && op_get (m, v);
    case 'j': /* LONG_BINGET */
      return read_uint (m, 4, &v) && op_get (m, v);
    case 0x80: /* PROTO */
      if (!read_uint (m, 1, &v))
        return FALSE;
      return v <= 5 ? TRUE : fail (m, "protocol %u", (guint) v);
    case 0x95: /* FRAME: only a hint for buffered readers */
      return read_uint (m, 8, &v);
    default:
      return fail (m, "opcode 0x%02x is not allowed", op);
  }
}

static gboolean
step (Machine *m, guint8 op)
{
  switch (op) {
    case '(': /* MARK */
      return op_mark (m);
    case '0': /* POP */
      return pop (m) != NULL;
    case 'N': /* NONE */
      return push (m, new_value (m, NEVA_PICKLE_NONE));
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
      return push_integer (m, NEVA_PICKLE_BOOL, op == 0x88);
    case 0x8c: /* SHORT_BINUNICODE */
      return push_string (m, NEVA_PICKLE_STRING, 1);
    case 'X': /* BINUNICODE */
      return push_string (m, NEVA_PICKLE_STRING, 4);
    case 0x8d: /* BINUNICODE8 */
      return push_string (m, NEVA_PICKLE_STRING, 8);
    case 'U': /* SHORT_BINSTRING */
    case 'C': /* SHORT_BINBYTES */
      return push_string (m, NEVA_PICKLE_BYTES, 1);
    case 'T': /* BINSTRING */
    case 'B': /* BINBYTES */
      return push_string (m, NEVA_PICKLE_BYTES, 4);
    case 0x8e: /* BINBYTES8 */
      return push_string (m, NEVA_PICKLE_BYTES, 8);
    case ')':  /* EMPTY_TUPLE */
    case ']':  /* EMPTY_LIST */
    case 0x8f: /* EMPTY_SET */
      return push (m, new_value (m, NEVA_PICKLE_SEQUENCE));
    case '}': /* EMPTY_DICT */
      return push (m, new_value (m, NEVA_PICKLE_DICT));
    case 't':  /* TUPLE */
    case 'l':  /* LIST */
    case 0x91: /* FROZENSET */
      return op_marked (m, NEVA_PICKLE_SEQUENCE);
    case 'd': /* DICT */
      return op_marked (m, NEVA_PICKLE_DICT);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
      return op_tuple (m, op - 0x84u);
    case 'a': /* APPEND */
      return op_add (m, FALSE, 1);
    case 'e':  /* APPENDS */
    case 0x90: /* ADDITEMS */
      return op_add (m, FALSE, 0);
    case 's': /* SETITEM */
      return op_add (m, TRUE, 2);
    case 'u': /* SETITEMS */
      return op_add (m, TRUE, 0);
    case 'c': /* GLOBAL */
      return op_global (m);
    case 0x93: /* STACK_GLOBAL */
      return op_stack_global (m);
    case 'R':  /* REDUCE */
    case 0x81: /* NEWOBJ */
      return op_call (m, FALSE);
    case 0x92: /* NEWOBJ_EX */
      return op_call (m, TRUE);
    case 'b': /* BUILD */
      return op_build (m);
    case 'Q': /* BINPERSID */
      return op_persistent (m);
    case 0x94: /* MEMOIZE */
      return op_put (m, m->memo->len);
    default:
      return step_number (m, op);
  }
}

NevaPickle *
neva_pickle_read (const guint8 *data, gsize length, const char *name,
    gsize *used, GError **error)
{
  g_autoptr (NevaPickle) pickle = g_new0 (NevaPickle, 1);
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  g_autoptr (GPtrArray) memo = g_ptr_array_new ();
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (gsize));
  Machine m = {.pickle = pickle,
      .data = data,
      .length = length,
      .name = name,
      .stack = stack,
      .memo = memo,
      .marks = marks,
      .error = error};

  pickle->values = g_ptr_array_new_with_free_func (value_free);
  pickle->strings = g_ptr_array_new_with_free_func (g_free);

  while (m.at < length) {
    const guint8 op = data[m.at++];

    if (op == '.') { /* STOP */
      if (marks->len || stack->len != 1) {
        fail (&m, "ends with %u values", stack->len);
        return NULL;
      }
      pickle->root = g_ptr_array_index (stack, 0);
      if (used)
        *used = m.at;
      return g_steal_pointer (&pickle);
    }
    if (!step (&m, op))
      return NULL;
  }
  fail (&m, "truncated");
  return NULL;
}
