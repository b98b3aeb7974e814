/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include "source.h"

#define MAX_SIDE 8192
#define MAX_RATE 240

static void set_bad (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
set_bad (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (G_IO_ERROR,
                                G_IO_ERROR_INVALID_ARGUMENT, format, args));
  va_end (args);
}

/* ---- Names -------------------------------------------------------------- */

/* "door=rtsp://…": the length of the name, or 0. */
static gsize
name_length (const char *text)
{
  const char *equals = strchr (text, '=');

  if (!equals || g_file_test (text, G_FILE_TEST_EXISTS))
    return 0;
  for (const char *p = text; p < equals; p++)
    if (*p == '/' || *p == ':' || *p == '?' || g_ascii_iscntrl (*p))
      return 0;
  return g_utf8_validate (text, equals - text, NULL) ? (gsize) (equals - text)
                                                     : 0;
}

/* What stands for the source when it was given no name. */
static char *
default_name (const Source *self)
{
  g_autofree char *path = NULL, *base = NULL;
  g_autoptr (GUri) uri = g_uri_parse (self->uri, G_URI_FLAGS_NONE, NULL);
  char *dot;

  if (self->kind == SOURCE_NETWORK && uri && g_uri_get_host (uri))
    return g_strdup (g_uri_get_host (uri));
  if (self->kind == SOURCE_TEST && uri && g_uri_get_host (uri))
    return g_strdup (g_uri_get_host (uri));
  path = uri ? g_strdup (g_uri_get_path (uri)) : g_strdup (self->uri);
  base = g_path_get_basename (path);
  dot = strrchr (base, '.');
  if (self->kind == SOURCE_FILE && dot && dot != base)
    *dot = '\0';
  return g_utf8_make_valid (base, -1);
}

