/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include "output.h"

typedef enum { ROW_PENDING, ROW_DONE, ROW_SKIPPED } RowState;

typedef struct {
  gsize index;
  char *row; /* NULL: none will come */
} Item;

struct _Output {
  OutputFunc send; /* instead of all the rest */
  gpointer send_data;
  char *path, *partial_path;
  gboolean standard; /* output */
  gboolean array;
  gsize length;
  const gsize *place; /* [length] */
  GCancellable *cancellable;
  GAsyncQueue *queue; /* Item; one without a place ends the thread */
  GThread *thread;
  gint count; /* atomic */

  /* The thread's, and before and after it the caller's */
  RowState *state; /* [length] by place */
  char **rows;     /* [length] by place; NULL once they are written */
  gsize next;      /* the first place that is not decided */
  FILE *file, *partial;
  GError *error;
};

/* ---- Writing ------------------------------------------------------------ */

static gboolean
failed (Output *o, const char *path)
{
  if (!o->error)
    g_set_error (&o->error, G_FILE_ERROR,
        (gint) g_file_error_from_errno (errno), "%s: %s", path,
        g_strerror (errno));
  g_cancellable_cancel (o->cancellable);
  return FALSE;
}

static gboolean
write_line (Output *o, FILE *file, const char *path, const char *row)
{
  if (o->error)
    return FALSE;
  if (fputs (row, file) == EOF || fputc ('\n', file) == EOF ||
      fflush (file) == EOF)
    return failed (o, path);
  return TRUE;
}

static gboolean
open_partial (Output *o)
{
  if (!o->partial && !o->error &&
      !(o->partial = g_fopen (o->partial_path, "ab")))
    return failed (o, o->partial_path);
  return o->partial != NULL;
}

/* Everything that has no forerunner to wait for any more. */
static void
advance (Output *o)
{
  for (; o->next < o->length && o->state[o->next] != ROW_PENDING; o->next++) {
    if (o->array || o->state[o->next] == ROW_SKIPPED)
      continue;
    if (write_line (o, o->file, o->path, o->rows[o->next]))
      g_clear_pointer (&o->rows[o->next], g_free);
  }
}

static void
take (Output *o, const Item *item)
{
  const gsize place = o->place[item->index];
  const gboolean waits = place != o->next || o->array;

  o->rows[place] = item->row;
  o->state[place] = item->row ? ROW_DONE : ROW_SKIPPED;
  if (item->row && waits && !o->standard && open_partial (o))
    write_line (o, o->partial, o->partial_path, item->row);
  advance (o);
}

static gpointer
run (gpointer data)
{
  Output *o = data;
  gboolean going = TRUE;

  while (going) {
    Item *item = g_async_queue_pop (o->queue);

    going = item->index < o->length;
    if (going)
      take (o, item);
    g_free (item);
  }
  return NULL;
}

static void
queue (Output *o, gsize index, char *row)
{
  Item *item;

  if (o->send) {
    o->send (index, row, o->send_data);
    return;
  }
  item = g_new (Item, 1);
  *item = (Item){index, row};
  g_async_queue_push (o->queue, item);
}

void
output_add (Output *o, gsize index, char *row)
{
  g_atomic_int_inc (&o->count);
  queue (o, index, row);
}

void
output_skip (Output *o, gsize index)
{
  queue (o, index, NULL);
}

guint
output_count (Output *o)
{
  return (guint) g_atomic_int_get (&o->count);
}

/* ---- Resuming ----------------------------------------------------------- */

typedef struct {
  Output *output;
  const NevaPromptFile *file;
  const char *model_id;
  gboolean *done;   /* by record */
  GHashTable *seen; /* rows, borrowed: what is in both files counts once */
} Resume;

static gboolean
adopt (Resume *r, const char *path, GError **error)
{
  Output *o = r->output;
  GPtrArray *rows;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  if (!(rows = neva_prompt_rows_read (path, error)))
    return FALSE;
  for (guint i = 0; i < rows->len; i++) {
    const char *row = rows->pdata[i];
    gsize index, place;

    if (g_hash_table_contains (r->seen, row))
      continue;
    if (!neva_prompt_file_match (
            r->file, row, r->model_id, r->done, &index, error)) {
      g_prefix_error (error, "%s: row %u: ", path, i + 1);
      g_ptr_array_unref (rows);
      return FALSE;
    }
    place = o->place[index];
    r->done[index] = TRUE;
    o->state[place] = ROW_DONE;
    o->rows[place] = g_strdup (row);
    o->count++;
    g_hash_table_add (r->seen, o->rows[place]);
  }
  g_ptr_array_unref (rows);
  return TRUE;
}

/* The rows that cannot be in the output yet, in a file that replaces the old
 * one at once. */
