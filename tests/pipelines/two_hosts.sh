#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# neva-eval and neva-caption on two machines: two network namespaces with names
# and addresses of their own and a cable between them, over which mpirun starts
# processes and MPI speaks TCP. Then the cable is cut, and a machine dies: what
# was finished is kept, nothing waits longer than the bound, --resume completes.
# Needs namespaces (root, or user namespaces), and ip of iproute2.
# usage: two_hosts.sh NEVA-EVAL NEVA-CAPTION [MPIRUN]
set -u
eval=$(realpath "$1") caption=$(realpath "$2") mpirun=${3:-}

. "$(dirname "$0")/two_networks.sh"

sent () { ip netns exec west cat /sys/class/net/cable-w/statistics/tx_bytes; }

# ---- Both programs ----

few_layers "$tmp/four" # of the demo's five layers four divide by two
prompts () { # rounds
  local n=0
  for _ in $(seq "$1"); do
    for clip in circle square-and-star story; do
      echo "{\"video\": \"$clip.mp4\", \"prompt\": \"Describe the video.\", \"id\": $((n += 1))}"
    done
  done
}
prompts 2 >"$tmp/p.jsonl"
rows=(inference.media_base_path="$demo/clips" inference.media_type=video
  inference.greedy=True weights=f32)
ask=("$demo"/clips/*.mp4 --weights f32 -f json)
ids () { sed 's/, "mean_logprob.*//' "$1"; }

for model in "$demo" "$tmp/four"; do
  name=$(basename "$model")
  "$eval" neva_model_file="$model" prompt_file="$tmp/p.jsonl" \
    output_file="$tmp/$name.jsonl" "${rows[@]}" >"$tmp/out" 2>"$tmp/err" \
    && "$caption" -m "$model" "${ask[@]}" >"$tmp/$name.captions" \
      2>"$tmp/err" || fail "one process"
done

shared () { # what, model, processes on each, TP, PP
  local before model=$2 name
  name=$(basename "$2")
  before=$(sent)
  job "$3" "$eval" neva_model_file="$model" prompt_file="$tmp/p.jsonl" \
    output_file="$tmp/e.jsonl" "${rows[@]}" tensor_model_parallel_size="$4" \
    pipeline_model_parallel_size="$5" || fail "neva-eval, $1"
  cmp -s "$tmp/e.jsonl" "$tmp/$name.jsonl" \
    && echo "ok: neva-eval, $1: $((($(sent) - before) / 1024)) KiB sent" \
    || fail "neva-eval, $1: other rows"
  before=$(sent)
  job "$3" "$caption" -m "$model" "${ask[@]}" --tensor-parallel "$4" \
    --pipeline-parallel "$5" || fail "neva-caption, $1"
  [ "$(ids "$tmp/out")" = "$(ids "$tmp/$name.captions")" ] \
    && echo "ok: neva-caption, $1: $((($(sent) - before) / 1024)) KiB sent" \
    || fail "neva-caption, $1: other captions"
}
shared "2 groups" "$demo" 1 1 1
shared "TP 2, a rank on each" "$demo" 1 2 1
shared "TP 2 x PP 2, a stage on each" "$tmp/four" 2 2 2
shared "2 groups of TP 2" "$demo" 2 2 1

# ---- A machine is lost ----

short=10

mkdir "$tmp/v"
for i in $(seq 20); do
  ln -s "$demo/clips/circle.mp4" "$tmp/v/$i.mp4"
done
many=("$tmp"/v/*.mp4 -m "fake:echo?delay=100" -w 1s -f json)
"$caption" "${many[@]}" >"$tmp/many.jsonl" 2>"$tmp/err" || fail "one process"
prompts 40 >"$tmp/long.jsonl"
sed 's/circle/square-and-star/' "$tmp/long.jsonl" >"$tmp/x"
"$eval" neva_model_file="$demo" prompt_file="$tmp/long.jsonl" \
  output_file="$tmp/long-alone.jsonl" "${rows[@]}" >"$tmp/out" 2>"$tmp/err" \
  || fail "one process, many rows"

# what happens, to which program, its output, processes on each, its arguments
lose () {
  local how=$1 name=$2 output=$3 processes=$4 start waited pid
  shift 4
  bound=$short job "$processes" "$@" &
  pid=$!
  for _ in $(seq 2400); do
    [ -s "$output" ] && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
  done
  [ -s "$output" ] || fail "$how, $name: nothing was written before"
  running "$name" || fail "$how, $name: it was over before"
  $how
  start=$SECONDS
  # mpirun itself may wait longer for its daemon on the lost machine
  while running "$name" && [ $((SECONDS - start)) -lt 200 ]; do
    sleep 0.2
  done
  waited=$((SECONDS - start))
  echo "    $how, $name: over after $waited s with $(wc -l <"$output") rows"
  grep -h -m 1 "^$name" "$tmp/err" | sed 's/^/    /'
  [ $waited -le "$longest" ] || fail "$how, $name: waits longer than the bound"
  heal
  wait $pid 2>/dev/null
}

resume () { # what, processes on each, its output, what is right, arguments
  local what=$1 processes=$2 output=$3 right=$4
  shift 4
  job "$processes" "$@" --resume || fail "$what: resume"
  cmp -s "$output" "$right" && echo "ok: $what, resumed" \
    || fail "$what: other rows"
}

for how in cut_cable kill_host; do
  longest=$((4 * short))
  out=$tmp/$how.jsonl
  captions=("$caption" "${many[@]}" -o "$out")
  lose $how neva-caption "$out" 1 "${captions[@]}"
  resume "$how, neva-caption" 1 "$out" "$tmp/many.jsonl" "${captions[@]}"
  out=$tmp/e-$how.jsonl
  answers=("$eval" neva_model_file="$demo" prompt_file="$tmp/long.jsonl"
    output_file="$out" "${rows[@]}")
  lose $how neva-eval "$out" 1 "${answers[@]}"
  resume "$how, neva-eval" 1 "$out" "$tmp/long-alone.jsonl" "${answers[@]}"
  # who waits for its leader's next model or step waits a minute at least
  longest=$((60 + 4 * short))
  out=$tmp/t-$how.jsonl
  answers=("$eval" neva_model_file="$demo" prompt_file="$tmp/long.jsonl"
    output_file="$out" "${rows[@]}" tensor_model_parallel_size=2)
  lose $how neva-eval "$out" 1 "${answers[@]}"
  resume "$how, neva-eval, TP 2" 1 "$out" "$tmp/long-alone.jsonl" "${answers[@]}"
done 2> >(grep -v Killed >&2)
exit $failed
