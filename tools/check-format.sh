#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every C and CUDA file is as clang-format 14 leaves it. Other versions differ in
# details, so without version 14 this is a skip. usage: check-format.sh [root]
set -u
cd "${1:-.}"

for tool in clang-format-14 clang-format; do
  command -v $tool >/dev/null || continue
  $tool --version | grep -q 'version 14\.' && break
  tool=
done
if [ -z "${tool:-}" ] || ! command -v "$tool" >/dev/null; then
  echo "SKIP: clang-format 14 is not installed"
  exit 77
fi

files=$(git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.cc' 2>/dev/null)
[ -n "$files" ] || files=$(find engine kernels gst-plugins pipelines tests \
  examples -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' 2>/dev/null)
[ -n "$files" ] || { echo "no file to check"; exit 1; }
$tool --dry-run --Werror $files || exit 1
echo "$(echo "$files" | wc -l) files formatted"