/* A URI without user and password; a file as its path. */
static char *
for_people (const Source *self, const char *given)
{
  g_autoptr (GUri) uri = NULL;

  if (self->kind != SOURCE_NETWORK)
    return g_utf8_make_valid (given, -1);
  uri = g_uri_parse (
      self->uri, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
  return uri ? g_uri_to_string_partial (
                   uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY)
             : g_strdup ("(a source)");
}

/* Longest first: a part of a secret must not hide the whole of it. */
char *
source_conceal (const Source *self, const char *text)
{
  g_autoptr (GUri) uri = g_uri_parse (
      self->uri, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
  g_autoptr (GString) out = g_string_new (text);

  if (self->kind != SOURCE_NETWORK)
    return g_strdup (text);
  g_string_replace (out, self->uri, self->shown, 0);
  if (uri && g_uri_get_userinfo (uri) && *g_uri_get_userinfo (uri))
    g_string_replace (out, g_uri_get_userinfo (uri), "…", 0);
  if (uri && g_uri_get_query (uri) && *g_uri_get_query (uri))
    g_string_replace (out, g_uri_get_query (uri), "…", 0);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

/* ---- Kinds -------------------------------------------------------------- */

static gboolean
is_device (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISCHR (st.st_mode);
}

static gboolean
set_path (Source *self, const char *path, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);

  if (is_device (absolute)) {
    self->kind = SOURCE_CAMERA;
    self->uri = g_strconcat ("v4l2://", absolute, NULL);
    return TRUE;
  }
  if (!g_file_test (absolute, G_FILE_TEST_EXISTS)) {
    set_bad (error, "%s: no such file", path);
    return FALSE;
  }
  self->kind = SOURCE_FILE;
  self->uri = gst_filename_to_uri (absolute, error);
  return self->uri != NULL;
}

static gboolean
set_uri (Source *self, const char *uri, GError **error)
{
  g_autofree char *scheme = g_uri_parse_scheme (uri);
  g_autofree char *path = NULL;

  if (!scheme) {
    set_bad (error, "%s: neither a file nor a URI", uri);
    return FALSE;
  }
  self->uri = g_strdup (uri);
  self->kind = SOURCE_NETWORK;
  if (g_str_equal (scheme, "file")) {
    self->kind = SOURCE_FILE;
    path = g_filename_from_uri (uri, NULL, error);
    if (path && !g_file_test (path, G_FILE_TEST_EXISTS))
      set_bad (error, "%s: no such file", path);
    return path && g_file_test (path, G_FILE_TEST_EXISTS);
  }
  if (g_str_equal (scheme, "test"))
    self->kind = SOURCE_TEST;
  else if (g_str_equal (scheme, "v4l2"))
    self->kind = SOURCE_CAMERA;
  return TRUE;
}

Source *
source_new (const char *text, GError **error)
{
  Source *self = g_new0 (Source, 1);
  const gsize length = name_length (text);
  const char *place = length ? text + length + 1 : text;
  g_autoptr (GstElement) test = NULL;
  gboolean ok;

  if (!*place) {
    set_bad (error, "'%s': no camera or video is named", text);
    source_free (self);
    return NULL;
  }
  ok = strstr (place, "://") ? set_uri (self, place, error)
                             : set_path (self, place, error);
  if (ok && self->kind == SOURCE_TEST) {
    test = source_make_test (self, error);
    ok = test != NULL;
    if (ok)
      gst_object_ref_sink (test);
  }
  if (!ok) {
    source_free (self);
    return NULL;
  }
  self->shown = for_people (self, place);
  self->name = length ? g_strndup (text, length) : default_name (self);
  return self;
}

void
source_free (Source *self)
{
  g_free (self->uri);
  g_free (self->shown);
  g_free (self->name);
  g_free (self);
}

/* ---- Test pictures ------------------------------------------------------ */

typedef struct {
  guint64 width, height, framerate, frames;
} TestSize;

static gboolean
parse_size (const char *query, TestSize *size, GError **error)
{
  const struct {
    const char *name;
    guint64 *value, most;
  } known[] = {{"width", &size->width, MAX_SIDE},
      {"height", &size->height, MAX_SIDE},
      {"framerate", &size->framerate, MAX_RATE},
      {"frames", &size->frames, G_MAXINT}};
  g_auto (GStrv) pairs = g_strsplit (query ? query : "", "&", -1);

  for (guint i = 0; pairs[i] && *pairs[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (pairs[i], "=", 2);
    gsize k = 0;

    while (k < G_N_ELEMENTS (known) && !g_str_equal (pair[0], known[k].name))
      k++;
    if (k == G_N_ELEMENTS (known) || !pair[1] ||
        !g_ascii_string_to_unsigned (
            pair[1], 10, 1, known[k].most, known[k].value, NULL)) {
      set_bad (error,
          "test://: %s: width, height, framerate or frames=N is expected",
          pairs[i]);
      return FALSE;
    }
  }
  return TRUE;
}

/* By its nick, such as ball; a wrong one leaves GStreamer's default. */
static gboolean
set_pattern (GstElement *test, const char *pattern, GError **error)
{
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (test), "pattern");
  GEnumClass *patterns = g_type_class_ref (spec->value_type);
  const GEnumValue *value = g_enum_get_value_by_nick (patterns, pattern);

  if (value)
    g_object_set (test, "pattern", value->value, NULL);
  else
    set_bad (error,
        "test://%s: no such pattern; see gst-inspect-1.0 "
        "videotestsrc",
        pattern);
  g_type_class_unref (patterns);
  return value != NULL;
}

GstElement *
source_make_test (const Source *self, GError **error)
{
  TestSize size = {.width = 640, .height = 360, .framerate = 15};
  g_autoptr (GUri) uri = g_uri_parse (self->uri, G_URI_FLAGS_NONE, error);
  g_autoptr (GstElement) bin = NULL;
  g_autofree char *description = NULL;
  g_autoptr (GstElement) test = NULL;

  if (!uri || !parse_size (g_uri_get_query (uri), &size, error))
    return NULL;
  description = g_strdup_printf (
      "videotestsrc name=test is-live=true num-buffers=%d ! "
      "capsfilter caps=video/x-raw,width=%" G_GUINT64_FORMAT
      ",height=%" G_GUINT64_FORMAT ",framerate=%" G_GUINT64_FORMAT "/1",
      size.frames ? (int) size.frames : -1, size.width, size.height,
      size.framerate);
  bin = gst_parse_bin_from_description (description, TRUE, error);
  if (!bin)
    return NULL;
  gst_object_ref_sink (bin);
  test = gst_bin_get_by_name (GST_BIN (bin), "test");
  if (!set_pattern (test, g_uri_get_host (uri), error))
    return NULL;
  g_object_force_floating (G_OBJECT (bin));
  return g_steal_pointer (&bin);
}
