#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: neva_convert.sh NEVA-CONVERT: what its command line promises. That the
# results are right is tests/engine/convert.c's business.
set -u
convert=$1 demo=$NEVA_SOURCE/models/demo
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

# usage: expect STATUS PATTERN ARGUMENT…: how it ends and what it says
expect () {
  local status=$1 pattern=$2 said code=0
  shift 2
  said=$("$convert" "$@" 2>&1) || code=$?
  if [ "$code" != "$status" ] || ! grep -qE -- "$pattern" <<<"$said"; then
    printf 'FAIL neva-convert %s\n  ended with %s, said: %s\n' "$*" "$code" "$said"
    failed=1
  fi
}

expect 0 'FROM TO' --help
expect 0 '^neva-convert [0-9]' --version
expect 2 'FROM and TO' "$demo"
expect 2 'hf or nemo' --to gguf "$demo" "$out/x"
expect 2 'positive' --tp 0 "$demo" "$out/x.nemo"
expect 1 'no-such' "$out/no-such" "$out/x"
expect 1 'cannot be split over 4' --tp 4 "$demo" "$out/x.nemo"
expect 1 'goes with a .nemo' --lora l.nemo "$demo" "$out/x.nemo"
[ -z "$(ls "$out")" ] || { echo "FAIL: something was left: $(ls "$out")"; failed=1; }

expect 0 '' "$demo" "$out/demo.nemo"
expect 1 'is there already' "$demo" "$out/demo.nemo"
expect 0 '' --overwrite "$demo" "$out/demo.nemo"
expect 0 '' --vision-name some/tower "$demo" "$out/named.nemo"
[ -e "$out/named-vision" ] && { echo "FAIL: a tower that was named"; failed=1; }
tar xOf "$out/named.nemo" ./model_config.yaml | grep -q '"some/tower"' ||
  { echo "FAIL: the tower's name"; failed=1; }
expect 1 "the vision tower 'some/tower' is not there" "$out/named.nemo" "$out/y"
expect 0 '' --vision-tower "$out/demo-vision" "$out/named.nemo" "$out/y"
mkdir "$out/extracted" && tar xf "$out/demo.nemo" -C "$out/extracted"
expect 0 '' "$out/extracted" "$out/z"
cmp "$out/y/model.safetensors" "$out/z/model.safetensors" || failed=1
expect 0 '' --to nemo "$out/z" "$out/plain"
[ -f "$out/plain" ] || { echo "FAIL: --to nemo"; failed=1; }

# transformers' Llama knows no rotary fraction, and would turn whole heads
sed '0,/"hidden_act"/s//"partial_rotary_factor": 0.5, "hidden_act"/' \
  "$out/z/config.json" >"$out/config" && mv "$out/config" "$out/z/config.json"
expect 0 'has no class for this model' "$out/z" "$out/half"
grep -q '"model_type" : "neva"' "$out/half/config.json" ||
  { echo "FAIL: a rotary fraction as LLaVA"; failed=1; }
expect 0 '' "$out/half" "$out/half.nemo"
tar xOf "$out/half.nemo" ./model_config.yaml | grep -q '^rotary_percentage: 0.5' ||
  { echo "FAIL: the rotary fraction"; failed=1; }

# keys that nobody looks at
sed -i '$a wibble: 3' "$out/extracted/model_config.yaml"
G_MESSAGES_DEBUG=all expect 0 'not looked at: .*wibble' --overwrite "$out/extracted" "$out/y"

# a configuration that says more layers, or wider ones, than there are
sed -i 's/^num_layers: 5/num_layers: 6/' "$out/extracted/model_config.yaml"
expect 1 'layers.5.self_attn.q_proj.weight.* is missing' "$out/extracted" "$out/l"
sed -i 's/^num_layers: 6/num_layers: 5/; s/^hidden_size: 192/hidden_size: 384/' \
  "$out/extracted/model_config.yaml"
expect 1 'layer 0: .* matrix that the configuration says' "$out/extracted" "$out/w"
exit $failed
