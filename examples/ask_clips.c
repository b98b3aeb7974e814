/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many questions about many clips, each clip encoded once:
 *   ask-clips MODEL < LINES
 * A line is FILE, WIDTH, HEIGHT, QUESTION with tabs between. FILE holds the
 * frames of a clip one after the other, 3 bytes per pixel, rows from the top;
 * lines about one clip stand together. For each line, FILE, QUESTION, the log
 * probability of the answer and the answer are printed, again with tabs. */
#include <neva/neva.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
  char *file;        /* the clip whose frames these are */
  GPtrArray *frames; /* of NevaEmbedding */
} Clip;

static gboolean
load_clip (Clip *clip, NevaModel *model, char **field, GError **error)
{
  const guint64 width = g_ascii_strtoull (field[1], NULL, 10);
  const guint64 height = g_ascii_strtoull (field[2], NULL, 10);
  g_autofree char *rgb = NULL;
  gsize bytes, per_frame;

  if (!g_file_get_contents (field[0], &rgb, &bytes, error))
    return FALSE;
  if (width == 0 || height == 0 || width > 16384 || height > 16384 ||
      bytes == 0 || bytes % (width * height * 3) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: not frames of %s×%s", field[0], field[1], field[2]);
    return FALSE;
  }
  per_frame = (gsize) (width * height * 3);
  g_ptr_array_set_size (clip->frames, 0);
  for (gsize at = 0; at < bytes; at += per_frame) {
    NevaFrame frame = {.format = NEVA_PIXEL_RGB,
        .width = (guint) width,
        .height = (guint) height,
        .plane = {(const guint8 *) rgb + at},
        .stride = {(gint) width * 3},
        .pts_ns = -1};
    g_autoptr (GCancellable) wait = g_cancellable_new ();
    NevaEmbedding *seen = neva_model_encode (model, &frame, wait, error);

    if (!seen)
      return FALSE;
    g_ptr_array_add (clip->frames, seen);
  }
  g_free (clip->file);
  clip->file = g_strdup (field[0]);
  return TRUE;
}

static gboolean
ask (const Clip *clip, NevaModel *model, const char *prompt, GError **error)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (NevaRequest) request = NULL;
  const NevaAnswer *answer;
  char logprob[G_ASCII_DTOSTR_BUF_SIZE];

  question.frames = (NevaEmbedding *const *) clip->frames->pdata;
  question.n_frames = clip->frames->len;
  question.prompt = prompt;
  if (!(request = neva_model_ask (
            model, &question, NULL, NULL, NULL, NULL, NULL, error)) ||
      !(answer = neva_request_wait (request, NULL, error)))
    return FALSE;
  printf ("%s\t%s\t%s\t%s\n", clip->file, prompt,
      g_ascii_formatd (logprob, sizeof logprob, "%.6f",
          answer->mean_logprob * answer->generated_tokens),
      answer->text);
  return fflush (stdout) == 0;
}

static gboolean
answer_lines (NevaModel *model, Clip *clip, GError **error)
{
  g_autoptr (GIOChannel) in = g_io_channel_unix_new (STDIN_FILENO);
  g_autofree char *line = NULL;
  gsize end;
  GIOStatus status;

  while ((status = g_io_channel_read_line (in, &line, NULL, &end, error)) ==
         G_IO_STATUS_NORMAL) {
    g_auto (GStrv) field = NULL;

    line[end] = '\0';
    field = g_strsplit (line, "\t", 4);
    if (g_strv_length (field) != 4) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "%s: not FILE, WIDTH, HEIGHT, QUESTION", line);
      return FALSE;
    }
    if ((g_strcmp0 (clip->file, field[0]) != 0 &&
            !load_clip (clip, model, field, error)) ||
        !ask (clip, model, field[3], error))
      return FALSE;
    g_clear_pointer (&line, g_free);
  }
  return status == G_IO_STATUS_EOF;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model = NULL;
  Clip clip = {0};
  gboolean ok;

  if (argc != 2) {
    fprintf (stderr, "usage: %s MODEL < LINES\n", argv[0]);
    return EXIT_FAILURE;
  }
  clip.frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  model = neva_model_open (argv[1], NULL, NULL, NULL, NULL, &error);
  ok = model && answer_lines (model, &clip, &error);
  g_ptr_array_unref (clip.frames);
  g_free (clip.file);
  if (!ok) {
    fprintf (stderr, "%s\n", error ? error->message : "cannot write");
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
