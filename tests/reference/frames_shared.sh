#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The vision tower is split by frames: what the emulation counts of the patches
# that each GPU embeds. Those of the first stage share the reference's two
# frames, no other one sees any; nothing is encoded twice; the reference holds.
# usage: frames_shared.sh MPIRUN CHECK-REFERENCE FOLDER
set -eu
mpirun=$1 check=$(realpath "$2") folder=$3
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
[ "$(grep -c '"frames": 2,' "$folder/expected.json")" -gt 0 ]

blocks () { # of the report of a process
  awk '/^neva_cuda_patches / { n = $3 } END { print n + 0 }' "$1"
}

NEVA_CUDAEMU_REPORT=$tmp/one "$check" --device cuda "$folder" >"$tmp/out" \
  || { cat "$tmp/out"; exit 1; }
one=$(blocks "$tmp/one")
if [ "$one" -lt 2 ] || [ $((one % 2)) != 0 ]; then
  echo "FAIL: one GPU embeds two frames in $one blocks"
  exit 1
fi
failed=0
for shape in "2x1 1 1" "4x1 1 0 1 0" "2x2 1 1 0 0" "1x2 2 0"; do
  read -r ranks frames <<<"$shape"
  n=$((${ranks%x*} * ${ranks#*x}))
  # shellcheck disable=SC2016 # the process asks for its rank
  "$mpirun" --oversubscribe -np $n bash -c \
    'NEVA_CUDAEMU_REPORT=$0.$OMPI_COMM_WORLD_RANK exec "$@"' "$tmp/$ranks" \
    "$check" --device cuda --ranks "$ranks" "$folder" >"$tmp/out" \
    || { cat "$tmp/out"; failed=1; }
  got=
  for rank in $(seq 0 $((n - 1))); do
    got="$got $(blocks "$tmp/$ranks.$rank")"
  done
  want=
  for count in $frames; do
    want="$want $((one / 2 * count))"
  done
  if [ "$got" = "$want" ]; then
    echo "ok: $ranks, blocks of a rank:$got; of one GPU: $one"
  else
    echo "FAIL: $ranks: blocks of a rank:$got, not$want"
    failed=1
  fi
done
exit $failed
