#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Everything that can be tested on this machine. Installs what it needs.
# usage: ./test.sh [--quick]     --quick: the plain build only, no sanitizers
set -u
cd "$(dirname "$0")"

quick=
[ "${1:-}" = --quick ] && quick=1

tools/install-deps.sh test || exit 1

passed=0 failed=0 skipped=0
summary=

# configure and build a folder; the log is shown only when it fails
build () { # folder, meson options…
  local dir=$1 log
  shift
  log=$(mktemp)
  if [ -d "$dir" ]; then
    meson configure "$dir" "$@" >"$log" 2>&1
  else
    meson setup "$dir" "$@" >"$log" 2>&1
  fi && ninja -C "$dir" >>"$log" 2>&1
  local rc=$?
  if [ $rc != 0 ]; then
    tail -n 60 "$log"
    echo "test.sh: building $dir FAILED"
    failed=$((failed + 1))
    summary="$summary
  $dir: build failed"
  fi
  rm -f "$log"
  return $rc
}

# run a build folder's suites and add up what Meson counted
run () { # folder, what it is, meson test options…
  local dir=$1 name=$2 log="$1/test-output.txt" ok fail skip
  shift 2
  echo "== $name"
  meson test -C "$dir" --print-errorlogs "$@" 2>&1 | tee "$log"
  count () { sed -n "s/^$1: *\([0-9]*\).*/\1/p" "$log" | tail -n 1; }
  ok=$(count 'Ok') fail=$(count 'Fail') skip=$(count 'Skipped')
  fail=$((${fail:-0} + $(count 'Timeout' | grep . || echo 0) \
    + $(count 'Unexpected Pass' | grep . || echo 0)))
  if [ "${ok:-0}" = 0 ]; then
    echo "test.sh: $name tested nothing"
    fail=$((fail + 1))
  fi
  # a skip is printed as a skip, with the reason that the test gave
  grep -E ' SKIP( |$)' "$log" | sed 's/^/SKIPPED: /'
  passed=$((passed + ${ok:-0})) failed=$((failed + fail))
  skipped=$((skipped + ${skip:-0}))
  summary="$summary
  $name: ${ok:-0} passed, $fail failed, ${skip:-0} skipped"
  # said again at the very end, where a shortened log still shows it
  [ "$fail" = 0 ] || summary="$summary
$(tests/failures.py "$dir")"
}

build build -Dtests=enabled -Dplugins=enabled && run build "plain build" -t 3

if [ -z "$quick" ]; then
  # Optimised a little, or the arithmetic of whole models takes too long.
  build build-asan -Dtests=enabled -Dplugins=enabled -Doptimization=1 \
    -Db_sanitize=address,undefined -Db_lundef=false \
    && run build-asan "address and undefined-behaviour sanitizers" \
      --no-suite lint --no-suite headers -t 4

  build build-tsan -Dtests=enabled -Dplugins=enabled -Doptimization=1 \
    -Db_sanitize=thread -Db_lundef=false \
    && run build-tsan "thread sanitizer" --suite engine --suite gst \
      --no-suite single -t 6

  if command -v clang >/dev/null; then
    CC=clang CXX=clang++ build build-fuzz -Dtests=enabled -Dplugins=disabled \
      -Dfuzz=enabled -Dprefer_static=false -Db_lundef=false \
      && run build-fuzz "fuzzing, a short run" --suite fuzz -t 2
  else
    echo "SKIPPED: fuzzing: no clang"
    skipped=$((skipped + 1))
  fi
fi

echo "== summary$summary"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
