#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# check-reference on the emulated GPU with and without CUDA graphs: the same
# output, and graphs are launched in the one case only.
# usage: graphs.sh CHECK-REFERENCE DIR...
set -eu
check=$1
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
launches () { # 0 or 1: graphs
  NEVA_CUDA_GRAPHS=$1 NEVA_CUDAEMU_REPORT=$tmp/report$1 \
    "$check" --device cuda "${@:2}" >"$tmp/out$1" || {
    cat "$tmp/out$1"
    exit 1
  }
  awk '$1 == "cudaGraphLaunch" {n = $2} END {print n + 0}' "$tmp/report$1"
}
without=$(launches 0 "$@") with=$(launches 1 "$@")
echo "graphs launched: $without without, $with with"
[ "$without" = 0 ] && [ "$with" -gt 5 ]
diff "$tmp/out0" "$tmp/out1"
