#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# leaks.sh CONTROL PROGRAM...: runs element tests under GStreamer's leaks tracer
# and fails if an object outlives them. CONTROL leaks on purpose: where that goes
# unnoticed, nothing was tested.
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 CK_FORK=no

"$1" >"$log" 2>&1
if ! grep -q 'object-alive, type-name=(string)[A-Z]' "$log"; then
  echo "SKIP: the leaks tracer does not see a planted leak here"
  exit 77
fi
shift

status=0
for program; do
  "$program" >"$log" 2>&1 || { grep -E ':[FE]:' "$log"; status=1; }
  if ! grep -q 'Check suite' "$log"; then
    echo "$program ran no test"
    status=1
  fi
  if grep 'object-alive, type-name=(string)[A-Z]' "$log"; then
    echo "$program: these objects leaked"
    status=1
  fi
done
exit $status
