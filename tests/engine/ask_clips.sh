#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The example ask-clips: two questions about one clip are answered in order; a
# file that is not whole frames is an error that names it.
# usage: ask_clips.sh ASK_CLIPS
set -eu
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
head -c 96 /dev/zero > "$tmp/two-frames.rgb"
head -c 95 /dev/zero > "$tmp/short.rgb"

printf '%s\t4\t4\tWhat?\n%s\t4\t4\tWhen?\n' \
  "$tmp/two-frames.rgb" "$tmp/two-frames.rgb" |
  "$1" 'fake:a red car' | cut -f 2,4 > "$tmp/got"
printf 'What?\ta red car\nWhen?\ta red car\n' | diff - "$tmp/got"

if printf '%s\t4\t4\tWhat?\n' "$tmp/short.rgb" |
    "$1" 'fake:a red car' 2> "$tmp/error"; then
  echo "a file of 95 bytes passed as frames of 4x4"
  exit 1
fi
grep -q 'short.rgb' "$tmp/error"
