#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: round.sh CHECK-REFERENCE NEVA-CONVERT: every reference model as a
# Hugging Face folder, as a .nemo, and the folder as a .nemo: still what the
# original libraries computed.
set -eu
shopt -s nullglob
check=$1 convert=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
made=()

# usage: make FROM NAME EXPECTED TARGET OPTION…
make () {
  local from=$1 name=$2 expected=$3 target=$out/$2 file
  shift 3
  mkdir -p "$target"
  case $1 in
    nemo) shift; "$convert" -q "$from" "$target/model.nemo" "$@" ;;
    hf) shift; "$convert" -q --overwrite "$from" "$target" "$@" ;;
  esac
  for file in "$expected"/expected.*; do cp "$file" "$target"; done
  made+=("$target")
}

for folder in "$NEVA_SOURCE"/tests/data/reference/*/ \
    "$NEVA_SHARED"/reference/{hf,nemo}-*/; do
  folder=${folder%/} name=$(basename "$folder") from=$folder base=()
  [ -e "$folder/model.nemo" ] && from=$folder/model.nemo
  if [ -e "$folder/projector.nemo" ]; then
    from=$folder/projector.nemo base=(--base-model "$folder/base_llm.nemo")
  fi
  if grep -qs quantization_config "$folder/config.json"; then
    # codes are not converted, and that is said
    "$convert" -q "$folder" "$out/$name" 2>&1 | grep -q quantization_config ||
      { echo "$name: not refused" >&2; exit 1; }
    continue
  fi
  make "$from" "$name-hf" "$folder" hf "${base[@]}"
  cp "$folder"/tokenizer_vectors.json "$out/$name-hf" 2>/dev/null || true
  # what check-reference allows a bf16 folder it cannot know of an archive
  [[ $name == *bf16* ]] && continue
  make "$from" "$name-nemo" "$folder" nemo "${base[@]}"
  make "$out/$name-hf" "$name-again" "$folder" nemo
done 2>"$out/notes" || { cat "$out/notes"; exit 1; }
"$check" "${made[@]}"
