#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# occupancy.sh LIBRARY SPEED.md: every kernel of libnevacuda.so keeps everything
# in registers, and as many of its blocks fit a multiprocessor as the table
# "Occupancy" of SPEED.md states (the line "others" is for those not named).
set -eu
library=$1 table=$2
cuobjdump=${CUOBJDUMP:-$(command -v cuobjdump || echo /usr/local/cuda/bin/cuobjdump)}
if [ ! -x "$cuobjdump" ]; then
  echo "SKIP: no cuobjdump (of CUDA 13; CUOBJDUMP=PATH names one)"
  exit 77
fi
"$cuobjdump" --dump-resource-usage "$library" | awk -v table="$table" '
# _Z13attention_mmaILj128ELj4EEv... is attention_mma<128,4>
function kernel_name (symbol,    n, name, rest, args) {
  sub (/^_Z/, "", symbol)
  n = symbol + 0
  sub (/^[0-9]+/, "", symbol)
  name = substr (symbol, 1, n)
  rest = substr (symbol, n + 1)
  if (rest !~ /^I/) return name
  rest = substr (rest, 2)
  while (match (rest, /^(L[a-z][0-9]+E|[a-z])/)) {
    arg = substr (rest, 1, RLENGTH)
    rest = substr (rest, RLENGTH + 1)
    gsub (/^L[a-z]|E$/, "", arg)
    if (arg == "f") arg = "float"
    if (arg == "t") arg = "uint16_t"
    args = args (args == "" ? "" : ",") arg
  }
  return name "<" args ">"
}
function least (a, b) { return a < b ? a : b }
# sm_80: 164 KiB of shared memory, sm_90: 228; each block takes 1 KiB more,
# which the dump of sm_90 holds already. Registers come in 256 a warp.
function blocks (arch, regs, shared, threads,    warps, n) {
  warps = int ((threads + 31) / 32)
  n = int (65536 / (int ((regs * 32 + 255) / 256) * 256 * warps))
  n = least (n, int (64 / warps))
  shared += arch == "sm_80" ? 1024 : 0
  n = least (n, int ((arch == "sm_80" ? 164 : 228) * 1024 / shared))
  return least (n, 32)
}
BEGIN {
  while ((getline line < table) > 0) {
    if (line ~ /^#/) inside = line ~ /Occupancy/
    if (!inside || line !~ /^\| `/ && line !~ /^\| others/) continue
    split (line, f, /[ `]*\|[ `]*/)
    threads[f[2]] = f[3]; dynamic[f[2]] = f[4]
    stated[f[2], "sm_80"] = f[5]; stated[f[2], "sm_90"] = f[6]
    lines++
  }
  if (!lines || !("others" in threads)) {
    print "FAIL: " table " has no table under Occupancy"; bad = 1; exit
  }
}
/^arch = / { arch = $3 }
/^ Function / { name = kernel_name (substr ($2, 1, length ($2) - 1)) }
/^  REG:/ && (arch == "sm_80" || arch == "sm_90") {
  for (i = 1; i <= NF; i++) { split ($i, part, ":"); use[part[1]] = part[2] }
  row = name in threads ? name : "others"
  n = blocks (arch, use["REG"], use["SHARED"] + dynamic[row], threads[row])
  printf "%s %-24s %3d registers, %6d bytes shared, %2d blocks (%d stated)\n",
    arch, name, use["REG"], use["SHARED"] + dynamic[row], n, stated[row, arch]
  if (use["STACK"] + use["LOCAL"] != 0) {
    print "FAIL: " name " of " arch " spills or has a stack"; bad = 1
  }
  if (n < stated[row, arch]) {
    print "FAIL: fewer blocks of " name " fit " arch " than stated"; bad = 1
  }
  seen[name]; judged++
}
END {
  for (row in threads) if (row != "others" && !(row in seen) && judged) {
    print "FAIL: no kernel " row; bad = 1
  }
  if (!judged) { print "FAIL: no kernel was judged"; bad = 1 }
  print judged + 0 " kernels judged"
  exit bad
}'
