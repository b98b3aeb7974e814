#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A test program that fails must say so and end, with and without fork.
# usage: failing.sh PROGRAM
for fork in yes no; do
  for name in test_here test_in_a_streaming_thread; do
    out=$(CK_FORK=$fork GST_CHECKS=$name timeout 100 "$1" 2>&1)
    rc=$?
    if [ $rc = 0 ] || [ $rc = 124 ] || ! grep -q 'failing\.c:' <<<"$out"; then
      printf 'CK_FORK=%s %s: exit status %d\n%s\n' $fork $name $rc "$out"
      exit 1
    fi
  done
done
echo "4 failures, each told at once"