static gboolean
rewrite (Output *o, GError **error)
{
  g_autoptr (GPtrArray) prefix = g_ptr_array_new ();
  g_autoptr (GPtrArray) waiting = g_ptr_array_new ();
  g_autofree char *first = NULL, *second = NULL;
  gboolean gap = o->array;

  for (gsize place = 0; place < o->length; place++) {
    gap |= o->state[place] == ROW_PENDING;
    if (o->state[place] == ROW_DONE)
      g_ptr_array_add (gap ? waiting : prefix, o->rows[place]);
  }
  first = neva_prompt_rows_join (
      (const char *const *) prefix->pdata, prefix->len, FALSE);
  second = neva_prompt_rows_join (
      (const char *const *) waiting->pdata, waiting->len, FALSE);
  if (waiting->len > 0 &&
      !g_file_set_contents (o->partial_path, second, -1, error))
    return FALSE;
  if (!o->array && !g_file_set_contents (o->path, first, -1, error))
    return FALSE;
  for (o->next = 0; o->next < prefix->len; o->next++)
    g_clear_pointer (&o->rows[o->next], g_free);
  return TRUE;
}

static gboolean
take_over (Output *o, const NevaPromptFile *file, const char *model_id,
    gboolean *done, GError **error)
{
  Resume r = {.output = o, .file = file, .model_id = model_id, .done = done};
  gboolean ok;

  r.seen = g_hash_table_new (g_str_hash, g_str_equal);
  ok = adopt (&r, o->path, error) && adopt (&r, o->partial_path, error) &&
       rewrite (o, error);
  g_hash_table_unref (r.seen);
  return ok;
}

/* ---- Beginning and end -------------------------------------------------- */

static void
output_free (Output *o)
{
  if (o->file && o->file != stdout)
    fclose (o->file);
  if (o->partial)
    fclose (o->partial);
  for (gsize i = 0; i < o->length; i++)
    g_free (o->rows[i]);
  g_async_queue_unref (o->queue);
  g_object_unref (o->cancellable);
  g_free (o->rows);
  g_free (o->state);
  g_free (o->path);
  g_free (o->partial_path);
  g_clear_error (&o->error);
  g_free (o);
}

static gboolean
open_file (Output *o, gboolean resume, GError **error)
{
  if (o->standard) {
    o->file = stdout;
    return TRUE;
  }
  if (!resume) { /* nothing of an older run may look like one of this */
    g_unlink (o->partial_path);
    g_unlink (o->path);
  }
  if (o->array ? open_partial (o)
               : (o->file = g_fopen (o->path, "ab")) || failed (o, o->path))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&o->error));
  return FALSE;
}

Output *
output_new (const char *path, const NevaPromptFile *file, const char *model_id,
    const gsize *place, gboolean resume, gboolean *done,
    GCancellable *cancellable, GError **error)
{
  Output *o = g_new0 (Output, 1);

  o->path = g_strdup (path);
  o->partial_path = g_strconcat (path, ".partial", NULL);
  o->standard = !strcmp (path, "-");
  o->array = g_str_has_suffix (path, ".json");
  o->length = neva_prompt_file_length (file);
  o->place = place;
  o->cancellable = g_object_ref (cancellable);
  o->queue = g_async_queue_new ();
  o->state = g_new0 (RowState, o->length + 1);
  o->rows = g_new0 (char *, o->length + 1);
  if ((resume && !take_over (o, file, model_id, done, error)) ||
      !open_file (o, resume, error)) {
    output_free (o);
    return NULL;
  }
  o->thread = g_thread_new ("neva-rows", run, o);
  return o;
}

Output *
output_new_elsewhere (OutputFunc send, gpointer data)
{
  Output *o = g_new0 (Output, 1);

  o->send = send;
  o->send_data = data;
  return o;
}

/* The rows that were waiting, in order. */
static void
write_rest (Output *o)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new ();
  g_autofree char *text = NULL;

  for (gsize place = 0; place < o->length; place++) {
    if (!o->rows[place])
      continue;
    g_ptr_array_add (rows, o->rows[place]);
    if (!o->array)
      write_line (o, o->file, o->path, o->rows[place]);
  }
  if (o->array && !o->error) {
    text = neva_prompt_rows_join (
        (const char *const *) rows->pdata, rows->len, TRUE);
    g_file_set_contents (o->path, text, -1, &o->error);
  }
}

gboolean
output_close (Output *o, GError **error)
{
  gboolean ok;

  if (o->send) {
    g_free (o);
    return TRUE;
  }
  queue (o, G_MAXSIZE, NULL);
  g_thread_join (o->thread);
  if (!o->error)
    write_rest (o);
  if (!o->error && o->file && o->file != stdout &&
      fclose (g_steal_pointer (&o->file)))
    failed (o, o->path);
  ok = !o->error;
  if (ok && !o->standard)
    g_unlink (o->partial_path);
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&o->error));
  output_free (o);
  return ok;
}
