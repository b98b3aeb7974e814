#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Draws docs/caption.png: a real frame of a sample clip with the demo model's own
# caption, drawn by textoverlay. usage: tools/make-picture.sh [build folder] [png]
set -eu
cd "$(dirname "$0")/.."
build=$PWD/${1:-build}
png=${2:-docs/caption.png}
export GST_PLUGIN_PATH="$build/gst-plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

frames=$(mktemp -d)
trap 'rm -rf "$frames"' EXIT

# timing=aligned: a caption and the frames that it is about appear together
gst-launch-1.0 -q filesrc location=models/demo/clips/story.mp4 ! decodebin ! \
  videoconvert ! videoscale ! video/x-raw,width=640,height=360 ! \
  nevacaption name=c model=models/demo window=4000000000 timing=aligned ! \
  queue ! textoverlay name=o font-desc="Sans 14" shaded-background=true ! \
  videorate ! video/x-raw,framerate=1/1 ! videoconvert ! pngenc ! \
  multifilesink location="$frames/%03d.png"  c.text ! queue ! o.text_sink
mkdir -p "$(dirname "$png")"
cp "$(ls "$frames"/*.png | sed -n 3p)" "$png"
echo "wrote $png"
