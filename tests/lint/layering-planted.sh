#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The layering check must fail on a planted include in each room.
set -eu
root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

plant () { # room, include line
  rm -rf "$tmp"/*
  mkdir -p "$tmp/kernels" "$tmp/engine/include" "$tmp/gst-plugins" \
    "$tmp/pipelines" "$tmp/$1"
  printf '%s\n' "$2" >"$tmp/$1/planted.c"
  if "$root/tools/check-layering.sh" "$tmp" >/dev/null; then
    echo "not caught in $1: $2"
    exit 1
  fi
}

plant kernels '#include <glib.h>'
plant kernels '#include "engine/log.h"/* */'$'\n''#include <neva/model.h>'
plant engine '#include <gst/gst.h>'
plant gst-plugins '#include "model/llava.h"'
plant pipelines '#include "text/tokenizer.h"'
plant engine/model '#include <cuda_runtime.h>'
echo "6 planted includes caught"
