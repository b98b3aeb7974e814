#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# neva-eval among ranks: threads, and where there is MPI, processes. Whoever
# computes, the rows are those of one rank; what is wrong is said once; of a
# killed process nothing that was finished is lost.
# usage: neva_eval_parallel.sh NEVA-EVAL [MPIRUN]
set -u
eval=$1 mpirun=${2:-}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
demo=$NEVA_SOURCE/models/demo
failed=0

# of the demo's five layers four divide by two
mkdir "$tmp/four"
ln -s "$demo"/*.* "$tmp/four/"
rm "$tmp/four/config.json"
sed 's/"num_hidden_layers": 5/"num_hidden_layers": 4/' "$demo/config.json" \
  >"$tmp/four/config.json"

prompts () { # file, rounds
  local n=0
  for _ in $(seq "$2"); do
    for clip in circle.mp4 square-and-star.mp4 story.mp4; do
      for text in "Describe the video." "What moves?"; do
        echo "{\"video\": \"$clip\", \"prompt\": \"$text\", \"id\": $((n += 1))}"
      done
    done
  done >"$1"
}

run () { # what, prompts, output, launcher and options…
  local what=$1 in=$2 out=$3 launch=()
  shift 3
  while [ "$1" != -- ]; do launch+=("$1"); shift; done
  shift
  ${launch[@]+"${launch[@]}"} "$eval" prompt_file="$in" output_file="$out" \
    inference.media_base_path="$demo/clips" inference.media_type=video \
    inference.greedy=True weights=f32 "$@" >"$tmp/out" 2>"$tmp/err"
}

fail () {
  echo "FAIL: $*"
  cat "$tmp/err"
  failed=1
}

same () { # what, file, other file
  cmp -s "$2" "$3" && echo "ok: $1" || fail "$1: other rows"
}

np () { echo "$mpirun --oversubscribe -np $1"; }

tp=tensor_model_parallel_size pp=pipeline_model_parallel_size
prompts "$tmp/p.jsonl" 1
for model in "$demo" "$tmp/four"; do
  run alone "$tmp/p.jsonl" "$tmp/$(basename "$model").jsonl" -- \
    neva_model_file="$model" || fail "one rank"
done
run threads "$tmp/p.jsonl" "$tmp/t.jsonl" -- neva_model_file="$tmp/four" \
  $tp=2 $pp=2 || fail "threads"
same "TP 2 x PP 2 in threads" "$tmp/t.jsonl" "$tmp/four.jsonl"
run bad "$tmp/p.jsonl" "$tmp/x.jsonl" -- neva_model_file="$demo" $tp=4 \
  && fail "6 heads among 4"
grep -q "6 attention heads cannot be shared evenly" "$tmp/err" \
  || fail "which number does not divide"

if [ -z "$mpirun" ]; then
  echo "no MPI: threads only"
  exit $failed
fi

run mpi "$tmp/p.jsonl" "$tmp/m.jsonl" $(np 4) -- \
  neva_model_file="$tmp/four" $tp=2 $pp=2 || fail "mpirun, 4 ranks"
same "TP 2 x PP 2 in processes" "$tmp/m.jsonl" "$tmp/four.jsonl"
[ "$(grep -c 'PROMPT . of 6' "$tmp/out")" = 6 ] || fail "one rank prints"
run mpi "$tmp/p.jsonl" "$tmp/d.jsonl" $(np 4) -- neva_model_file="$demo" $tp=2 \
  || fail "mpirun, 2 groups of 2 ranks"
same "2 groups of TP 2" "$tmp/d.jsonl" "$tmp/demo.jsonl"
[ "$(grep -c 'PROMPT . of 6' "$tmp/out")" = 6 ] || fail "one rank prints for all"
run bad "$tmp/p.jsonl" "$tmp/x.jsonl" $(np 2) -- neva_model_file=none $tp=2 \
  && fail "no model"
[ "$(grep -c '^neva-eval:' "$tmp/err")" = 1 ] || fail "one error"
run bad "$tmp/p.jsonl" "$tmp/x.jsonl" $(np 3) -- neva_model_file="$demo" $tp=2 \
  && fail "3 processes as pairs"
grep -q "3 processes cannot be groups of 2" "$tmp/err" || fail "which number"

# One of three groups is killed when some rows are there. The last video is a
# pipe that nobody writes to, so that the job cannot be over before.
mkdir "$tmp/clips"
ln -s "$demo"/clips/*.mp4 "$tmp/clips/"
prompts "$tmp/long.jsonl" 10
echo '{"video": "last.mp4", "prompt": "Describe the video."}' >>"$tmp/long.jsonl"
ln -s "$demo/clips/circle.mp4" "$tmp/clips/last.mp4"
run alone "$tmp/long.jsonl" "$tmp/long-alone.jsonl" -- neva_model_file="$demo" \
  inference.media_base_path="$tmp/clips" || fail "one rank, many rows"
ln -sf "$tmp/pipe" "$tmp/clips/last.mp4"
mkfifo "$tmp/pipe"
run killed "$tmp/long.jsonl" "$tmp/k.jsonl" $(np 3) -- neva_model_file="$demo" \
  inference.media_base_path="$tmp/clips" &
job=$!
for _ in $(seq 1200); do
  [ "$(cat "$tmp/k.jsonl" 2>/dev/null | wc -l)" -ge 5 ] && break
  kill -0 $job 2>/dev/null || break
  sleep 0.05
done
victim=$(for p in $(pgrep -f "output_file=$tmp/k.jsonl"); do
  grep -qz '^OMPI_COMM_WORLD_RANK=2$' "/proc/$p/environ" 2>/dev/null && echo "$p"
done | head -n 1)
[ -n "$victim" ] && kill -9 "$victim" || fail "no process to kill"
wait $job && fail "a killed process and success"
kept=$(cat "$tmp/k.jsonl" "$tmp/k.jsonl.partial" 2>/dev/null | sort -u | wc -l)
[ "$kept" -ge 5 ] && [ "$kept" -lt 61 ] || fail "$kept rows after the kill"
ln -sf "$demo/clips/circle.mp4" "$tmp/clips/last.mp4"
run resumed "$tmp/long.jsonl" "$tmp/k.jsonl" $(np 3) -- neva_model_file="$demo" \
  inference.media_base_path="$tmp/clips" --resume || fail "resume"
same "killed with $kept of 61 rows, resumed" "$tmp/k.jsonl" \
  "$tmp/long-alone.jsonl"
exit $failed
