/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "terminal.h"

#define DEFAULT_COLUMNS 80
#define DEFAULT_ROWS 24

/* What was said last, to tell what is new; plain lines only. */
typedef struct {
  HubState state;
  char *message;
  guint64 captions; /* number of the newest */
  gboolean alerts[MAX_ALERTS];
} Seen;

struct _Terminal {
  Hub *hub;
  gboolean quiet, draws, colours;
  guint n;
  Seen *seen;  /* [n] */
  guint lines; /* of the last drawing, above the cursor */
};

Terminal *
terminal_new (Hub *hub, gboolean quiet)
{
  Terminal *self = g_new0 (Terminal, 1);
  const char *no_color = g_getenv ("NO_COLOR");

  self->hub = hub;
  self->quiet = quiet;
  self->n = hub_options (hub)->sources->len;
  self->seen = g_new0 (Seen, self->n);
  self->draws = !quiet && isatty (STDOUT_FILENO) &&
                g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
  self->colours = self->draws && !(no_color && *no_color);
  return self;
}

void
terminal_free (Terminal *self)
{
  for (guint i = 0; i < self->n; i++)
    g_free (self->seen[i].message);
  g_free (self->seen);
  g_free (self);
}

static const char *
name_of (const Terminal *self, guint stream)
{
  const Source *source = hub_options (self->hub)->sources->pdata[stream];

  return source->name;
}

/* ---- Text --------------------------------------------------------------- */

/* What a model or a camera says must not steer the terminal. */
static void
append_safe (GString *out, const char *text)
{
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);

    g_string_append_unichar (out, g_unichar_isprint (c) ? c : ' ');
  }
}

static guint
width_of (gunichar c)
{
  if (g_unichar_iszerowidth (c))
    return 0;
  return g_unichar_iswide (c) ? 2 : 1;
}

/* Cuts to so many columns, with an ellipsis. */
static char *
fit (const char *text, guint columns)
{
  g_autoptr (GString) safe = g_string_new (NULL);
  guint width = 0;

  append_safe (safe, text);
  for (char *p = safe->str; *p; p = g_utf8_next_char (p)) {
    width += width_of (g_utf8_get_char (p));
    if (width > columns) {
      g_string_truncate (
          safe, (gsize) (g_utf8_find_prev_char (safe->str, p) - safe->str));
      g_string_append (safe, "…");
      break;
    }
  }
  return g_string_free (g_steal_pointer (&safe), FALSE);
}

/* ---- Drawing ------------------------------------------------------------ */

/* SGR parameters */
static const char *
state_colour (HubState state)
{
  switch (state) {
    case HUB_LIVE:
      return "32";
    case HUB_LOST:
      return "33";
    case HUB_FAILED:
      return "31";
    case HUB_STARTING:
    case HUB_ENDED:
      return "2";
  }
  return "0";
}

static void
append_coloured (
    const Terminal *self, GString *out, const char *colour, const char *text)
{
  if (self->colours)
    g_string_append_printf (out, "\033[%sm%s\033[0m", colour, text);
  else
    g_string_append (out, text);
}

static void
end_line (Terminal *self, GString *out)
{
  g_string_append (out, "\033[K\n");
  self->lines++;
}

static void
draw_head (
    Terminal *self, GString *out, guint stream, const HubView *v, guint columns)
{
  g_autofree char *name = fit (name_of (self, stream), columns / 3);
  g_autoptr (GString) numbers = g_string_new (NULL);
  g_autofree char *rest = NULL;
  const guint used = (guint) g_utf8_strlen (name, -1) + 12;

  if (v->state == HUB_LIVE)
    g_string_append_printf (numbers, "%.0f fps", v->fps);
  if (v->latency >= 0)
    g_string_append_printf (
        numbers, "%slatency %.1f s", numbers->len ? "  " : "", v->latency);
  if (v->captions > 0 || v->dropped > 0)
    g_string_append_printf (numbers,
        "  %" G_GUINT64_FORMAT " captions  %" G_GUINT64_FORMAT " dropped",
        v->captions, v->dropped);
  rest = fit (numbers->str, columns > used ? columns - used : 0);
  append_coloured (self, out, state_colour (v->state), "● ");
  append_coloured (self, out, "1", name);
  g_string_append_printf (out, "  %s  ", hub_state_name (v->state));
  append_coloured (self, out, "2", rest);
  end_line (self, out);
}

static void
draw_alerts (Terminal *self, GString *out, const HubView *v, guint columns)
{
  char **questions = hub_options (self->hub)->alerts;

  for (guint i = 0; questions && questions[i]; i++) {
    g_autofree char *text = g_strdup_printf (
        "  ! %s yes, %.0f %%", questions[i], v->probabilities[i] * 100);
    g_autofree char *line = fit (text, columns);

    if (!v->alerts[i])
      continue;
    append_coloured (self, out, "1;31", line);
    end_line (self, out);
  }
}

