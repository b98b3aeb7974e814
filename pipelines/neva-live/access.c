/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "access.h"

/* Takes as long for any wrong token of the right length. */
static gboolean
same (const char *given, gsize length, const char *token)
{
  guint8 differs = 0;

  if (!given || length != strlen (token))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    differs |= (guint8) (given[i] ^ token[i]);
  return differs == 0;
}

static gboolean
same_string (const char *given, const char *token)
{
  return given && same (given, strlen (given), token);
}

/* Cookies of a host are shared by its ports. */
static char *
cookie_name (const Http *http)
{
  return g_strdup_printf ("neva-live-%u", http->port);
}

static gboolean
has_cookie (const Http *http, SoupMessageHeaders *headers, const char *token)
{
  const char *cookies = soup_message_headers_get_list (headers, "Cookie");
  g_autofree char *name = cookie_name (http);
  g_auto (GStrv) parts = g_strsplit (cookies ? cookies : "", ";", 64);

  for (guint i = 0; parts[i]; i++) {
    const char *part = g_strstrip (parts[i]);
    const gsize length = strlen (name);

    if (strncmp (part, name, length) == 0 && part[length] == '=' &&
        same_string (part + length + 1, token))
      return TRUE;
  }
  return FALSE;
}

static gboolean
has_bearer (SoupMessageHeaders *headers, const char *token)
{
  const char *given = soup_message_headers_get_one (headers, "Authorization");

  return given && g_ascii_strncasecmp (given, "Bearer ", 7) == 0 &&
         same_string (given + 7, token);
}

static gboolean
is_own_name (const Http *http, SoupMessageHeaders *headers)
{
  const char *given = soup_message_headers_get_one (headers, "Host");
  g_autofree char *text = NULL;
  g_autoptr (GUri) uri = NULL;
  g_autoptr (GInetAddress) address = NULL;
  const char *host;

  if (!given)
    return TRUE; /* no browser */
  text = g_strconcat ("http://", given, "/", NULL);
  uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  host = uri ? g_uri_get_host (uri) : NULL;
  if (!host)
    return FALSE;
  address = g_inet_address_new_from_string (host);
  return g_ascii_strcasecmp (host, "localhost") == 0 ||
         g_ascii_strcasecmp (host, http->options->listen) == 0 ||
         (address && g_inet_address_get_is_loopback (address));
}

Access
access_check (const Http *http, SoupServerMessage *message, GHashTable *query)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  const char *token = http->options->token;

  if (!token)
    return is_own_name (http, headers) ? ACCESS_GRANTED : ACCESS_HOST;
  if (has_cookie (http, headers, token) || has_bearer (headers, token))
    return ACCESS_GRANTED;
  return query && same_string (g_hash_table_lookup (query, "token"), token)
             ? ACCESS_ENTERS
             : ACCESS_TOKEN;
}

void
access_set_cookie (const Http *http, SoupServerMessage *message)
{
  g_autofree char *name = cookie_name (http);
  g_autofree char *cookie = g_strdup_printf (
      "%s=%s; Path=/; HttpOnly; SameSite=Strict", name, http->options->token);

  soup_message_headers_append (
      soup_server_message_get_response_headers (message), "Set-Cookie", cookie);
}
