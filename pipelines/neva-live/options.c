/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gio/gio.h>
#include <string.h>
#include "options.h"
#include "common/duration.h"

#define MIN_TOKEN 8
#define MAX_TOKEN 256

/* What the options are before they are checked. */
typedef struct {
  char *window, *overlap, *timeout, *latency, *token_file;
  char **sources;
  gint port;
  gboolean version;
} Raw;

static gboolean complain (const char *format, ...) G_GNUC_PRINTF (1, 2);

static gboolean
complain (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("neva-live: %s\n", text);
  return FALSE;
}

/* ---- Sources ------------------------------------------------------------ */

static gboolean
has_name (const GPtrArray *sources, const char *name)
{
  for (guint i = 0; i < sources->len; i++)
    if (g_str_equal (((Source *) sources->pdata[i])->name, name))
      return TRUE;
  return FALSE;
}

static void
make_unique (const GPtrArray *sources, Source *source)
{
  g_autofree char *name = g_strdup (source->name);

  for (guint n = 2; has_name (sources, source->name); n++) {
    g_free (source->name);
    source->name = g_strdup_printf ("%s %u", name, n);
  }
}

static gboolean
check_sources (Options *o, const Raw *raw, ExitCode *code)
{
  for (guint i = 0; raw->sources && raw->sources[i]; i++) {
    g_autoptr (GError) error = NULL;
    Source *source;

    if (i >= MAX_STREAMS)
      return complain ("at most %d streams", MAX_STREAMS);
    source = source_new (raw->sources[i], &error);
    if (!source) {
      *code = EXIT_INPUT;
      return complain ("%s", error->message);
    }
    make_unique (o->sources, source);
    g_ptr_array_add (o->sources, source);
  }
  return o->sources->len > 0 ||
         complain ("no camera or video named; see --help");
}

/* ---- The page ----------------------------------------------------------- */

static gboolean
read_token (Options *o, const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  if (!path)
    return TRUE;
  if (o->token)
    return complain ("one of --token and --token-file");
  if (!g_file_get_contents (path, &text, &length, &error))
    return complain ("--token-file: %s", error->message);
  text[strcspn (text, "\r\n")] = '\0';
  o->token = g_strdup (text);
  return TRUE;
}

/* It goes into URLs, headers and cookies as it is. */
static gboolean
check_token (const char *token)
{
  const gsize length = strlen (token);

  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (token[i]) && !strchr ("-._~", token[i]))
      return complain ("a token is of letters, digits, '-', '.', '_', '~'");
  return (length >= MIN_TOKEN && length <= MAX_TOKEN) ||
         complain ("a token has %d to %d characters", MIN_TOKEN, MAX_TOKEN);
}

/* Whoever opens the page to others gets a token without asking. */
static gboolean
check_page (Options *o, const Raw *raw)
{
  g_autoptr (GInetAddress) address = NULL;

  if (!o->listen)
    o->listen = g_strdup ("127.0.0.1");
  address = g_inet_address_new_from_string (o->listen);
  if (!address)
    return complain ("--listen %s: an address such as 127.0.0.1, 0.0.0.0 or :: "
                     "is expected",
        o->listen);
  if (raw->port > G_MAXUINT16 || raw->port < -1)
    return complain ("--http %d: no such port", raw->port);
  o->http = raw->port >= 0;
  o->port = (guint16) MAX (raw->port, 0);
  if (!read_token (o, raw->token_file))
    return FALSE;
  if (o->http && !o->token && !g_inet_address_get_is_loopback (address)) {
    g_autofree char *uuid = g_uuid_string_random ();

    o->token = g_strdup (uuid);
  }
  return !o->token || check_token (o->token);
}

static gboolean
check_numbers (const Options *o)
{
  if (o->window < 100 * GST_MSECOND)
    return complain ("--window must be 0.1 s at least");
  if (o->overlap >= o->window)
    return complain ("--overlap must be less than --window");
  if (o->max_pending < 1 || o->max_pending > 64)
    return complain ("--max-pending must be 1 to 64");
  if (o->timeout < GST_SECOND)
    return complain ("--timeout must be 1 s at least");
  if (!(o->alert_threshold > 0 && o->alert_threshold <= 1))
    return complain ("--alert-threshold must be above 0 and at most 1");
  if (o->picture_width < 16 || o->picture_width > 4096)
    return complain ("--picture-width must be 16 to 4096");
  if (!(o->picture_rate >= 0.1 && o->picture_rate <= 60))
    return complain ("--picture-rate must be 0.1 to 60");
  if (o->alerts && g_strv_length (o->alerts) > MAX_ALERTS)
    return complain ("at most %d alerts", MAX_ALERTS);
  return TRUE;
}

static gboolean
check (Options *o, const Raw *raw, ExitCode *code)
{
  return duration_option ("window", raw->window, &o->window) &&
         duration_option ("overlap", raw->overlap, &o->overlap) &&
         duration_option ("timeout", raw->timeout, &o->timeout) &&
         duration_option ("latency", raw->latency, &o->latency) &&
         check_numbers (o) && check_page (o, raw) &&
         check_sources (o, raw, code);
}

/* ---- The command line --------------------------------------------------- */

