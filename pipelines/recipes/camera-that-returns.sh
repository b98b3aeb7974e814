#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Captions an RTSP camera with gst-launch, and starts again when it is lost. The
# times that are printed go on: they are those of the clock on the wall.
#
# usage: camera-that-returns.sh rtsp://… [TIMES]
#   TIMES    how often it is tried again before the recipe ends (for ever)
#   MODEL    (models/demo)
#   PROMPT   what is asked about each window (the model's own)
#   WINDOW   seconds (4)
#   WAIT     seconds from a lost camera to the next try (2)
# Run it where GStreamer finds the elements: installed, or in
# `meson devenv -C build`. For pictures, a page and several cameras:
# neva-live rtsp://…
#
# With gst-plugins-rs, fallbacksrc does this within one pipeline, which keeps its
# running time and the model loaded:
#   gst-launch-1.0 fallbacksrc uri=rtsp://… ! videoconvert ! nevacaption … ! …
set -eu

uri=${1:?usage: camera-that-returns.sh rtsp://… [TIMES]}
times=${2:-}
model=${MODEL:-${NEVA_MODEL:-models/demo}}
window=${WINDOW:-4}
wait=${WAIT:-2}

# Ends when the camera is lost: by its EOS over TCP, by an error or when nothing
# comes for five seconds.
watch () {
  stdbuf -oL gst-launch-1.0 -m rtspsrc location="$uri" protocols=tcp latency=200 \
    tcp-timeout=5000000 ! decodebin ! videoconvert ! watchdog timeout=5000 \
    ! nevacaption model="$model" ${PROMPT:+prompt="$PROMPT"} \
      window=$((window * 1000000000)) ! fakesink async=false 2>&1 \
    | while IFS= read -r line; do
      case $line in
        *neva-caption,*)
          text=${line#*text=(string)\"}
          text=${text%%\",*}
          printf '%(%H:%M:%S)T %s\n' -1 "${text//\\/}"
          ;;
        ERROR:*) printf '%(%H:%M:%S)T lost: %s\n' -1 "${line##*: }" ;;
      esac
    done
}

for ((n = 0; ; n++)); do
  watch
  [ -z "$times" ] || [ "$n" -lt "$times" ] || break
  printf '%(%H:%M:%S)T trying again in %s s\n' -1 "$wait"
  sleep "$wait"
done
