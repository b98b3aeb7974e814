/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check-reference [--device DEVICE] [--ranks TPxPP] DIR|FILE…
 *
 * Compares the engine with what the original libraries computed. DIR is a model
 * folder with expected.safetensors, expected.json and (Hugging Face)
 * tokenizer_vectors.json beside the model, or beside model.nemo, or beside
 * projector.nemo and base_llm.nemo; FILE is preprocessing.safetensors,
 * frame_choice.json or sampling.json. --ranks: the model is shared by TP x PP
 * ranks, threads of this process or the processes that mpirun started; where it
 * does not divide, that must be the error. One line per stage; exit status 1 on
 * any mismatch, or when an argument held nothing to check.
 * tests/make_reference.py makes more folders.
 */
#include "config.h"
#include <math.h>
#include <neva/parallel.h>
#include <stdio.h>
#include <string.h>
#include "checkpoint/json_file.h"
#include "stages.h"

void
report_error (Report *r, const char *stage, double error, double bound)
{
  const gboolean ok = error <= bound;

  r->judged++;
  r->failed += !ok;
  printf ("%-34s %-16s error %9.3g  bound %9.3g  %s\n", r->where, stage, error,
      bound, ok ? "ok" : "FAIL");
}

void
report_equal (Report *r, const char *stage, gsize equal, gsize total)
{
  const gboolean ok = equal == total && total > 0;

  r->judged++;
  r->failed += !ok;
  printf ("%-34s %-16s %zu of %zu equal  %s\n", r->where, stage, equal, total,
      ok ? "ok" : "FAIL");
}

void
report_failure (Report *r, const char *stage, const char *what)
{
  r->judged++;
  r->failed++;
  printf ("%-34s %-16s %s  FAIL\n", r->where, stage, what);
}

const void *
stored (Report *r, const NevaSafetensors *st, const char *name,
    const char *dtype, gsize *n_elements)
{
  const NevaTensorView *view = neva_safetensors_find (st, name);

  if (!view || !g_str_equal (view->dtype, dtype)) {
    report_failure (r, name, view ? "stored type is wrong" : "not stored");
    return NULL;
  }
  *n_elements = view->n_elements;
  return view->data;
}

double
largest_difference (const float *a, const float *b, gsize n)
{
  double max = 0;

  for (gsize i = 0; i < n; i++) {
    const double d = fabs ((double) a[i] - b[i]);

    if (!(d <= max))
      max = d;
    if (isnan (d))
      return d;
  }
  return max;
}

double
largest (const float *b, gsize n)
{
  double max = 0;

  for (gsize i = 0; i < n; i++)
    max = fmax (max, fabs (b[i]));
  return max;
}

JsonNode *
read_json (Report *r, const char *folder, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!json_parser_load_from_file (parser, path, &error)) {
    report_failure (r, name, error->message);
    return NULL;
  }
  return json_node_ref (json_parser_get_root (parser));
}

/* "2x1" */
static gboolean
parse_ranks (const char *text, guint *tp, guint *pp)
{
  int end = 0;

  return sscanf (text, "%ux%u%n", tp, pp, &end) == 2 && !text[end] && *tp &&
         *pp;
}

static void
check_argument (Report *r, const char *path)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_autofree char *expected =
        g_build_filename (path, "expected.safetensors", NULL);

    if (g_file_test (expected, G_FILE_TEST_EXISTS)) {
      g_autofree char *vectors =
          g_build_filename (path, "tokenizer_vectors.json", NULL);

      if (g_file_test (vectors, G_FILE_TEST_EXISTS))
        check_text (r, path);
      check_model (r, path);
    }
  } else if (g_str_has_suffix (path, "preprocessing.safetensors")) {
    check_preprocessing_file (r, path);
  } else if (g_str_has_suffix (path, "sampling.json")) {
    check_sampling_file (r, path);
  } else if (g_str_has_suffix (path, "frame_choice.json")) {
    check_frame_choice_file (r, path);
  }
}

static int
check_all (char **paths, int n, const char *device, guint tp, guint pp)
{
  guint judged = 0, failed = 0;

  for (int i = 0; i < n; i++) {
    g_autofree char *where = g_path_get_basename (paths[i]);
    Report r = {.where = where, .device = device, .tp = tp, .pp = pp};

    check_argument (&r, paths[i]);
    if (r.judged == 0)
      report_failure (&r, "-", "nothing to check here");
    judged += r.judged;
    failed += r.failed;
  }
  printf ("%u stages, %u failed\n", judged, failed);
  return failed || !judged ? 1 : 0;
}

int
main (int argc, char **argv)
{
  guint tp = 1, pp = 1;
  const char *device = NULL;
  int first = 1, code = 1;
  g_autoptr (GError) error = NULL;
  NevaParallel parallel;

  setvbuf (stdout, NULL, _IOLBF, 0);
  if (argc > 2 && g_str_equal (argv[1], "--device")) {
    device = argv[2];
    first = 3;
  }
  if (argc > first + 1 && g_str_equal (argv[first], "--ranks"))
    first = parse_ranks (argv[first + 1], &tp, &pp) ? first + 2 : argc;
  if (argc <= first) {
    fprintf (stderr, "usage: check-reference [--device DEVICE] "
                     "[--ranks TPxPP] DIR|FILE...\n");
    return 2;
  }
  if (!neva_parallel_start (tp, pp, &parallel, &error))
    fprintf (stderr, "check-reference: %s\n", error->message);
  else if (parallel.leads)
    code = check_all (argv + first, argc - first, device, tp, pp);
  else
    code = neva_parallel_serve (&error) ? 0 : 1;
  neva_parallel_stop (TRUE, code);
  return code;
}
