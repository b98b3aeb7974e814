/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "weights_private.h"

#include <math.h>
#include <string.h>

typedef struct {
  float *data;
  gsize bytes;
} Vector;

/* By what a prefix is known; the first prefix whose probe exists is taken. */
static const struct {
  NevaPart part;
  const char *prefix, *probe;
} spellings[] = {
    {NEVA_PART_TOWER, "vision_tower.vision_model.",
        "embeddings.patch_embedding.weight"},
    {NEVA_PART_TOWER, "vision_tower.", "embeddings.patch_embedding.weight"},
    {NEVA_PART_TOWER, "model.vision_tower.vision_model.",
        "embeddings.patch_embedding.weight"},
    {NEVA_PART_TOWER, "model.vision_tower.",
        "embeddings.patch_embedding.weight"},
    {NEVA_PART_PROJECTOR, "multi_modal_projector.", "linear_1.weight"},
    {NEVA_PART_PROJECTOR, "multi_modal_projector.", "linear_1.qweight"},
    {NEVA_PART_PROJECTOR, "model.multi_modal_projector.", "linear_1.weight"},
    {NEVA_PART_PROJECTOR, "model.multi_modal_projector.", "linear_1.qweight"},
    {NEVA_PART_TEXT, "language_model.model.", "embed_tokens.weight"},
    {NEVA_PART_TEXT, "model.language_model.", "embed_tokens.weight"},
};

static const char *const head_names[] = {
    "language_model.lm_head.weight", "lm_head.weight"};

static void
find_spelling (NevaWeightStore *s)
{
  for (gsize i = G_N_ELEMENTS (spellings); i-- > 0;) {
    g_autofree char *name =
        g_strconcat (spellings[i].prefix, spellings[i].probe, NULL);

    /* the default, so that messages name something */
    if (!s->prefix[spellings[i].part] ||
        neva_tensor_source_peek (s->source, name))
      s->prefix[spellings[i].part] = spellings[i].prefix;
  }
}

NevaWeightStore *
neva_weights_new (NevaTensorSource *source, NevaWeights mode,
    NevaBackend *backend, NevaProgressFunc progress, gpointer user_data,
    GCancellable *cancellable)
{
  NevaWeightStore *s = g_new0 (NevaWeightStore, 1);

  s->backend = backend;
  s->source = source;
  s->mode = mode;
  s->matrices = g_array_new (FALSE, FALSE, sizeof (NevaMatrix));
  s->vectors = g_array_new (FALSE, FALSE, sizeof (Vector));
  s->parts = g_ptr_array_new_with_free_func (g_free);
  s->ranks = 1;
  s->text_type = NEVA_DTYPE_F32;
  s->progress = progress;
  s->user_data = user_data;
  s->cancellable = cancellable;
  s->total = neva_tensor_source_bytes (source);
  find_spelling (s);
  return s;
}

void
neva_weights_set_rank (NevaWeightStore *s, guint rank, guint ranks)
{
  s->rank = rank;
  s->ranks = ranks;
}

void
neva_weights_set_codes (
    NevaWeightStore *s, NevaAwqLayout layout, gboolean int8, gboolean fp8)
{
  s->awq = layout;
  s->int8 = int8;
  s->fp8 = fp8;
}

void
neva_weights_set_watch (
    NevaWeightStore *s, NevaWatchFunc watch, gpointer user_data)
{
  s->watch = watch;
  s->watch_data = user_data;
}

void
neva_weights_free (NevaWeightStore *s)
{
  if (!s)
    return;
  for (guint i = 0; i < s->matrices->len; i++)
    neva_backend_matrix_clear (
        s->backend, &g_array_index (s->matrices, NevaMatrix, i));
  for (guint i = 0; i < s->vectors->len; i++) {
    Vector *v = &g_array_index (s->vectors, Vector, i);

    neva_backend_release (s->backend, v->data, v->bytes);
  }
  g_array_unref (s->matrices);
  g_array_unref (s->vectors);
  g_ptr_array_unref (s->parts);
  neva_tensor_source_free (s->source);
  g_clear_error (&s->fault);
  g_free (s);
}

