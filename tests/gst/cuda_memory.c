/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Video in a GPU's memory, as GStreamer's own cudaupload makes it, on the
 * emulation's driver: what a model says of it equals what it says of the same
 * video in the host's memory, and nothing is copied that need not be. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/cuda/gstcudautils.h>
#include <stdio.h>
#include <string.h>

#define SOON (100 * GST_SECOND)
#define MODEL "/tests/data/reference/clip-llama3-bf16-shards"

/* What a pipeline came to. Counts are the model's, which a pipeline just before
 * may have used, too. */
typedef struct {
  GString *captions; /* texts, and the sums of their tokens' probabilities */
  guint n_captions, n_warnings;
  GError *error;
  guint64 gpu_frames, uploaded, copied, downloaded;
} Outcome;

static void
clear (Outcome *o)
{
  g_string_free (o->captions, TRUE);
  g_clear_error (&o->error);
}

static guint64
number (const GstStructure *s, const char *name)
{
  guint64 n = G_MAXUINT64;

  fail_unless (gst_structure_get_uint64 (s, name, &n), "no %s", name);
  return n;
}

static void
read_stats (GstElement *pipeline, Outcome *o)
{
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "e");
  const GstStructure *model;
  GstStructure *stats;

  g_object_get (encoder, "stats", &stats, NULL);
  model = gst_value_get_structure (gst_structure_get_value (stats, "model"));
  o->gpu_frames = number (model, "gpu-frames");
  o->uploaded = number (model, "frame-bytes-uploaded");
  o->copied = number (model, "gpu-bytes-copied");
  o->downloaded = number (stats, "frames-downloaded");
  gst_structure_free (stats);
  gst_object_unref (encoder);
}

static void
read_caption (const GstStructure *s, Outcome *o)
{
  double logprob = 0;

  gst_structure_get_double (s, "mean-logprob", &logprob);
  g_string_append_printf (
      o->captions, "%s %a\n", gst_structure_get_string (s, "text"), logprob);
  o->n_captions++;
}

/* To the end, or to an error. */
static void
follow (GstElement *pipeline, Outcome *o)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  gboolean more = TRUE;

  while (more) {
    GstMessage *m = gst_bus_timed_pop_filtered (bus, SOON,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING |
            GST_MESSAGE_ELEMENT);

    fail_unless (m != NULL, "the end did not come");
    if (gst_message_has_name (m, "neva-caption"))
      read_caption (gst_message_get_structure (m), o);
    o->n_warnings += GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING;
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR && !o->error)
      gst_message_parse_error (m, &o->error, NULL);
    more = !(GST_MESSAGE_TYPE (m) & (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    gst_message_unref (m);
  }
  gst_object_unref (bus);
}

static GstElement *
launch (const char *source, const char *upload, const char *sampler,
    const char *encoder)
{
  g_autofree char *line = g_strdup_printf (
      "%s ! %s ! nevaframesampler num-frames=2 %s ! nevaencoder name=e %s ! "
      "nevallm max-tokens=4 ! fakesink name=sink sync=false",
      source, upload, sampler, encoder);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  fail_unless (error == NULL, "%s: %s", line, error ? error->message : "");
  return pipeline;
}

#define GPU "video/x-raw(memory:CUDAMemory)"

static char *
on_device (const char *device)
{
  return g_strdup_printf ("model=%s" MODEL " weights=f32 device=%s",
      g_getenv ("NEVA_SOURCE"), device);
}

