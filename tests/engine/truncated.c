/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model's file is shortened under the process that has it mapped: while it is
 * read, while it answers, and in its last page, where the kernel says nothing.
 * Each is an error that names the file; other SIGBUS handlers of the process go
 * on to work. */
#include "config.h"
#include <glib/gstdio.h>
#include <neva/neva.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "checkpoint/bundle.h"
#include "checkpoint/fault_guard.h"
#include "checkpoint/safetensors.h"

#define PAGE ((gsize) sysconf (_SC_PAGESIZE))
#define TRUNCATED "model.safetensors: was truncated while in use"

static char *folder, *weights; /* a copy that may be damaged */

static void
copy_model (void)
{
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *from = g_build_filename (source ? source : ".", "tests",
      "data", "reference", "siglip-qwen2-tied", NULL);
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  g_assert (dir);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *a = g_build_filename (from, name, NULL);
    g_autofree char *b = g_build_filename (folder, name, NULL);
    g_autofree char *bytes = NULL;
    gsize length;

    g_assert (g_file_get_contents (a, &bytes, &length, NULL) &&
              g_file_set_contents (b, bytes, (gssize) length, NULL));
  }
}

static void
shorten (double fraction, gpointer path)
{
  (void) fraction;
  CHECK (truncate (path, 8) == 0, "truncate");
}

static void
test_while_loading (void)
{
  g_autoptr (GError) error = NULL;
  NevaModel *model;

  copy_model ();
  model = neva_model_open (folder, NULL, shorten, weights, NULL, &error);
  CHECK (!model, "loaded");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, TRUNCATED);
}

/* The bytes that are lost are in a page of which the file keeps some. */
static void
shorten_a_little (double fraction, gpointer path)
{
  GStatBuf st;

  (void) fraction;
  if (g_stat (path, &st) == 0 && st.st_size % 2 == 0)
    CHECK (truncate (path, st.st_size - 1) == 0, "truncate");
}

static void
test_last_page (void)
{
  g_autoptr (GError) error = NULL;
  NevaModel *model;

  copy_model ();
  model =
      neva_model_open (folder, NULL, shorten_a_little, weights, NULL, &error);
  CHECK (!model, "loaded");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, TRUNCATED);
}

static NevaRequest *
ask (NevaModel *model, NevaPartialFunc partial, GError **error)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  question.conv_template = "none";
  question.prompt = "a b c d";
  question.max_tokens = 64;
  question.sampling.min_tokens = 64;
  return neva_model_ask (
      model, &question, partial, NULL, NULL, NULL, NULL, error);
}

static void
shorten_at_token (NevaRequest *request, const char *text, gpointer user_data)
{
  (void) request, (void) text, (void) user_data;
  if (truncate (weights, 8) != 0)
    g_error ("truncate");
}

/* f32 weights of a bf16 or f16 file are copies, but its table is used in place.
 * What the damaged model has become does not reach who opens it afresh. */
static void
test_while_answering (void)
{
  g_autoptr (GError) error = NULL;
  NevaModel *model, *again;
  NevaRequest *request;

  copy_model ();
  model = neva_model_open (folder, NULL, NULL, NULL, NULL, &error);
  CHECK (model != NULL, "%s", error ? error->message : "");
  request = ask (model, shorten_at_token, &error);
  CHECK (!neva_request_wait (request, NULL, &error), "answered");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, TRUNCATED);
  neva_request_unref (request);
  request = ask (model, NULL, &error);
  CHECK (!neva_request_wait (request, NULL, &error), "answered again");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, TRUNCATED);
  neva_request_unref (request);

  copy_model ();
  again = neva_model_open (folder, NULL, NULL, NULL, NULL, &error);
  CHECK (again && again != model, "%s", error ? error->message : "shared");
  request = ask (again, NULL, &error);
  CHECK (neva_request_wait (request, NULL, &error), "%s", error->message);
  neva_request_unref (request);
  neva_model_unref (again);
  neva_model_unref (model);
}

