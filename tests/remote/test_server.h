/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chat endpoint on the loopback interface that misbehaves on demand. Each
 * path is one behaviour, with or without /chat/completions behind it:
 *
 *   /stream    the answer as events
 *   /plain     as one JSON object
 *   /echo      the user message's text, streamed
 *   /vision    "N pictures: SEEN,SEEN; text: TEXT", streamed; SEEN is what
 *              neva_jpeg_check_url () says of a picture
 *   /scores    scores made of the user message
 *   /busy/N    429 with Retry-After: 0 for the first N requests, then /stream
 *   /fault/N   500 for the first N requests, then /stream
 *   /refuse    401 with an error object
 *   /garbage   events that are none
 *   /cut       an answer that ends in the middle, connection closed
 *   /silent    never answers
 *   /error     an error object, 200
 *   /replay    the replies given to neva_test_server_replay ()
 */
#ifndef NEVA_TEST_SERVER_H
#define NEVA_TEST_SERVER_H

#include <glib.h>

typedef struct _NevaTestServer NevaTestServer;

NevaTestServer *neva_test_server_new (void);
void neva_test_server_free (NevaTestServer *server);
/* (transfer full): "http://127.0.0.1:PORT" + path */
char *neva_test_server_url (NevaTestServer *server, const char *path);
guint neva_test_server_requests (NevaTestServer *server);
/* Waits until `n` requests have come since the server was made. */
void neva_test_server_wait (NevaTestServer *server, guint n);
/* (transfer full): body and Authorization header of the last request. */
char *neva_test_server_last_body (NevaTestServer *server);
char *neva_test_server_last_key (NevaTestServer *server);
/* (transfer full): SHA-256, in hexadecimal, of the user messages since the
 * last call, each with a NUL behind it, in the order of coming. */
char *neva_test_server_prompts (NevaTestServer *server);
/* NULL-terminated; copied. A request whose user message is prompts[i] gets
 * replies[i]. */
void neva_test_server_replay (NevaTestServer *server,
    const char *const *prompts, const char *const *replies);

#endif /* NEVA_TEST_SERVER_H */
