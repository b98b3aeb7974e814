#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is needed, builds, and captions a video on the CPU with the model
# that ships. Prints each caption with its time window and writes an .srt.
# usage: ./demo.sh [video file] [output.srt]
set -eu
cd "$(dirname "$0")"
here=$PWD

video=${1:-models/demo/clips/story.mp4}
srt=${2:-demo.srt}

tools/install-deps.sh run

build=build
[ -d "$build" ] || meson setup "$build" -Dtests=disabled >/dev/null
echo "demo: building (log: $build/build.log)"
if ! ninja -C "$build" >"$build/build.log" 2>&1; then
  tail -n 30 "$build/build.log" >&2
  exit 1
fi

export GST_PLUGIN_PATH="$here/$build/gst-plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

echo "demo: captioning $video with models/demo, one caption for every 4 seconds"
"$build/pipelines/neva-caption" "$video" -m models/demo --window 4s \
  --format text
"$build/pipelines/neva-caption" "$video" -m models/demo --window 4s \
  --format srt -o "$srt"
echo "demo: wrote $srt"

echo "demo: the same as a pipeline, one caption for the whole video:"
cat <<END
  GST_PLUGIN_PATH=$build/gst-plugins gst-launch-1.0 filesrc location=$video ! decodebin ! videoconvert ! \\
    nevaframesampler ! nevaencoder model=models/demo ! nevallm model=models/demo ! text/x-raw ! fdsink
END
# through a pipe: where stdout is a plain file, fdsink seeks back to its start
gst-launch-1.0 -q filesrc location="$video" ! decodebin ! videoconvert ! \
  nevaframesampler ! nevaencoder model=models/demo ! \
  nevallm model=models/demo ! text/x-raw ! fdsink | cat
echo

echo "demo: the clips as live cameras, on a page at http://127.0.0.1:8080/:"
echo "  $build/pipelines/neva-live models/demo/clips/*.mp4 --loop --http 8080"