/* context: (transfer full): the application's, or NULL. */
static Outcome
run (const char *source, const char *upload, const char *sampler,
    const char *encoder, GstContext *context)
{
  GstElement *pipeline = launch (source, upload, sampler, encoder);
  Outcome o = {.captions = g_string_new (NULL)};

  if (context) {
    gst_element_set_context (pipeline, context);
    gst_context_unref (context);
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  follow (pipeline, &o);
  read_stats (pipeline, &o);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return o;
}

static char *
source (const char *format, guint width, guint height)
{
  return g_strdup_printf (
      "videotestsrc num-buffers=3 pattern=smpte75 ! "
      "video/x-raw,format=%s,width=%u,height=%u,framerate=10/1",
      format, width, height);
}

static void
expect_well (const Outcome *o, guint captions)
{
  fail_unless (o->error == NULL, "%s", o->error ? o->error->message : "");
  fail_unless_equals_int (o->n_captions, captions);
}

/* Of two frames: read where they lay. */
static void
expect_untouched (const Outcome *o)
{
  fail_unless_equals_uint64 (o->gpu_frames, 2);
  fail_unless_equals_uint64 (o->uploaded, 0);
  fail_unless_equals_uint64 (o->copied, 0);
  fail_unless_equals_uint64 (o->downloaded, 0);
}

/* The engine's context reaches cudaupload through the sampler. */
GST_START_TEST (test_equals_the_host)
{
  static const char *const formats[] = {
      "NV12", "I420", "YV12", "P010_10LE", "RGB", "BGRA"};
  g_autofree char *encoder = on_device ("cuda");
  g_autofree char *line = source (formats[__i__], 75, 53);
  Outcome gpu = run (line, "cudaupload ! " GPU, "", encoder, NULL);
  Outcome host = run (line, "identity", "", encoder, NULL);

  expect_well (&host, 1);
  expect_well (&gpu, 1);
  fail_unless_equals_string (gpu.captions->str, host.captions->str);
  expect_untouched (&gpu);
  fail_unless (host.uploaded > 0);
  clear (&host);
  clear (&gpu);
}
GST_END_TEST;

GST_START_TEST (test_auto)
{
  g_autofree char *encoder = on_device ("auto");
  g_autofree char *line = source ("NV12", 64, 48);
  Outcome gpu = run (line, "cudaupload ! " GPU, "", encoder, NULL);

  expect_well (&gpu, 1);
  expect_untouched (&gpu);
  clear (&gpu);
}
GST_END_TEST;

static GstContext *
application_context (guint gpu)
{
  GstCudaContext *context;
  GstContext *c;

  fail_unless (gst_cuda_load_library (), "no driver");
  context = gst_cuda_context_new (gpu);
  fail_unless (context != NULL);
  c = gst_context_new_cuda_context (context);
  gst_object_unref (context);
  return c;
}

/* Memory of a context that is not the engine's is copied, on the GPU. */
GST_START_TEST (test_application_context)
{
  g_autofree char *encoder = on_device ("cuda");
  g_autofree char *line = source ("NV12", 75, 53);
  Outcome gpu =
      run (line, "cudaupload ! " GPU, "", encoder, application_context (0));
  Outcome host = run (line, "identity", "", encoder, NULL);

  expect_well (&host, 1);
  expect_well (&gpu, 1);
  fail_unless_equals_string (gpu.captions->str, host.captions->str);
  fail_unless_equals_uint64 (gpu.gpu_frames, 2);
  fail_unless_equals_uint64 (gpu.uploaded, 0);
  fail_unless (gpu.copied >= 2 * (75 * 53 + 76 * 27));
  clear (&host);
  clear (&gpu);
}
GST_END_TEST;

GST_START_TEST (test_gpu_of_the_encoder)
{
  g_autofree char *encoder = on_device ("cuda:1");
  g_autofree char *line = source ("NV12", 64, 48);
  Outcome gpu = run (line, "cudaupload ! " GPU, "", encoder, NULL);

  expect_well (&gpu, 1);
  expect_untouched (&gpu);
  clear (&gpu);
}
GST_END_TEST;

GST_START_TEST (test_another_gpu)
{
  g_autofree char *encoder = on_device ("cuda:0");
  g_autofree char *line = source ("NV12", 64, 48);
  Outcome o =
      run (line, "cudaupload cuda-device-id=1 ! " GPU, "", encoder, NULL);

  fail_unless (o.error != NULL);
  fail_unless (strstr (o.error->message, "memory of GPU 1") &&
                   strstr (o.error->message, "model on GPU 0"),
      "%s", o.error->message);
  clear (&o);
}
GST_END_TEST;

/* device=cpu: such video is not negotiated, and the host's is. */
GST_START_TEST (test_cpu)
{
  g_autofree char *encoder = on_device ("cpu");
  g_autofree char *line = source ("NV12", 64, 48);
  Outcome free_choice = run (line, "cudaupload", "", encoder, NULL);
  g_autofree char *forced = g_strdup_printf (
      "%s ! cudaupload ! " GPU " ! nevaencoder %s ! fakesink", line, encoder);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (forced, &error);

  fail_unless (error && strstr (error->message, "could not link"), "%s",
      error ? error->message : "it links");
  g_error_free (error);
  gst_object_unref (pipeline);
  expect_well (&free_choice, 1);
  fail_unless_equals_uint64 (free_choice.downloaded, 0);
  clear (&free_choice);
}
GST_END_TEST;

/* A model that is on no GPU, although the device is one: said once. */
GST_START_TEST (test_model_without_gpu)
{
  g_autofree char *line = source ("NV12", 64, 48);
  Outcome o =
      run (line, "cudaupload ! " GPU, "", "model=fake:x device=auto", NULL);

  expect_well (&o, 1);
  fail_unless_equals_uint64 (o.downloaded, 2);
  fail_unless_equals_int (o.n_warnings, 1);
  clear (&o);
}
GST_END_TEST;

/* Other pictures in the middle of a clip; and whoever else holds the frames. */
GST_START_TEST (test_format_changes)
{
  static const char *const lines[] = {
      "concat name=c videotestsrc num-buffers=2 ! video/x-raw,format=NV12,"
      "width=64,height=48,framerate=10/1 ! c. videotestsrc num-buffers=2 ! "
      "video/x-raw,format=RGB,width=39,height=57,framerate=10/1 ! c. c.",
      "videotestsrc num-buffers=4 ! video/x-raw,format=NV12,width=64,height=48,"
      "framerate=10/1"};
  static const char *const uploads[] = {"cudaupload ! " GPU,
      "cudaupload ! " GPU " ! tee name=t t. ! queue ! "
      "fakesink async=false t. ! queue"};
  g_autofree char *encoder = on_device ("cuda");
  Outcome gpu = run (lines[__i__], uploads[__i__], "", encoder, NULL);
  Outcome host = run (lines[__i__], "identity", "", encoder, NULL);

  expect_well (&host, host.n_captions);
  expect_well (&gpu, host.n_captions);
  fail_unless (host.n_captions > 0);
  fail_unless_equals_string (gpu.captions->str, host.captions->str);
  fail_unless (gpu.gpu_frames >= 2 && gpu.uploaded == 0 && gpu.copied == 0);
  clear (&host);
  clear (&gpu);
}
GST_END_TEST;

/* The gate looks at luma, which is downloaded for it. */
GST_START_TEST (test_gate)
{
  g_autofree char *encoder = on_device ("cuda");
  g_autofree char *line = source ("NV12", 64, 48);
  const char *sampler = "gate=scene heartbeat=1 window=200000000";
  Outcome gpu = run (line, "cudaupload ! " GPU, sampler, encoder, NULL);
  Outcome host = run (line, "identity", sampler, encoder, NULL);

  expect_well (&host, host.n_captions);
  expect_well (&gpu, host.n_captions);
  fail_unless (host.n_captions > 0);
  fail_unless_equals_string (gpu.captions->str, host.captions->str);
  fail_unless_equals_uint64 (gpu.uploaded, 0);
  clear (&host);
  clear (&gpu);
}
GST_END_TEST;

/* A flushing seek while frames wait, then all of it. */
GST_START_TEST (test_flush)
{
  g_autofree char *encoder = on_device ("cuda");
  g_autofree char *line = source ("NV12", 64, 48);
  GstElement *pipeline = launch (line, "cudaupload ! " GPU, "", encoder);
  Outcome got = {.captions = g_string_new (NULL)}, want;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_element_get_state (pipeline, NULL, NULL, SOON);
  fail_unless (gst_element_seek_simple (
      pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
  gst_element_get_state (pipeline, NULL, NULL, SOON);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  follow (pipeline, &got);
  read_stats (pipeline, &got);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  want = run (line, "identity", "", encoder, NULL);
  expect_well (&want, 1);
  fail_unless (got.error == NULL);
  fail_unless (g_str_has_suffix (got.captions->str, want.captions->str),
      "'%s' and '%s'", got.captions->str, want.captions->str);
  fail_unless_equals_uint64 (got.uploaded, 0);
  fail_unless (got.gpu_frames >= 2);
  clear (&want);
  clear (&got);
}
GST_END_TEST;

/* The bin lets it through. */
GST_START_TEST (test_caption_bin)
{
  g_autofree char *encoder = on_device ("cuda");
  g_autofree char *text = g_strdup_printf (
      "videotestsrc num-buffers=3 ! video/x-raw,format=NV12,width=64,height=48,"
      "framerate=10/1 ! cudaupload ! " GPU " ! nevacaption num-frames=2 "
      "max-tokens=4 %s ! " GPU " ! cudadownload ! fakesink sync=false",
      encoder);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (text, &error);
  Outcome o = {.captions = g_string_new (NULL)};

  fail_unless (error == NULL, "%s", error ? error->message : "");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  follow (pipeline, &o);
  expect_well (&o, 1);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  clear (&o);
}
GST_END_TEST;

static Suite *
cuda_memory_suite (void)
{
  Suite *suite = suite_create ("cuda-memory");
  TCase *tc = tcase_create ("pipelines");

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (tc, test_equals_the_host, 0, 6);
  tcase_add_test (tc, test_auto);
  tcase_add_test (tc, test_application_context);
  tcase_add_test (tc, test_gpu_of_the_encoder);
  tcase_add_test (tc, test_another_gpu);
  tcase_add_test (tc, test_cpu);
  tcase_add_test (tc, test_model_without_gpu);
  tcase_add_loop_test (tc, test_format_changes, 0, 2);
  tcase_add_test (tc, test_gate);
  tcase_add_test (tc, test_flush);
  tcase_add_test (tc, test_caption_bin);
  return suite;
}

int
main (int argc, char **argv)
{
  GstElementFactory *upload;

  gst_check_init (&argc, &argv);
  upload = gst_element_factory_find ("cudaupload");
  if (!upload) {
    printf ("SKIP: no cudaupload (gstreamer1.0-plugins-bad with nvcodec)\n");
    return 77;
  }
  gst_object_unref (upload);
  return gst_check_run_suite (cuda_memory_suite (), "cuda-memory", __FILE__);
}