static const char description[] =
    "A URI is a file, which is played as fast as it was filmed; a device such\n"
    "as /dev/video0; rtsp://, http:// and whatever else GStreamer reads; or\n"
    "test://PATTERN?width=W&height=H&framerate=F&frames=N, a picture that "
    "moves.\n"
    "\"NAME=URI\" gives it a name. Cameras that are lost are tried again.\n"
    "\n"
    "Without --http the program ends when every file has ended; with it the\n"
    "page stays until Ctrl-C.\n"
    "\n"
    "The model is -m, else NEVA_MODEL, else the demo model. All streams share\n"
    "it.\n"
    "\n"
    "Exit status:\n"
    "  0  every stream has come to its end\n"
    "  1  something failed that is none of these\n"
    "  2  the command line makes no sense\n"
    "  3  a video cannot be read, or a plugin for it is missing\n"
    "  4  the model cannot be loaded or refused the question\n"
    "  5  the page cannot be served there, or captions cannot be written\n"
    "  130  ended by Ctrl-C\n";

static void
add_entries (Options *o, Raw *raw, GOptionContext *context)
{
  const GOptionEntry entries[] = {
      {"http", 0, 0, G_OPTION_ARG_INT, &raw->port,
          "Serve a page on this port (0: any that is free)", "PORT"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &o->listen,
          "Address of the page (default 127.0.0.1; 0.0.0.0 or ::: every one)",
          "ADDRESS"},
      {"token", 0, 0, G_OPTION_ARG_STRING, &o->token,
          "What viewers must know (default: none on this machine's own "
          "address, elsewhere a fresh one)",
          "TOKEN"},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &raw->token_file,
          "The token is the first line of this file", "FILE"},
      {"picture-width", 0, 0, G_OPTION_ARG_INT, &o->picture_width,
          "Pictures on the page are at most so wide (default 640)", "PIXELS"},
      {"picture-rate", 0, 0, G_OPTION_ARG_DOUBLE, &o->picture_rate,
          "Pictures a second on the page (default 10)", "N"},
      {"prompt", 'p', 0, G_OPTION_ARG_STRING, &o->prompt,
          "Question about each window (default: the model's own)", "TEXT"},
      {"alert", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &o->alerts,
          "A yes/no question that raises an alert (again: another one)",
          "QUESTION"},
      {"alert-threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o->alert_threshold,
          "Probability of yes that raises it (default 0.5)", "P"},
      {"window", 'w', 0, G_OPTION_ARG_STRING, &raw->window,
          "Length of a window (default 4s)", "TIME"},
      {"overlap", 0, 0, G_OPTION_ARG_STRING, &raw->overlap,
          "How much of a window the next one covers again", "TIME"},
      {"num-frames", 'n', 0, G_OPTION_ARG_INT, &o->num_frames,
          "Frames of a window that the model sees (default 8)", "N"},
      {"mode", 0, 0, G_OPTION_ARG_STRING, &o->mode,
          "Which frames: uniform, first, middle, last", "MODE"},
      {"max-pending", 0, 0, G_OPTION_ARG_INT, &o->max_pending,
          "Windows of a stream that may wait for the model (default 1: the "
          "newest)",
          "N"},
      {"loop", 0, 0, G_OPTION_ARG_NONE, &o->loop, "Play files again and again",
          NULL},
      {"timeout", 0, 0, G_OPTION_ARG_STRING, &raw->timeout,
          "A camera without a picture for so long is lost (default 10s)",
          "TIME"},
      {"latency", 0, 0, G_OPTION_ARG_STRING, &raw->latency,
          "Buffer of rtsp:// cameras (default 200ms)", "TIME"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet,
          "Nothing on the terminal but errors and the page's address", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Print the version",
          NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->sources,
          NULL, "URI…"},
      {NULL}};

  g_option_context_add_main_entries (context, entries, NULL);
}

static GOptionContext *
make_context (Options *o, Raw *raw)
{
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_set_summary (context,
      "Captions cameras and videos as they run, on a terminal and on a page.");
  g_option_context_set_description (context, description);
  add_entries (o, raw, context);
  model_options_add (&o->model, context);
  answer_options_add (&o->answer, context);
  g_option_context_add_group (context, gst_init_get_option_group ());
  return context;
}

static void
raw_clear (Raw *raw)
{
  g_free (raw->window);
  g_free (raw->overlap);
  g_free (raw->timeout);
  g_free (raw->latency);
  g_free (raw->token_file);
  g_strfreev (raw->sources);
}

gboolean
options_parse (Options *o, int argc, char **argv, ExitCode *code)
{
  Raw raw = {.port = -1};
  g_autoptr (GOptionContext) context = NULL;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  *o = (Options){
      .sources = g_ptr_array_new_with_free_func ((GDestroyNotify) source_free),
      .num_frames = -1,
      .max_pending = 1,
      .alert_threshold = 0.5,
      .window = 4 * GST_SECOND,
      .timeout = 10 * GST_SECOND,
      .latency = 200 * GST_MSECOND,
      .picture_width = 640,
      .picture_rate = 10};
  model_options_init (&o->model);
  answer_options_init (&o->answer);
  context = make_context (o, &raw);
  *code = EXIT_USAGE;
  ok = g_option_context_parse (context, &argc, &argv, &error);
  if (!ok) {
    complain ("%s", error->message);
  } else if (raw.version) {
    g_print ("neva-live " NEVA_VERSION "\n");
    *code = EXIT_DONE;
    ok = FALSE;
  } else {
    ok = check (o, &raw, code) && model_options_check (&o->model);
  }
  if (ok && !model_options_find (&o->model)) {
    *code = EXIT_MODEL;
    ok = FALSE;
  }
  raw_clear (&raw);
  return ok;
}

void
options_clear (Options *o)
{
  g_ptr_array_unref (o->sources);
  model_options_clear (&o->model);
  answer_options_clear (&o->answer);
  g_free (o->prompt);
  g_strfreev (o->alerts);
  g_free (o->mode);
  g_free (o->listen);
  g_free (o->token);
}
