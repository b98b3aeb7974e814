#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# neva-caption among processes: whoever captions a file, what is written is what
# one process writes; what is wrong is said once; a killed process loses what it
# had not finished, and --resume completes the output to the same bytes.
# usage: neva_caption_parallel.sh NEVA-CAPTION [MPIRUN [ROUNDS [SEED]]]
set -u
caption=$(realpath "$1") mpirun=${2:-} rounds=${3:-1} seed=${4:-$$}
RANDOM=$seed
echo "seed $seed"
if [ -z "$mpirun" ]; then
  echo "SKIP: no MPI"
  exit 77
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# the bound on waiting for a lost process: those that killed () leaves alive
# wait so long
export NEVA_COMM_TIMEOUT=${NEVA_COMM_TIMEOUT:-30}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
demo=$NEVA_SOURCE/models/demo
failed=0

for i in 1 2 3 4; do
  for clip in circle square-and-star story; do
    ln -s "$demo/clips/$clip.mp4" "$clip-$i.mp4"
  done
done
files=(*.mp4)

fail () {
  echo "FAIL: $*"
  cat err
  failed=1
}

same () { # what, file or folder, other one
  diff -r "$2" "$3" >/dev/null && echo "ok: $1" || fail "$1: other captions"
}

among () { # processes, arguments of neva-caption…
  local n=$1
  shift
  timeout 300 "$mpirun" --oversubscribe ${options[@]+"${options[@]}"} -np "$n" \
    "$caption" "$@" >out 2>err
}
options=()

# ---- The same as of one process ----

fast=(-m fake:echo -w 1s) slow=(-m "fake:echo?delay=30" -w 1s)
for format in text json; do
  "$caption" "${files[@]}" "${fast[@]}" -f $format >alone.$format 2>err \
    || fail "one process, $format"
  among 3 "${files[@]}" "${fast[@]}" -f $format || fail "3 groups, $format"
  same "$format on standard output of 3 groups" out alone.$format
done
for format in srt vtt json; do
  mkdir alone-$format three-$format
  "$caption" "${files[@]}" "${fast[@]}" -f $format -o alone-$format 2>err \
    || fail "one process, $format in a folder"
  among 3 "${files[@]}" "${fast[@]}" -f $format -o three-$format \
    || fail "3 groups, $format in a folder"
  same "$format in a folder of 3 groups" three-$format alone-$format
