#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Both programs with a GPU of the emulation for each process, NCCL among them:
# the rows of one GPU; too few GPUs are one clear error; a killed rank, of whom
# NCCL says nothing, ends the others within the bound, and is named.
# usage: cuda_parallel.sh NEVA-EVAL NEVA-CAPTION EMULATION [MPIRUN]
set -u
eval=$(realpath "$1") caption=$(realpath "$2") mpirun=${4:-}
export NEVA_CUDA_LIBRARY=$3
if [ -z "$mpirun" ]; then
  echo "SKIP: no MPI"
  exit 77
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export NEVA_CUDAEMU_DEVICES=2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
demo=$NEVA_SOURCE/models/demo
failed=0

fail () {
  echo "FAIL: $*"
  head -n 20 err
  failed=1
}

# prompts, output, processes, arguments…; options: of mpirun
options=()
ask () {
  local in=$1 out=$2 n=$3 launch=()
  shift 3
  [ "$n" = 1 ] || launch=(timeout 250 "$mpirun" --oversubscribe
    ${options[@]+"${options[@]}"} -np "$n")
  ${launch[@]+"${launch[@]}"} "$eval" prompt_file="$in" output_file="$out" \
    inference.media_base_path="$demo/clips" inference.media_type=video \
    inference.greedy=True inference.tokens_to_generate=4 weights=f32 \
    neva_model_file="$demo" device=cuda "$@" >out 2>err
}

for clip in circle story; do
  echo "{\"video\": \"$clip.mp4\", \"prompt\": \"Describe the video.\"}"
done >p.jsonl
ask p.jsonl one.jsonl 1 || fail "one GPU"
[ "$(wc -l <one.jsonl)" = 2 ] || fail "a row for each prompt"
ask p.jsonl tp.jsonl 2 tensor_model_parallel_size=2 || fail "TP 2"
cmp -s tp.jsonl one.jsonl && echo "ok: neva-eval, TP 2" || fail "TP 2: other rows"
ask p.jsonl groups.jsonl 2 || fail "2 groups"
cmp -s groups.jsonl one.jsonl && echo "ok: neva-eval, 2 groups" \
  || fail "2 groups: other rows"

clips=("$demo"/clips/{circle,story}.mp4)
few=(-m "$demo" --weights f32 --device cuda --max-tokens 4 -w 60s -q)
"$caption" "${clips[@]}" "${few[@]}" >one.txt 2>err || fail "captions, one GPU"
timeout 250 "$mpirun" --oversubscribe -np 2 "$caption" "${clips[@]}" \
  "${few[@]}" --tensor-parallel 2 >tp.txt 2>err || fail "captions, TP 2"
[ -s tp.txt ] && cmp -s tp.txt one.txt && echo "ok: neva-caption, TP 2" \
  || fail "captions, TP 2: others"

# the plugin's engine is told which process of the machine it is, too
for processes in "neva-eval" "neva-caption"; do
  export NEVA_CUDAEMU_DEVICES=1
  if [ "$processes" = neva-eval ]; then
    ask p.jsonl x.jsonl 2 tensor_model_parallel_size=2
  else
    timeout 250 "$mpirun" --oversubscribe -np 2 "$caption" "${clips[@]}" \
      "${few[@]}" --tensor-parallel 2 >out 2>err
  fi && fail "$processes: 2 ranks on one GPU"
  grep -q "rank 1: device 'cuda:1': this machine has 1 NVIDIA GPU" err \
    && echo "ok: $processes, too few GPUs" || fail "$processes: which number"
  export NEVA_CUDAEMU_DEVICES=2
done

# The emulation computes while it waits: the bound is long. The rest lives on, and NCCL says nothing: as a peer behind NVLink.
for _ in $(seq 200); do cat p.jsonl; done >long.jsonl
export NEVA_CUDAEMU_NCCL_SILENT=1 NEVA_COMM_TIMEOUT=30
options=(--enable-recovery)
ask long.jsonl long-out.jsonl 2 tensor_model_parallel_size=2 &
job=$!
for _ in $(seq 1200); do
  [ -s long-out.jsonl ] && break
  kill -0 $job 2>/dev/null || break
  sleep 0.1
done
victim=$(for p in $(pgrep -f "output_file=long-out.jsonl"); do
  grep -qz '^OMPI_COMM_WORLD_RANK=1$' "/proc/$p/environ" 2>/dev/null && echo "$p"
done | head -n 1)
[ -n "$victim" ] && kill -9 "$victim" || fail "no process to kill"
wait $job # its own status says nothing under --enable-recovery
if [ "$(cat long-out.jsonl | wc -l)" -ge 400 ]; then
  fail "it was over before"
elif grep -q "rank 1 of 2 has not answered for" err; then
  echo "ok: $(grep -m 1 'rank 1 of 2' err)"
else
  fail "who is lost"
fi
exit $failed
