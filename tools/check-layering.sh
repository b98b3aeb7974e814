#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Includes point down the arrow only: kernels <- engine <- gst-plugins <-
# pipelines. usage: check-layering.sh [source root]
set -eu
cd "${1:-.}"
bad=0

# folder, what its files may not include (an extended regular expression)
forbid () {
  local found
  [ -d "$1" ] || return 0
  found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" \
    --include='*.[ch]' --include='*.cu' --include='*.cuh' --include='*.cc' \
    "$1" | grep -v "${3:-^$}" || true)
  [ -z "$found" ] && return 0
  printf '%s may not include these:\n%s\n' "$1" "$found"
  bad=1
}

forbid kernels 'glib|gio/|gst/|neva/|json-glib|stdio|pthread|\.\./'
forbid engine 'gst/|gst-plugins|x86/|ref/'
forbid gst-plugins \
  '(backend|checkpoint|convert|text|vision|model|runtime|remote)/|kernels|matmul|attention|rowwise|json-glib'
forbid pipelines \
  '(backend|checkpoint|convert|text|vision|model|runtime|remote)/|kernels|matmul|attention|rowwise'
# CUDA headers only in kernels/cuda and engine/backend/cuda.c
forbid . '(cuda|cublas|nccl|curand)[a-zA-Z_]*\.h' \
  '^\./\(kernels/cuda/\|engine/backend/cuda\|tests/cudaemu/\)'
# public headers: nothing but the C library, GLib and each other
forbid engine/include 'config.h|gst/|cuda'

[ $bad = 0 ] && echo "layering holds"
exit $bad