void
neva_weights_step (NevaWeightStore *s, const NevaTensorView *view)
{
  s->done += view->bytes;
  if (s->progress && s->total)
    s->progress (MIN (1.0, (double) s->done / (double) s->total), s->user_data);
  if (!s->fault)
    neva_tensor_source_check (s->source, FALSE, &s->fault);
  if (!s->fault && s->cancellable &&
      g_cancellable_is_cancelled (s->cancellable))
    s->fault =
        g_error_new (NEVA_ERROR, NEVA_ERROR_CANCELLED, "loading was cancelled");
}

static char *
shape_text (const NevaTensorView *view)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < view->n_dims; i++)
    g_string_append_printf (
        text, "%s%" G_GSIZE_FORMAT, i ? "×" : "", view->shape[i]);
  return g_strdup (view->n_dims ? text->str : "a single number");
}

static gboolean
float_type (const NevaTensorView *view, NevaDType *type)
{
  if (g_str_equal (view->dtype, "F32"))
    *type = NEVA_DTYPE_F32;
  else if (g_str_equal (view->dtype, "BF16"))
    *type = NEVA_DTYPE_BF16;
  else if (g_str_equal (view->dtype, "F16"))
    *type = NEVA_DTYPE_F16;
  else
    return FALSE;
  return TRUE;
}

/* The tensor, of shape [n] (k = 0) or [n, …] with n * k elements, of a type
 * that is understood; else the fault. */
static const NevaTensorView *
lookup (NevaWeightStore *s, const char *name, gsize n, gsize k, NevaDType *type)
{
  const NevaTensorView *view = neva_tensor_source_find (s->source, name);
  g_autofree char *found = NULL, *wanted = NULL;
  gsize count = n;

  if (s->fault)
    return NULL;
  if (!view) {
    s->fault = g_error_new (
        NEVA_ERROR, NEVA_ERROR_BAD_FILE, "tensor '%s' is missing", name);
    return NULL;
  }
  if (!float_type (view, type)) {
    s->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "tensor '%s': F32, BF16 or F16 expected, %s found (file %s)", name,
        view->dtype, neva_tensor_source_file (s->source, view));
    return NULL;
  }
  if ((k && __builtin_mul_overflow (n, k, &count)) ||
      view->n_elements != count || view->n_dims < (k ? 2u : 1u) ||
      view->shape[0] != n || (!k && view->n_dims != 1)) {
    found = shape_text (view);
    wanted = k ? g_strdup_printf ("%" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT, n, k)
               : g_strdup_printf ("%" G_GSIZE_FORMAT, n);
    s->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "tensor '%s': %s expected, %s found (file %s)", name, wanted, found,
        neva_tensor_source_file (s->source, view));
    return NULL;
  }
  return view;
}

static NevaDType
target_type (const NevaWeightStore *s, NevaRole role, NevaDType stored)
{
  const NevaDType half =
      stored == NEVA_DTYPE_F32 ? NEVA_DTYPE_F32 : NEVA_DTYPE_BF16;

  if (role == NEVA_ROLE_TABLE)
    return stored;
  switch (s->mode) {
    case NEVA_WEIGHTS_AUTO:
      return half;
    case NEVA_WEIGHTS_F32:
      return NEVA_DTYPE_F32;
    case NEVA_WEIGHTS_BF16:
      return NEVA_DTYPE_BF16;
    case NEVA_WEIGHTS_INT8:
      return role == NEVA_ROLE_PATCHES || role == NEVA_ROLE_ROUTER
                 ? NEVA_DTYPE_BF16
                 : NEVA_DTYPE_I8;
    case NEVA_WEIGHTS_INT4:
      return role == NEVA_ROLE_PATCHES  ? NEVA_DTYPE_BF16
             : role == NEVA_ROLE_VISION ? NEVA_DTYPE_I8
                                        : NEVA_DTYPE_I4;
  }
  return half;
}

static gsize
element_bytes (NevaDType type)
{
  return type == NEVA_DTYPE_F32 ? 4 : 2;
}

/* This rank's part [n, k] of a tensor whose rows are `width` long, copied
 * together; NULL with fault. */
static guint8 *
copy_part (NevaWeightStore *s, const NevaTensorView *view, gsize first,
    gsize width, NevaDType type, gsize n, gsize k)
{
  const gsize size = element_bytes (type);
  const guint8 *from = (const guint8 *) view->data + first * size;
  guint8 *copy = g_try_malloc_n (n, k * size);

  if (!copy) {
    s->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_DEVICE,
        "tensor '%s': no memory for a part of it", view->name);
    return NULL;
  }
  for (gsize r = 0; r < n; r++)
    memcpy (copy + r * k * size, from + r * width * size, k * size);
  return copy;
}

