#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# neva-eval with quantization.*: the demo model is calibrated on its own clips,
# quantised, saved and opened again; a run can be repeated to the last bit; ranks
# share the result; what cannot be done is said at once.
# usage: neva_eval_quantized.sh NEVA-EVAL EMULATION-OF-CUDA [MPIRUN]
set -u
eval=$1 emulation=$2 mpirun=${3:-}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
demo=$NEVA_SOURCE/models/demo
failed=0

for clip in circle.mp4 story.mp4 none.mp4; do
  for text in "Describe the video." "What moves?"; do
    echo "{\"video\": \"$clip\", \"prompt\": \"$text\"}"
  done
done >"$tmp/p.jsonl"
sed '$!d' "$tmp/p.jsonl" >"$tmp/none.jsonl"

run () { # output, options…
  local out=$1
  shift
  TMPDIR=$tmp/t "$eval" prompt_file="$tmp/p.jsonl" output_file="$tmp/$out" \
    inference.media_base_path="$demo/clips" inference.media_type=video \
    inference.greedy=True neva_model_file="$demo" "$@" \
    >"$tmp/out" 2>"$tmp/err"
}

fail () {
  echo "FAIL: $*"
  cat "$tmp/err"
  failed=1
}

refuse () { # words, options…
  local words=$1 code
  shift
  run x.jsonl "$@"
  code=$?
  [ $code = 2 ] && grep -q -- "$words" "$tmp/err" || fail "$code, not: $words"
}

answers () { grep -o '"pred_answer": "[^"]*"' "$tmp/$1"; }

on=quantization.enable=True how=quantization.algorithm
mkdir "$tmp/t"
run plain.jsonl
for algorithm in awq int8_sq; do
  for part in 1 2; do # none.mp4 has no answer: 3
    run "$algorithm-$part.jsonl" $on $how=$algorithm quantization.num_samples=3 \
      quantization.save="$tmp/$algorithm-$part" quantization.decoder.x=1
    [ $? = 3 ] || fail "$algorithm"
  done
  [ "$(grep -c none.mp4 "$tmp/err")" = 2 ] || fail "what was not answered: once"
  cmp -s "$tmp/$algorithm-1/model.safetensors" \
    "$tmp/$algorithm-2/model.safetensors" || fail "$algorithm differs each time"
  [ "$(answers $algorithm-1.jsonl | wc -l)" = 4 ] || fail "$algorithm: rows"
  [ "$(answers $algorithm-1.jsonl)" = "$(answers plain.jsonl)" ] \
    || fail "$algorithm: other answers of the demo model"
  # whatever neva_inference.yaml says of the un-quantised weights
  run "$algorithm-again.jsonl" neva_model_file="$tmp/$algorithm-1" \
    trainer.precision=bf16
  [ "$(answers $algorithm-again.jsonl)" = "$(answers $algorithm-1.jsonl)" ] \
    || fail "$algorithm: other answers when it is opened again"
  echo "ok: $algorithm"
done
grep -q '"quant_method" : "awq"' "$tmp/awq-1/config.json" || fail "awq's config"
grep -q '"int-quantized"' "$tmp/int8_sq-1/config.json" || fail "int8's config"

run resumed.jsonl $on $how=int8_sq quantization.save="$tmp/int8_sq-1" --resume
[ "$(answers resumed.jsonl)" = "$(answers int8_sq-1.jsonl)" ] || fail "resumed"
run unsaved.jsonl $on $how=int8_sq quantization.num_samples=3
[ "$(answers unsaved.jsonl)" = "$(answers int8_sq-1.jsonl)" ] || fail "unsaved"
[ -z "$(ls "$tmp/t")" ] || fail "left behind: $(ls "$tmp/t")"
# in f32: 8-bit inputs are rounded in other groups when ranks share them
for ranks in 1 2; do
  run ranks-$ranks.jsonl $on $how=int8_sq quantization.num_samples=3 \
    tensor_model_parallel_size=$ranks weights=f32
done
[ "$(answers ranks-1.jsonl)" = "$(answers ranks-2.jsonl)" ] || fail "two ranks"
echo "ok: saved, resumed, unsaved, shared"

refuse "fp8 needs a GPU" $on $how=fp8
export NEVA_CUDA_LIBRARY=$emulation
NEVA_CUDAEMU_CAPABILITY=80 refuse "GPU 0 is one of 8.0" $on $how=fp8 device=cuda
unset NEVA_CUDA_LIBRARY
refuse "num_samples" $on quantization.num_samples=0
refuse "is there already" $on quantization.save="$tmp/awq-1"
refuse "awq int8_sq fp8" $on $how=int8
run x.jsonl $on prompt_file="$tmp/none.jsonl"
grep -q "nothing to calibrate with" "$tmp/err" || fail "nothing to see"
run x.jsonl $on neva_model_file="$tmp/awq-1"
grep -q "quantised again" "$tmp/err" || fail "quantised twice"
run x.jsonl $on neva_model_file=fake:x
grep -q "calibrated" "$tmp/err" || fail "a fake model"
if [ -n "$mpirun" ]; then
  "$mpirun" --oversubscribe -np 2 "$eval" prompt_file="$tmp/p.jsonl" $on \
    output_file="$tmp/x.jsonl" inference.media_base_path="$demo/clips" \
    neva_model_file="$demo" inference.media_type=video 2>"$tmp/err" \
    && fail "two processes calibrate"
  [ "$(grep -c 'one process calibrates' "$tmp/err")" = 1 ] || fail "said once"
fi
[ -z "$(ls "$tmp/t")" ] || fail "left behind: $(ls "$tmp/t")"
exit $failed
