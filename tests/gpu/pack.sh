#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A folder that proves the CUDA backend on a machine with a GPU, a driver and
# CUDA 13 but nothing else: programs, every shared object they load (glibc and
# its loader too), models, references, run.sh. Nothing in it knows its place.
#   usage: pack.sh BUILD FOLDER [EMULATION.so]
# BUILD     a build folder of this checkout, with -Dcuda=enabled
# FOLDER    is made anew
# EMULATION instead of the kernels for GPUs: for the test of these scripts
set -eu
shopt -s nullglob
limit_mb=60
build=$(realpath "$1") emulation=${3:-}
source=$(cd "$(dirname "$0")/../.." && pwd)
shared=${NEVA_SHARED:-$source/../shared}
library=${emulation:-$build/kernels/cuda/libnevacuda.so}
[ -e "$library" ] || { echo "pack: $library is missing (-Dcuda=enabled)"; exit 1; }
if [ -e "$2" ] && [ ! -e "$2/COMMIT" ]; then
  echo "pack: $2 is there and not a folder that pack.sh made"
  exit 1
fi
rm -rf "$2"
mkdir -p "$2"/{bin,lib,plugins,references,model}
folder=$(realpath "$2")

# ---- programs, plugins, data
programs=(tests/checkback/checkback tests/reference/check-reference
  tests/bench/bench-gpu tests/bench/bench-model pipelines/neva-caption)
for program in "${programs[@]}"; do
  cp "$build/$program" "$folder/bin/"
done
cp "$library" "$folder/bin/libnevacuda.so"
cp "$build/gst-plugins/libgstneva.so" "$folder/plugins/"
system_plugins=$(pkg-config --variable=pluginsdir gstreamer-1.0)
for plugin in app avi coreelements jpeg playback typefindfunctions \
  videoconvertscale videofilter; do
  cp "$system_plugins/libgst$plugin.so" "$folder/plugins/"
done
cp -r "$source"/tests/data/reference/*/ "$folder/references/"
# grouped queries and a sliding window, which those have not
reference=$shared/reference/hf-clip-mistral-gqa-swa
[ ! -e "$reference" ] || cp -r "$reference" "$folder/references/"
for file in "$source"/models/demo/*; do
  [ -f "$file" ] && cp "$file" "$folder/model/"
done
cp "$source/tests/gpu/run.sh" "$folder/"
{ git -C "$source" rev-parse HEAD 2>/dev/null || echo unknown; } \
  >"$folder/COMMIT"
if [ -n "$(git -C "$source" status --porcelain 2>/dev/null)" ]; then
  echo "$(cat "$folder/COMMIT") and changes" >"$folder/COMMIT"
fi
[ -z "$emulation" ] || touch "$folder/EMULATION"

# A clip that the few plugins above can read.
gst-launch-1.0 -q uridecodebin uri="file://$source/models/demo/clips/circle.mp4" \
  ! videoconvert ! jpegenc quality=95 ! avimux \
  ! filesink location="$folder/model/circle.avi"

# ---- what they load
objects=("$folder"/bin/* "$folder"/plugins/*)
loader=$(ldd "$folder/bin/checkback" | sed -n 's|^\s*\(/[^ ]*ld-linux[^ ]*\).*|\1|p')
cp -L "$loader" "$folder/lib/"
ldd "${objects[@]}" 2>/dev/null | sed -n 's|.* => \(/[^ ]*\) .*|\1|p' | sort -u |
  while read -r object; do
    cp -L "$object" "$folder/lib/"
  done
# ICU's tables are half of the limit, and nothing here asks for them.
for object in "$folder"/lib/libicudata.so.*; do
  version=${object##*.}
  echo "const char icudt${version}_dat[64] = {0};" |
    cc -shared -fPIC -x c - -Wl,-soname,"$(basename "$object")" -o "$object"
done
strip --strip-unneeded "${objects[@]}" "$folder"/lib/*.so* 2>/dev/null || true

# Everything must be found here, and here alone.
failed=0
own=$folder/lib/$(basename "$loader")
for object in "${objects[@]}"; do
  # CUDA's own are the machine's
  outside=$("$own" --inhibit-cache --library-path "$folder/lib" --list \
    "$object" 2>&1 | grep -v -e 'linux-vdso' -e "$folder/" -e 'ld-linux' || true)
  if [ -n "$outside" ]; then
    printf 'pack: %s needs\n%s\n' "$(basename "$object")" "$outside"
    failed=1
  fi
done
kb=$(du -sk "$folder" | cut -f 1)
echo "pack: $folder, $(((kb + 1023) / 1024)) MB, $(cat "$folder/COMMIT")"
if [ "$kb" -gt $((limit_mb * 1024)) ]; then
  echo "pack: more than $limit_mb MB"
  du -k "$folder"/*/* | sort -rn | head -n 20
  failed=1
fi
exit $failed
