#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Captions one live source with two models (or one model asked in two ways),
# has a judge compare them, and shows the better caption over the video.
#
# usage: best-of-two.sh [SECONDS]
#   MODEL_A, MODEL_B    models (models/demo)
#   PROMPT_A, PROMPT_B  what they are asked
#   JUDGE               see nevajudge; without one a fake judge prefers the
#                       second caption, so that the recipe runs anywhere
#   SOURCE              a live source ("videotestsrc is-live=true pattern=ball")
#   SINK                where the video goes (autovideosink; fakesink without
#                       a display)
# Run it where GStreamer finds the elements: installed, or in
# `meson devenv -C build`.
set -eu

seconds=${1:-12}
model_a=${MODEL_A:-${NEVA_MODEL:-models/demo}}
model_b=${MODEL_B:-$model_a}
prompt_a=${PROMPT_A:-Describe the video.}
prompt_b=${PROMPT_B:-What moves, and where to?}
judge=${JUDGE:-fake:6 8}
source=${SOURCE:-videotestsrc is-live=true pattern=ball num-buffers=$((seconds * 15))}
sink=${SINK:-fakesink sync=true}
[ -n "${SINK:-}" ] || [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] \
  || sink=autovideosink

# shellcheck disable=SC2086 # source and sink are pieces of a pipeline
gst-launch-1.0 -m \
  $source ! video/x-raw,width=320,height=240,framerate=15/1 ! tee name=t \
  nevajudge name=judge mode=best judge="$judge" max-wait=4000000000 \
  t. ! queue ! nevacaption name=a model="$model_a" prompt="$prompt_a" \
    window=2000000000 ! fakesink async=false \
  a.text ! queue ! judge.sink_0 \
  t. ! queue ! nevacaption name=b model="$model_b" prompt="$prompt_b" \
    window=2000000000 ! fakesink async=false \
  b.text ! queue ! judge.sink_1 \
  t. ! queue ! textoverlay name=o wait-text=false ! videoconvert ! $sink \
  judge. ! queue ! o.text_sink \
  | sed -unE -e '/^(ERROR|WARNING)/p' -e '/neva-judgement,/{
      s/start=\(guint64\)/&0000000000/
      s/.*start=\(guint64\)0*([0-9]+)[0-9]{9},.*best=\(int\)(-?[0-9]+),.*candidates=\(string\)< (.*) >, models=.*scores=\(double\)< ([^>]*) >,.*/\1 s: best is \2, scores \4: \3/
      s/\\//g
      p
    }'
