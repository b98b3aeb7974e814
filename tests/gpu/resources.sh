#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What ptxas makes of each kernel on sm_80 and sm_90: registers, static shared
# memory, spills. A spill is a failure; so are more registers or shared memory
# than resources.txt (docs/cuda.md states the occupancy) allows.
# usage: resources.sh NVCC FOLDER-OF-KERNELS
set -eu
nvcc=$1 folder=$2
limits=$(dirname "$0")/resources.txt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
run=()
command -v ccache >/dev/null && run=(ccache)
for source in "$folder"/*.cu; do
  for arch in 80 90; do
    "${run[@]}" "$nvcc" -c -std=c++17 -O3 -I "$folder/.." -Xptxas -v \
      -gencode "arch=compute_$arch,code=sm_$arch" -o "$tmp/o" "$source" \
      >"$tmp/log" 2>&1 || {
      cat "$tmp/log"
      exit 1
    }
    grep -E 'ptxas|spill' "$tmp/log" >>"$tmp/all" || true
  done
done
awk '
  # mangled: _Z<length><name>...
  function plain (s, n) {
    sub (/^_Z(N[0-9]*_GLOBAL__N_[^0-9]*)?/, "", s)
    n = s + 0
    sub (/^[0-9]+/, "", s)
    return substr (s, 1, n)
  }
  FNR == NR {
    if ($1 !~ /^#/ && NF == 3) {
      registers_of[$1] = $2
      shared_of[$1] = $3
    }
    next
  }
  /Compiling entry function/ {
    split ($0, q, "\047")
    name = plain (q[2])
    arch = q[4]
    spills = ""
  }
  /spill stores/ && !/ 0 bytes spill stores, 0 bytes spill loads/ {
    spills = "  SPILLS"
  }
  /Used [0-9]+ registers/ {
    match ($0, /Used [0-9]+/)
    registers = substr ($0, RSTART + 5, RLENGTH - 5) + 0
    shared = match ($0, /[0-9]+ bytes smem/) ? substr ($0, RSTART) + 0 : 0
    limit = name in registers_of ? name : "*"
    bad = spills
    if (registers > registers_of[limit] + 0 || shared > shared_of[limit] + 0)
      bad = bad "  MORE THAN resources.txt ALLOWS"
    printf "%s %-20s %3d registers %6d bytes shared%s\n", arch, name,
      registers, shared, bad
    kernels++
    failed += bad != ""
  }
  END {
    printf "%d kernels, %d failed\n", kernels, failed
    exit failed > 0 || kernels == 0
  }' "$limits" "$tmp/all"