static void
draw_text (Terminal *self, GString *out, const HubView *v, guint columns)
{
  const gboolean trouble =
      v->message && (v->state == HUB_LOST || v->state == HUB_FAILED);
  const char *text = trouble ? v->message : v->text ? v->text : "…";
  g_autofree char *line = fit (text, columns > 4 ? columns - 4 : 1);

  g_string_append (out, "  ");
  append_coloured (self, out, trouble ? state_colour (v->state) : "0", line);
  if (!trouble && v->partial)
    g_string_append (out, "▌");
  end_line (self, out);
}

static void
take_away (Terminal *self, GString *out)
{
  if (self->lines > 0)
    g_string_append_printf (out, "\033[%uA", self->lines);
  self->lines = 0;
  g_string_append (out, "\r");
}

/* As many as there is room for; the others are counted. */
static void
draw (Terminal *self, GString *out)
{
  struct winsize size = {.ws_col = DEFAULT_COLUMNS, .ws_row = DEFAULT_ROWS};
  guint rows, columns, i;

  ioctl (STDOUT_FILENO, TIOCGWINSZ, &size);
  columns = size.ws_col > 20 ? size.ws_col - 1u : DEFAULT_COLUMNS - 1;
  rows = size.ws_row > 6 ? size.ws_row - 2u : DEFAULT_ROWS - 2;
  take_away (self, out);
  for (i = 0; i < self->n; i++) {
    const guint needed =
        2 + (hub_options (self->hub)->alerts
                    ? g_strv_length (hub_options (self->hub)->alerts)
                    : 0);
    HubView v;

    if (self->lines + needed > rows && i > 0)
      break;
    hub_view (self->hub, i, &v);
    draw_head (self, out, i, &v, columns);
    draw_text (self, out, &v, columns);
    draw_alerts (self, out, &v, columns);
    hub_view_clear (&v);
  }
  if (i < self->n) {
    g_string_append_printf (out, "  and %u more", self->n - i);
    end_line (self, out);
  }
  g_string_append (out, "\033[J");
}

/* ---- Lines -------------------------------------------------------------- */

static void
append_line (Terminal *self, GString *out, guint stream, const char *what,
    const char *text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *clock = g_date_time_format (now, "%H:%M:%S");

  g_string_append_printf (out, "%s  ", clock);
  append_safe (out, name_of (self, stream));
  g_string_append_printf (out, "  %s", what);
  append_safe (out, text);
  g_string_append_c (out, '\n');
}

static void
append_news (Terminal *self, GString *out, guint stream)
{
  Seen *seen = &self->seen[stream];
  char **questions = hub_options (self->hub)->alerts;
  HubView v;
  char *text;

  hub_view (self->hub, stream, &v);
  while ((text = hub_next_caption (self->hub, stream, &seen->captions))) {
    append_line (self, out, stream, "", text);
    g_free (text);
  }
  for (guint i = 0; questions && questions[i]; i++) {
    if (v.alerts[i] != seen->alerts[i])
      append_line (self, out, stream,
          v.alerts[i] ? "ALERT: " : "alert is over: ", questions[i]);
    seen->alerts[i] = v.alerts[i];
  }
  if (v.state != seen->state || g_strcmp0 (v.message, seen->message) != 0) {
    g_printerr ("neva-live: %s: %s%s%s\n", name_of (self, stream),
        hub_state_name (v.state), v.message ? ": " : "",
        v.message ? v.message : "");
    seen->state = v.state;
    g_free (seen->message);
    seen->message = g_strdup (v.message);
  }
  hub_view_clear (&v);
}

/* ---- Both --------------------------------------------------------------- */

/* Above the blocks. */
static void
print_notes (Terminal *self)
{
  guint stream = 0;
  g_autofree char *note = hub_take_note (self->hub, &stream);
  g_autoptr (GString) away = g_string_new (NULL);

  if (note && self->draws && self->lines > 0) {
    take_away (self, away);
    fputs (away->str, stdout);
    fputs ("\033[J", stdout);
    fflush (stdout);
  }
  while (note) {
    g_autoptr (GString) safe = g_string_new (NULL);

    append_safe (safe, note);
    g_printerr ("neva-live: %s: %s\n", name_of (self, stream), safe->str);
    g_free (note);
    note = hub_take_note (self->hub, &stream);
  }
}

gboolean
terminal_update (Terminal *self, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);

  print_notes (self);
  if (self->draws)
    draw (self, out);
  else if (!self->quiet)
    for (guint i = 0; i < self->n; i++)
      append_news (self, out, i);
  if (out->len == 0)
    return TRUE;
  if (fwrite (out->str, 1, out->len, stdout) != out->len ||
      fflush (stdout) != 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
        "standard output: %s", g_strerror (errno));
    return FALSE;
  }
  return TRUE;
}

void
terminal_loading (Terminal *self, int percent)
{
  if (!self->draws)
    return;
  if (percent < 100)
    printf ("\rloading the model  %d %%\033[K", percent);
  else
    fputs ("\r\033[K", stdout);
  fflush (stdout);
}