void
neva_weights_keep (
    NevaWeightStore *s, const NevaMatrix *m, NevaRole role, gsize bytes)
{
  const gboolean coded =
      s->text_type == NEVA_DTYPE_I4 || s->text_type == NEVA_DTYPE_E4M3 ||
      (s->text_type == NEVA_DTYPE_I8 && m->w.type != NEVA_DTYPE_I4);

  if (role == NEVA_ROLE_TEXT && !coded)
    s->text_type = m->w.type;
  g_array_append_val (s->matrices, *m);
  s->bytes += m->owned ? m->owned : bytes;
}

/* Rows of a mapped file are used where they lie. Columns are copied, and rows
 * of what has to be put together, so that the rest of it need not stay. */
static void
load_matrix (NevaWeightStore *s, NevaMatrix *m, NevaRole role, NevaSplit split,
    gsize n, gsize k, const char *name)
{
  const gsize down = split == NEVA_SPLIT_ROWS ? s->ranks : 1;
  const gsize across = split == NEVA_SPLIT_COLUMNS ? s->ranks : 1;
  const gsize first = down > 1 ? s->rank * n * k : across > 1 ? s->rank * k : 0;
  NevaDType stored;
  const NevaTensorView *view;
  g_autofree guint8 *copy = NULL;
  gboolean copies;

  if (!s->fault && neva_weights_load_codes (s, m, role, split, n, k, name))
    return;
  if (!(view = lookup (s, name, n * down, k * across, &stored)))
    return;
  copies = across > 1 || (down > 1 && view->assembly);
  if (copies && !(copy = copy_part (s, view, first, k * across, stored, n, k)))
    return;
  if (!neva_backend_matrix_init (s->backend, m, target_type (s, role, stored),
          copy ? copy
               : (const guint8 *) view->data + first * element_bytes (stored),
          stored, n, k, &s->fault)) {
    g_prefix_error (&s->fault, "tensor '%s' (file %s): ", name,
        neva_tensor_source_file (s->source, view));
    return;
  }
  if (copy && !m->owned)
    g_ptr_array_add (s->parts, g_steal_pointer (&copy));
  neva_weights_keep (s, m, role, n * k * element_bytes (stored));
  neva_weights_step (s, view);
  if (m->owned || copies)
    neva_tensor_source_release (s->source, view); /* the view goes, too */
}

static G_GNUC_PRINTF (8, 0) void load_named (NevaWeightStore *s, NevaMatrix *m,
    NevaRole role, NevaSplit split, gsize n, gsize k, NevaPart part,
    const char *format, va_list args)
{
  g_autofree char *tail = g_strdup_vprintf (format, args);
  g_autofree char *name = g_strconcat (s->prefix[part], tail, NULL);

  load_matrix (s, m, role, split, n, k, name);
  if (s->watch)
    s->watch (part, tail, m, s->watch_data);
}

void
neva_weights_matrix_part (NevaWeightStore *s, NevaMatrix *m, NevaRole role,
    NevaSplit split, gsize n, gsize k, NevaPart part, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  load_named (s, m, role, split, n, k, part, format, args);
  va_end (args);
}

void
neva_weights_matrix (NevaWeightStore *s, NevaMatrix *m, NevaRole role, gsize n,
    gsize k, NevaPart part, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  load_named (s, m, role, NEVA_SPLIT_NONE, n, k, part, format, args);
  va_end (args);
}

void
neva_weights_head (
    NevaWeightStore *s, NevaMatrix *m, gsize vocab, gsize hidden, gboolean tied)
{
  g_autofree char *table =
      g_strconcat (s->prefix[NEVA_PART_TEXT], "embed_tokens.weight", NULL);
  const char *name = head_names[0];

  for (gsize i = 0; i < G_N_ELEMENTS (head_names); i++) {
    if (neva_tensor_source_peek (s->source, head_names[i]))
      name = head_names[i];
  }
  /* A checkpoint that stores it means it, whatever the config says. */
  if (tied && !neva_tensor_source_peek (s->source, name))
    name = table;
  load_matrix (s, m, NEVA_ROLE_TEXT, NEVA_SPLIT_ROWS, vocab, hidden, name);
}