/* A .nemo file, read through the same maps. */
static void
test_bundle (void)
{
  g_autofree char *path = g_build_filename (folder, "x.bin", NULL);
  g_autofree char *bytes = g_malloc0 (3 * PAGE);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaBundle) bundle = NULL;
  GBytes *found;

  memset (bytes, 7, 3 * PAGE);
  g_file_set_contents (path, bytes, 3 * (gssize) PAGE, NULL);
  bundle = neva_bundle_open (folder, &error);
  found = neva_bundle_find (bundle, "x.bin");
  CHECK (neva_bundle_check (bundle, &error), "whole");
  CHECK (truncate (path, (off_t) PAGE) == 0, "truncate");
  CHECK (((const char *) g_bytes_get_data (found, NULL))[2 * PAGE] == 0,
      "zeros instead of a signal");
  CHECK (!neva_bundle_check (bundle, &error), "noticed");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "x.bin: was truncated while in use");
  g_unlink (path);
}

/* ---- Handlers of others -------------------------------------------------- */

static volatile sig_atomic_t theirs;

static void
their_handler (int number)
{
  (void) number;
  theirs++;
}

/* Of a page that nobody guards, behind the end of its file. */
static const volatile char *
broken_page (void)
{
  g_autofree char *path = g_build_filename (folder, "other", NULL);
  const char byte = 1;
  FILE *f;
  void *page;

  g_file_set_contents (path, &byte, 1, NULL);
  f = fopen (path, "r");
  page = mmap (NULL, PAGE, PROT_READ, MAP_PRIVATE, fileno (f), 0);
  fclose (f);
  CHECK (page != MAP_FAILED && truncate (path, 0) == 0, "a page");
  g_unlink (path);
  return page;
}

static void
test_other_handlers (void)
{
  struct sigaction now, before;
  const struct sigaction ours = {.sa_handler = their_handler};
  NevaSafetensors *st;

  copy_model ();
  sigaction (SIGBUS, &ours, &before);
  st = neva_safetensors_open (weights, NULL);
  sigaction (SIGBUS, NULL, &now);
  CHECK (st && now.sa_handler != their_handler, "guarded");
  raise (SIGBUS);
  CHECK (theirs == 1, "passed on %d times", (int) theirs);
  neva_safetensors_free (st);
  sigaction (SIGBUS, NULL, &now);
  CHECK (now.sa_handler == their_handler, "put back");

  /* somebody takes our place while we are there, and keeps it */
  st = neva_safetensors_open (weights, NULL);
  sigaction (SIGBUS, &ours, NULL);
  neva_safetensors_free (st);
  sigaction (SIGBUS, NULL, &now);
  CHECK (now.sa_handler == their_handler, "left alone");
  sigaction (SIGBUS, &before, NULL);
}

/* How a child ends that `what` is done to while a file is guarded. */
static int
end_of_child (void (*what) (void))
{
  int status = 0;
  pid_t child = fork ();

  if (child == 0) {
    const struct sigaction none = {.sa_handler = SIG_DFL};

    sigaction (SIGBUS, &none, NULL);
    neva_safetensors_open (weights, NULL);
    what ();
    _exit (0);
  }
  waitpid (child, &status, 0);
  return WIFSIGNALED (status) ? WTERMSIG (status) : 0;
}

static void
touch_broken_page (void)
{
  (void) *broken_page ();
}

static void
send_signal (void)
{
  raise (SIGBUS);
}

int
main (void)
{
  folder = g_dir_make_tmp ("neva-truncated-XXXXXX", NULL);
  weights = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree char *clean = g_strdup_printf ("rm -r '%s'", folder);

  copy_model ();
  CHECK (end_of_child (touch_broken_page) == SIGBUS, "a fault of another");
  CHECK (end_of_child (send_signal) == SIGBUS, "a signal that was sent");
  test_other_handlers ();
  test_while_loading ();
  test_last_page ();
  test_while_answering ();
  test_bundle ();
  CHECK (neva_fault_guard_count () == 3, "%u", neva_fault_guard_count ());
  g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL);
  g_free (folder);
  g_free (weights);
  return check_finish ();
}
