#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The GPUs of two machines, two of the emulation on each, NCCL over the cable:
# tensor parallel inside of a machine and pipeline parallel over both give the
# reference's ids, and rows and captions of one GPU. Then the cable is cut, and
# a machine dies: the rest ends within the bound, and names the rank that it lost.
# usage: two_hosts_cuda.sh NEVA-EVAL NEVA-CAPTION EMULATION CHECK-REFERENCE
#   [MPIRUN]
set -u
eval=$(realpath "$1") caption=$(realpath "$2") check=$(realpath "$4")
mpirun=${5:-}
NEVA_CUDA_LIBRARY=$(realpath "$3")
export NEVA_CUDA_LIBRARY NEVA_CUDAEMU_DEVICES=2 NEVA_CUDAEMU_QUIET=1
. "$(dirname "$0")/two_networks.sh"

model=$tmp/four # of the demo's five layers four divide by two
few_layers "$model"
shape=(tensor_model_parallel_size=2 pipeline_model_parallel_size=2)
prompts () { # how many
  for i in $(seq "$1"); do
    echo "{\"video\": \"circle.mp4\", \"prompt\": \"Describe the video.\", \"id\": $i}"
  done
}
ask=(neva_model_file="$model" inference.media_base_path="$demo/clips"
  inference.media_type=video inference.greedy=True
  inference.tokens_to_generate=4 weights=f32 device=cuda)
say=("$caption" "$demo/clips/circle.mp4" -m "$model" --weights f32
  --device cuda --max-tokens 4 -w 60s -q)
prompts 2 >"$tmp/p.jsonl"

"$eval" "${ask[@]}" prompt_file="$tmp/p.jsonl" output_file="$tmp/one.jsonl" \
  >"$tmp/out" 2>"$tmp/err" && "${say[@]}" >"$tmp/one.txt" 2>"$tmp/err" \
  || fail "one GPU"

job 2 "$check" --device cuda --ranks 2x2 \
  "$NEVA_SOURCE/tests/data/reference/clip-llama-8-heads" \
  && echo "ok: reference, TP 2 x PP 2" || fail "reference"
job 2 "$eval" "${ask[@]}" "${shape[@]}" prompt_file="$tmp/p.jsonl" \
  output_file="$tmp/e.jsonl" || fail "neva-eval"
[ -s "$tmp/e.jsonl" ] && cmp -s "$tmp/e.jsonl" "$tmp/one.jsonl" \
  && echo "ok: neva-eval, TP 2 x PP 2" || fail "neva-eval: other rows"
job 2 "${say[@]}" --tensor-parallel 2 --pipeline-parallel 2 \
  || fail "neva-caption"
[ -s "$tmp/out" ] && cmp -s "$tmp/out" "$tmp/one.txt" \
  && echo "ok: neva-caption, TP 2 x PP 2" || fail "neva-caption: other captions"

# The emulation computes while it waits: the bound is long.
prompts 400 >"$tmp/long.jsonl"
short=30
for how in cut_cable kill_host; do
  output=$tmp/$how.jsonl
  bound=$short job 2 "$eval" "${ask[@]}" "${shape[@]}" \
    prompt_file="$tmp/long.jsonl" output_file="$output" &
  pid=$!
  for _ in $(seq 1200); do
    [ -s "$output" ] && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  [ -s "$output" ] && running neva-eval || fail "$how: it was over before"
  $how
  start=$SECONDS
  # mpirun itself may wait longer for its daemon on the lost machine
  while running neva-eval && [ $((SECONDS - start)) -lt 240 ]; do
    sleep 0.2
  done
  waited=$((SECONDS - start))
  # who waits for its leader's next step waits a minute at least
  if [ $waited -gt $((60 + 4 * short)) ]; then
    fail "$how: waits longer than the bound"
  elif [ "$(wc -l <"$output")" -ge 400 ]; then
    fail "$how: it was over before"
  elif [ $how = kill_host ]; then # mpirun sees it, and ends the rest
    echo "ok: $how, over after $waited s"
  elif grep -q "rank [0-3] of 4 has not answered for" "$tmp/err"; then
    echo "ok: $how, over after $waited s: $(grep -o 'rank [0-3] of 4 .*' \
      "$tmp/err" | head -n 1)"
  else
    fail "$how: which rank is lost"
  fi
  heal
  wait $pid 2>/dev/null
done 2> >(grep -v Killed >&2)
exit $failed
