/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-live as a child process, and what a client of its page can do. */
#ifndef NEVA_TEST_LIVE_CLIENT_H
#define NEVA_TEST_LIVE_CLIENT_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

typedef struct {
  GSubprocess *process;
  char *url; /* of the page, without the token: ends with "/" */
  char *token;
  guint16 port;
  GDataInputStream *err; /* standard error behind the page's address */
} Live;

/* arguments: separated by "|"; --http 0 is added. Waits for the page. FALSE:
 * no page; what was printed is shown. */
gboolean live_start (Live *live, const char *program, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
/* Ctrl-C. Returns: the exit code. */
int live_stop (Live *live);

/* A whole answer. headers: NULL or "Name: value" lines. *body (transfer full),
 * with a NUL behind it. Returns: the status, 0 when there was no answer. */
guint live_get (const Live *live, const char *method, const char *path,
    const char *headers, GBytes **body, SoupMessage **message);
/* (transfer full): of /state; NULL when that is none. */
JsonNode *live_state (const Live *live);
/* (transfer none): a stream's object. */
JsonObject *live_stream (JsonNode *state, guint number);

/* A connection that says what it likes. */
GSocketConnection *live_connect (const Live *live);
void live_send (GSocketConnection *connection, const char *text, gssize n);
/* Reads lines up to one that holds `part`: (transfer full), or NULL at the
 * end, or after two minutes of silence on a connection. */
char *live_read_line (GDataInputStream *stream, const char *part);

#endif /* NEVA_TEST_LIVE_CLIENT_H */
