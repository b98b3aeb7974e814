#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# recipes.sh FOLDER [CAMERA]: runs the recipes with fake models. CAMERA: the
# program that serves an RTSP camera.
set -u
for need in videotestsrc textoverlay nevajudge; do
  gst-inspect-1.0 "$need" >/dev/null 2>&1 || { echo "SKIP: no $need here"; exit 77; }
done

out=$(MODEL_A="fake:a cat" MODEL_B="fake:a dog" JUDGE="fake:6 8" \
  SINK="fakesink sync=true" "$1/best-of-two.sh" 5 2>&1)
echo "$out"
grep -q '^2 s: best is 1, scores 6, 8: "a cat", "a dog"$' <<<"$out" || exit 1

for need in rtspsrc watchdog; do
  gst-inspect-1.0 "$need" >/dev/null 2>&1 || { echo "no $need: no camera is tried"; exit 0; }
done
# Nobody is there: two tries, each says why.
out=$(MODEL="fake:a cat" WAIT=0 "$1/camera-that-returns.sh" rtsp://127.0.0.1:9/cam 1 2>&1)
echo "$out"
[ "$(grep -c ' lost: Could not open resource' <<<"$out")" = 2 ] || exit 1
[ "$(grep -c ' trying again in 0 s$' <<<"$out")" = 1 ] || exit 1
[ -n "${2:-}" ] || { echo "no camera was built: none is killed"; exit 0; }

# A camera that is killed once it was captioned; one that takes its place.
log=$(mktemp)
camera () { # port
  coproc CAMERA { exec "$program" "$1" ffffff; }
  # shellcheck disable=SC2153 # coproc sets it
  read -r _ port <&"${CAMERA[0]}"
}
said () { # at least so many captions
  for _ in $(seq 1200); do
    [ "$(grep -c ' a cat$' "$log")" -ge "$1" ] && return 0
    sleep 0.1
  done
  return 1
}
program=$2
camera 0
set -m # a process group of its own, as in a terminal
MODEL="fake:a cat" WINDOW=1 WAIT=1 "$1/camera-that-returns.sh" \
  "rtsp://127.0.0.1:$port/cam" >"$log" 2>&1 &
recipe=$!
set +m
said 1 && kill -9 "$CAMERA_PID" && wait "$CAMERA_PID" 2>/dev/null
before=$(grep -c ' a cat$' "$log")
camera "$port" 2>/dev/null
said $((before + 2))
ok=$?
kill -- "-$recipe" "$CAMERA_PID" 2>/dev/null
cat "$log"
rm -f "$log"
exit "$ok"