done
[ "$(ls alone-srt | wc -l)" = ${#files[@]} ] || fail "a file for each video"

# a list in no order, two prompts a clip, and one file that is none
for text in "Describe the video." "What moves?"; do
  for file in "${files[@]:0:7}" none.mp4; do
    echo "{\"file\": \"$file\", \"prompt\": \"$text\"}"
  done
done >list.jsonl
"$caption" -l list.jsonl -m fake:echo -f json -o list-alone.jsonl 2>err
[ $? = 3 ] || fail "one process: a file that is none is status 3"
among 4 -l list.jsonl -m fake:echo -f json -o list-four.jsonl
[ $? = 3 ] || fail "4 groups: a file that is none is status 3"
[ "$(grep -c 'none.mp4: no such file' err)" = 1 ] || fail "said once"
same "a list among 4 groups" list-four.jsonl list-alone.jsonl
among 2 story-1.mp4 -m fake:track --mux track.mkv || fail "--mux"
[ -s track.mkv ] || fail "--mux wrote nothing"

# ---- The model among processes ----

ids () { sed 's/, "mean_logprob.*//' "$1"; }
ask=("${files[@]:0:4}" -m "$demo" --weights f32 -f json)
"$caption" "${ask[@]}" >demo.jsonl 2>err || fail "the demo model"
among 4 "${ask[@]}" --tensor-parallel 2 || fail "2 groups of TP 2"
[ "$(ids out)" = "$(ids demo.jsonl)" ] && echo "ok: 2 groups of TP 2" \
  || fail "2 groups of TP 2: other captions"
among 2 "${ask[@]}" -f text --tensor-parallel 2 && [ -s out ] || fail "TP 2"
among 3 "${ask[@]}" --tensor-parallel 2 && fail "3 processes as pairs"
grep -q "3 processes cannot be groups of 2" err || fail "which number"
among 4 "${ask[@]}" --tensor-parallel 4
[ $? = 4 ] || fail "6 heads among 4: status 4"
grep -q "6 attention heads cannot be shared evenly" err \
  || fail "which number does not divide"
among 2 "${ask[@]}" -m none
[ "$(grep -c "no model 'none'" err)" = 1 ] || fail "a model that is none, once"

# ---- Killed ----

victim () { # what is in its command line, rank
  local p
  for p in $(pgrep -f -- "$1"); do
    grep -qz "^OMPI_COMM_WORLD_RANK=$2\$" "/proc/$p/environ" 2>/dev/null \
      && echo "$p"
  done | head -n 1
}

mkdir slow-srt
"$caption" "${files[@]}" "${slow[@]}" -f json -o slow.json 2>err &&
  "$caption" "${files[@]}" "${slow[@]}" -f srt -o slow-srt 2>err \
  || fail "one process, slowly"

# each line of the first is one of the second, in its order
within () {
  awk 'NR == FNR { want[++n] = $0; next }
    { while (at < n && want[++at] != $0) ; if (want[at] != $0) exit 1 }' \
    "$2" "$1"
}

kills=0
killed () { # round, what lets the others live…
  local round=$1 rank=$((RANDOM % 3)) name=$tmp/killed-$1.jsonl job pid
  local wait=0.$((RANDOM % 8))$((RANDOM % 10))
  shift
  options=("$@")
  among 3 "${files[@]}" "${slow[@]}" -f json -o "$name" &
  job=$!
  for _ in $(seq 6000); do
    [ -s "$name" ] && break
    kill -0 $job 2>/dev/null || break
    sleep 0.02
  done
  sleep "$wait"
  pid=$(victim "$name" $rank)
  [ -n "$pid" ] && kill -9 "$pid" && kills=$((kills + 1))
  wait $job
  options=()
  [ ! -e "$name" ] || within "$name" slow.json \
    || fail "rank $rank killed after $wait s: not what one process writes"
  [ -z "$pid" ] || [ -e "$name.partial" ] || cmp -s "$name" slow.json \
    || fail "rank $rank killed after $wait s: looks complete and is not"
  local kept
  kept=$(wc -l <"$name")
  among $((RANDOM % 3 + 1)) "${files[@]}" "${slow[@]}" -f json -o "$name" \
    --resume || fail "rank $rank killed after $wait s: resume"
  same "rank $rank killed after $wait s with $kept of $(wc -l <slow.json) rows ($*), resumed" \
    "$name" slow.json
  [ ! -e "$name.partial" ] || fail "something is left"
}

killed_folder () { # round
  local rank=$((RANDOM % 3)) name=$tmp/folder-$1 job pid
  mkdir "$name"
  among 3 "${files[@]}" "${slow[@]}" -f srt -o "$name" &
  job=$!
  for _ in $(seq 6000); do
    [ "$(ls "$name" | wc -l)" -ge 2 ] && break
    sleep 0.02
  done
  sleep 0.$((RANDOM % 8))
  pid=$(victim "$name" $rank)
  [ -n "$pid" ] && kill -9 "$pid" && kills=$((kills + 1))
  wait $job
  for file in "$name"/*.srt; do
    cmp -s "$file" "slow-srt/$(basename "$file")" || fail "$file is cut"
  done
  local kept
  kept=$(ls "$name" | grep -c '\.srt$')
  among 2 "${files[@]}" "${slow[@]}" -f srt -o "$name" --resume \
    || fail "rank $rank killed, a folder: resume"
  same "rank $rank killed with $kept of ${#files[@]} files, resumed" "$name" slow-srt
}

for round in $(seq "$rounds"); do
  killed "$round-all"
  killed "$round-live" --enable-recovery
  killed_folder "$round"
done
[ "$kills" -gt 0 ] || fail "nobody was killed"

# ---- Elements in a job ----

if gst-inspect-1.0 nevacaption >/dev/null 2>&1; then
  timeout 300 "$mpirun" --oversubscribe -np 2 gst-launch-1.0 videotestsrc \
    num-buffers=4 ! nevacaption model=fake:x ! fakesink >out 2>err \
    || fail "elements in a job"
  [ "$(cat out err | grep -c 'This is one of several processes')" = 1 ] \
    && echo "ok: elements in a job" \
    || fail "elements in a job say that they run alone"
else
  echo "SKIP: gst-launch cannot load the plugin here"
fi
exit $failed
