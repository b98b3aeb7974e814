#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# check-reference must fail on a model that differs in one weight, on a stored
# result that differs, and on folders that hold nothing to check.
set -eu
check=$1
from=$NEVA_SOURCE/tests/data/reference/siglip-qwen2-tied
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

must_fail () { # what, stage that must be the one to complain
  if "$check" "$tmp/copy" >"$tmp/out" 2>&1; then
    echo "not caught: $1"
    exit 1
  fi
  if ! grep -q "$2.*FAIL" "$tmp/out"; then
    echo "$1: caught elsewhere than by '$2':"
    cat "$tmp/out"
    exit 1
  fi
}

fresh () {
  rm -rf "$tmp/copy"
  cp -r "$from" "$tmp/copy"
  chmod -R u+w "$tmp/copy"
}

# overwrites four bytes, so many from the end
damage () { # file, bytes from the end
  printf '\x30\x45\x30\x45' | dd of="$1" bs=1 conv=notrunc status=none \
    seek=$(($(stat -c %s "$1") - $2))
}

fresh
"$check" "$tmp/copy" >"$tmp/out" || { cat "$tmp/out"; exit 1; }
size=$(stat -c %s "$tmp/copy/model.safetensors")
damage "$tmp/copy/model.safetensors" $((size / 2)) # in the decoder
must_fail "a changed weight" "prompt logits"
fresh
sed -i 's/"decoded": "Hello world"/"decoded": "Hello worlds"/' \
  "$tmp/copy/tokenizer_vectors.json"
must_fail "a changed text" "decoded text"
fresh
damage "$tmp/copy/expected.safetensors" 2000
must_fail "a changed picture" "resized pixels"
rm "$tmp/copy/expected.safetensors"
must_fail "a folder without results" "nothing to check"
rm -rf "$tmp/copy"
must_fail "no folder" "nothing to check"
echo "5 planted faults caught"
