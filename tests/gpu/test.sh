#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# pack.sh and run.sh on the emulation: the folder is small enough and complete,
# the run passes in an empty environment and says so; a device that is missing
# and a broken kernel library fail it.
# usage: test.sh BUILD EMULATION.so
set -u
tests=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

for program in gst-launch-1.0 strip pkg-config; do
  command -v $program >/dev/null || { echo "SKIP: no $program"; exit 77; }
done

fail () {
  echo "FAIL: $*"
  failed=1
}

run () { # report, environment
  local report=$1
  shift
  env -i PATH="$PATH" "$@" "$tmp/pack/run.sh" --emulation "$report"
}

"$tests/pack.sh" "$1" "$tmp/pack" "$2" || { fail pack; exit 1; }
(cd / && run "$tmp/report.md" NEVA_CUDAEMU_DEVICES=2) || fail "the run"
for line in '| checkback, seed 1 | ok |' '| reference clip-llama-8-heads | ok |' \
  "| captions equal the CPU's | ok |" '| reference, 2 GPUs | ok |' \
  '| commit | ' '| benchmark, LLaVA-tiny | ok |' '| decode-96-int4 | '; do
  grep -qF "$line" "$tmp/report.md" || fail "no line: $line"
done
if run "$tmp/none.md" NEVA_CUDAEMU_DEVICES=0 >/dev/null; then
  fail "passes without a device"
fi
grep -qF '| checkback, seed 1 | **failed (1)** |' "$tmp/none.md" ||
  fail "no device is not said"
if "$tmp/pack/run.sh" "$tmp/real.md" >/dev/null; then
  fail "takes the emulation for a device"
fi
[ $failed = 1 ] || echo "ok: pack.sh, run.sh"
exit $failed
