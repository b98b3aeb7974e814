/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <neva/error.h>
#include <stdio.h>
#include <string.h>
#include "common/console.h"
#include "format.h"
#include "journal.h"
#include "output.h"

/* What a job writes. */
typedef struct {
  GString *text;
  gsize written; /* bytes of it */
  gboolean ended, well;
} Part;

/* Jobs that are written to one place, one after the other. */
typedef struct {
  char *path;    /* NULL: standard output */
  char *partial; /* of a folder: the name until it is finished; else NULL */
  GArray *jobs;  /* guint */
  guint next;    /* the first one that has not ended */
  gboolean bad;  /* a job of it failed */
  FILE *file;    /* NULL: nothing to write yet, or no more */
} Stream;

struct _Output {
  const Options *options;
  GCancellable *cancellable;
  GMutex lock; /* all below */
  Part *parts; /* [jobs] */
  GPtrArray *streams;
  Stream **stream_of; /* [jobs]; borrowed */
  char *journal_path; /* NULL: none */
  FILE *journal;
  GError *error;
};

/* ---- Writing ------------------------------------------------------------ */

static gboolean
failed (Output *o, const char *path)
{
  if (!o->error)
    g_set_error (&o->error, G_FILE_ERROR,
        (gint) g_file_error_from_errno (errno), "%s: %s",
        path ? path : "standard output", g_strerror (errno));
  g_cancellable_cancel (o->cancellable);
  return FALSE;
}

static const char *
name_of (const Stream *s)
{
  return s->partial ? s->partial : s->path;
}

static gboolean
put (Output *o, Stream *s, const char *text, gsize length)
{
  return (fwrite (text, 1, length, s->file) == length &&
             fflush (s->file) == 0) ||
         failed (o, name_of (s));
}

static gboolean
open_stream (Output *o, Stream *s)
{
  const char *header = format_header (o->options->format);

  if (s->file)
    return TRUE;
  s->file = s->path ? g_fopen (name_of (s), "we") : stdout;
  return s->file ? put (o, s, header, strlen (header))
                 : failed (o, name_of (s));
}

/* A full disk may show only now. */
static gboolean
close_stream (Output *o, Stream *s)
{
  FILE *file = g_steal_pointer (&s->file);

  if (!file || (file == stdout ? fflush (file) : fclose (file)) == 0)
    return TRUE;
  return failed (o, name_of (s));
}

static void
write_part (Output *o, Stream *s, Part *part)
{
  const gsize length = part->text->len - part->written;

  if (o->error || length == 0 || !open_stream (o, s))
    return;
  if (put (o, s, part->text->str + part->written, length))
    part->written = part->text->len;
}

static Part *
part_of (Output *o, const Stream *s, guint i)
{
  return &o->parts[g_array_index (s->jobs, guint, i)];
}

/* A video of a folder is finished: also one without a word. */
static void
finish_file (Output *o, Stream *s)
{
  if (!s->partial || s->bad || o->error)
    return;
  if (open_stream (o, s) && close_stream (o, s) &&
      g_rename (s->partial, s->path) != 0)
    failed (o, s->path);
}

/* Everything that has no forerunner to wait for any more. */
static void
advance (Output *o, Stream *s)
{
  if (s->next >= s->jobs->len)
    return;
  do {
    Part *part = part_of (o, s, s->next);

    write_part (o, s, part);
    if (!part->ended)
      return;
    g_string_truncate (part->text, 0);
    part->written = 0;
  } while (++s->next < s->jobs->len);
  finish_file (o, s);
}

void
output_add (Output *o, guint job, const char *text)
{
  g_mutex_lock (&o->lock);
  g_string_append (o->parts[job].text, text);
  advance (o, o->stream_of[job]);
  g_mutex_unlock (&o->lock);
}

void
output_end (Output *o, guint job, gboolean well)
{
  Part *part = &o->parts[job];
  Stream *s = o->stream_of[job];

  g_mutex_lock (&o->lock);
  if (!part->ended) {
    part->ended = TRUE;
    part->well = well;
    s->bad |= !well;
    if (o->journal && well && !o->error &&
        !journal_add (
            o->journal, job, o->options->jobs->pdata[job], part->text->str))
      failed (o, o->journal_path);
    advance (o, s);
  }
  g_mutex_unlock (&o->lock);
}

/* ---- Beginning ---------------------------------------------------------- */

static Stream *
add_stream (Output *o, char *path)
{
  Stream *s = g_new0 (Stream, 1);

  s->path = path;
  s->jobs = g_array_new (FALSE, FALSE, sizeof (guint));
  g_ptr_array_add (o->streams, s);
  return s;
}

static void
add_to (Output *o, Stream *s, guint job)
{
  o->stream_of[job] = s;
  g_array_append_val (s->jobs, job);
}

static void
stream_free (gpointer data)
{
  Stream *s = data;

  if (s->file && s->file != stdout)
    fclose (s->file);
  g_array_unref (s->jobs);
  g_free (s->path);
  g_free (s->partial);
  g_free (s);
}

static void
output_free (Output *o)
{
  g_ptr_array_unref (o->streams);
  for (guint i = 0; i < o->options->jobs->len; i++)
    g_string_free (o->parts[i].text, TRUE);
  if (o->journal)
    fclose (o->journal);
  g_clear_error (&o->error);
  g_object_unref (o->cancellable);
  g_mutex_clear (&o->lock);
  g_free (o->journal_path);
  g_free (o->stream_of);
  g_free (o->parts);
  g_free (o);
}

