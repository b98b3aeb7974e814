/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be asked for:
 *
 *   /                           the page, with /live.js /style.css /icon.svg
 *   /state                      everything that is known now, JSON
 *   /events                     server-sent events
 *   /streams/N/picture.jpg      the newest picture; ?after=NUMBER: or 204
 *   /streams/N/video.mjpg       pictures as they come, multipart
 *   /streams/N/captions.vtt     WebVTT; ?follow=1: goes on
 *
 * Nothing is read from a file, and only GET and HEAD are answered. */
#ifndef NEVA_LIVE_ROUTES_H
#define NEVA_LIVE_ROUTES_H

#include "server.h"

void routes_add (Http *http);

#endif /* NEVA_LIVE_ROUTES_H */