/* Element-wise, without the kernel table: vectors are small. */
static float
element (const void *data, NevaDType type, gsize i)
{
  guint16 h;
  float f;

  if (type == NEVA_DTYPE_F32) {
    memcpy (&f, (const guint8 *) data + i * 4, 4);
    return f;
  }
  memcpy (&h, (const guint8 *) data + i * 2, 2);
  if (type == NEVA_DTYPE_BF16)
    return neva_bf16_to_f32 (h);
  f = (h & 0x7c00) == 0x7c00 ? INFINITY
      : (h & 0x7c00)
          ? ldexpf ((float) ((h & 0x3ff) | 0x400), (h >> 10 & 31) - 25)
          : ldexpf ((float) (h & 0x3ff), -24);
  return h & 0x8000 ? -f : f;
}

static float *
load_vector (NevaWeightStore *s, NevaSplit split, gsize n, float offset,
    const char *name)
{
  const gboolean part = split != NEVA_SPLIT_NONE;
  const gsize first = part ? s->rank * n : 0;
  NevaDType stored;
  const NevaTensorView *view =
      lookup (s, name, part ? n * s->ranks : n, 0, &stored);
  g_autofree float *host = NULL;
  Vector v = {NULL, n * sizeof (float)};

  if (!view)
    return NULL;
  host = g_new (float, n);
  for (gsize i = 0; i < n; i++) {
    host[i] = element (view->data, stored, first + i) + offset;
    if (!isfinite (host[i])) {
      s->fault = g_error_new (NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "tensor '%s' (file %s): holds a NaN or an infinity", name,
          neva_tensor_source_file (s->source, view));
      return NULL;
    }
  }
  if (!(v.data = neva_backend_alloc (s->backend, v.bytes, &s->fault)))
    return NULL;
  neva_backend_upload (s->backend, v.data, host, v.bytes);
  g_array_append_val (s->vectors, v);
  s->bytes += v.bytes;
  neva_weights_step (s, view);
  return v.data;
}

float *
neva_weights_vector (NevaWeightStore *s, gboolean wanted, gsize n, float offset,
    NevaPart part, const char *format, ...)
{
  g_autofree char *tail = NULL, *name = NULL;
  va_list args;

  if (!wanted || s->fault)
    return NULL;
  va_start (args, format);
  tail = g_strdup_vprintf (format, args);
  va_end (args);
  name = g_strconcat (s->prefix[part], tail, NULL);
  return load_vector (s, NEVA_SPLIT_NONE, n, offset, name);
}

float *
neva_weights_vector_part (NevaWeightStore *s, gboolean wanted, gsize n,
    NevaPart part, const char *format, ...)
{
  g_autofree char *tail = NULL, *name = NULL;
  va_list args;

  if (!wanted || s->fault)
    return NULL;
  va_start (args, format);
  tail = g_strdup_vprintf (format, args);
  va_end (args);
  name = g_strconcat (s->prefix[part], tail, NULL);
  return load_vector (s, NEVA_SPLIT_ROWS, n, 0, name);
}

gboolean
neva_weights_finish (NevaWeightStore *s, GError **error)
{
  s->progress = NULL;
  s->cancellable = NULL;
  /* What else is wrong may only be wrong because of this. */
  neva_tensor_source_check (s->source, TRUE, &s->fault);
  if (!s->fault)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&s->fault));
  return FALSE;
}

gboolean
neva_weights_check (NevaWeightStore *s, GError **error)
{
  return neva_tensor_source_check (s->source, FALSE, error);
}

guint64
neva_weights_bytes (const NevaWeightStore *s)
{
  return s->bytes;
}

const char *
neva_weights_name (const NevaWeightStore *s)
{
  switch (s->text_type) {
    case NEVA_DTYPE_F32:
      return "f32";
    case NEVA_DTYPE_BF16:
    case NEVA_DTYPE_F16:
      return "bf16";
    case NEVA_DTYPE_I8:
      return "int8";
    case NEVA_DTYPE_I4:
      return "int4";
    case NEVA_DTYPE_E4M3:
      return "fp8";
  }
  return "";
}

NevaDType
neva_weights_kv_type (const NevaWeightStore *s)
{
  return s->text_type == NEVA_DTYPE_F32 ? NEVA_DTYPE_F32 : NEVA_DTYPE_BF16;
}