/* (transfer full) */
static char *
path_in_folder (const Options *options, const char *file)
{
  g_autofree char *base = g_path_get_basename (file);
  g_autofree char *name = NULL;
  char *dot = strrchr (base, '.');

  if (dot && dot != base)
    *dot = '\0';
  name = g_strdup_printf ("%s.%s", base, format_suffix (options->format));
  return g_build_filename (options->output, name, NULL);
}

/* A stream for each video. */
static gboolean
open_folder (Output *o, gboolean *done, GError **error)
{
  const GPtrArray *jobs = o->options->jobs;
  g_autoptr (GHashTable) of_file = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) of_path = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < jobs->len; i++) {
    const Job *job = jobs->pdata[i];
    Stream *s = g_hash_table_lookup (of_file, job->file);

    if (!s) {
      s = add_stream (o, path_in_folder (o->options, job->file));
      s->partial = g_strconcat (s->path, ".partial", NULL);
      g_hash_table_insert (of_file, job->file, s);
      if (!g_hash_table_add (of_path, s->path)) {
        g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
            "two videos would be written to %s", s->path);
        return FALSE;
      }
      if (!o->options->resume) /* nothing of an older run may look like this */
        g_unlink (s->path);
      g_unlink (s->partial);
    }
    add_to (o, s, i);
    done[i] = g_file_test (s->path, G_FILE_TEST_EXISTS);
    if (done[i]) {
      o->parts[i].ended = o->parts[i].well = TRUE;
      s->next++;
    }
  }
  return TRUE;
}

/* The file with all of what is finished that can be in it. */
static gboolean
rewrite (Output *o, Stream *s, GError **error)
{
  g_autoptr (GString) text = g_string_new (format_header (o->options->format));

  for (; s->next < s->jobs->len && part_of (o, s, s->next)->ended; s->next++) {
    Part *part = part_of (o, s, s->next);

    g_string_append (text, part->text->str);
    g_string_truncate (part->text, 0);
  }
  if (!g_file_set_contents (s->path, text->str, (gssize) text->len, error))
    return FALSE;
  s->file = g_fopen (s->path, "ae");
  if (s->file)
    return TRUE;
  failed (o, s->path);
  g_propagate_error (error, g_steal_pointer (&o->error));
  return FALSE;
}

static gboolean
take_over (Output *o, Stream *s, gboolean *done, GError **error)
{
  const guint n = o->options->jobs->len;
  g_autofree char **texts = g_new0 (char *, n + 1);

  o->journal = journal_resume (o->journal_path, o->options, texts, error);
  for (guint i = 0; i < n; i++) {
    if (!texts[i])
      continue;
    g_string_assign (o->parts[i].text, texts[i]);
    o->parts[i].ended = o->parts[i].well = done[i] = TRUE;
    g_free (texts[i]);
  }
  return o->journal && rewrite (o, s, error);
}

/* One stream of all jobs. */
static gboolean
open_one (Output *o, gboolean *done, GError **error)
{
  const Options *options = o->options;
  Stream *s = add_stream (o, g_strdup (options->output));
  const gboolean there = s->path && g_file_test (s->path, G_FILE_TEST_EXISTS);
  const gboolean regular =
      s->path && (!there || g_file_test (s->path, G_FILE_TEST_IS_REGULAR));

  for (guint i = 0; i < options->jobs->len; i++)
    add_to (o, s, i);
  if (regular)
    o->journal_path = g_strconcat (s->path, ".partial", NULL);
  if (regular && options->resume &&
      g_file_test (o->journal_path, G_FILE_TEST_EXISTS))
    return take_over (o, s, done, error);
  if (there && options->resume) {
    console_complain ("%s is complete", s->path);
    g_clear_pointer (&o->journal_path, g_free);
    for (guint i = 0; i < options->jobs->len; i++)
      o->parts[i].ended = o->parts[i].well = done[i] = TRUE;
    s->next = s->jobs->len;
    return TRUE;
  }
  if (regular && !(o->journal = journal_new (o->journal_path, options, error)))
    return FALSE;
  if (open_stream (o, s))
    return TRUE;
  if (o->journal)
    g_unlink (o->journal_path);
  g_propagate_error (error, g_steal_pointer (&o->error));
  return FALSE;
}

Output *
output_new (const Options *options, gboolean *done, GCancellable *cancellable,
    GError **error)
{
  const guint n = options->jobs->len;
  Output *o = g_new0 (Output, 1);

  o->options = options;
  o->cancellable = g_object_ref (cancellable);
  g_mutex_init (&o->lock);
  o->parts = g_new0 (Part, n + 1);
  o->stream_of = g_new0 (Stream *, n + 1);
  o->streams = g_ptr_array_new_with_free_func (stream_free);
  for (guint i = 0; i < n; i++)
    o->parts[i].text = g_string_new (NULL);
  if (options->output && g_file_test (options->output, G_FILE_TEST_IS_DIR)
          ? open_folder (o, done, error)
          : open_one (o, done, error))
    return o;
  output_free (o);
  return NULL;
}

/* ---- End ---------------------------------------------------------------- */

gboolean
output_close (Output *o, GError **error)
{
  gboolean complete = TRUE;
  gboolean ok;

  for (guint k = 0; k < o->streams->len; k++) {
    Stream *s = o->streams->pdata[k];

    for (guint i = s->next; i < s->jobs->len; i++)
      write_part (o, s, part_of (o, s, i));
    if (!o->error)
      close_stream (o, s);
  }
  for (guint i = 0; i < o->options->jobs->len; i++)
    complete &= o->parts[i].well;
  ok = !o->error;
  if (ok && complete && o->journal_path)
    g_unlink (o->journal_path);
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&o->error));
  output_free (o);
  return ok;
}
