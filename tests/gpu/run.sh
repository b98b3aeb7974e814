#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole proof of the CUDA backend in one call, in a folder that pack.sh
# made. Needs bash, coreutils, sed, grep; a driver and CUDA 13 (cuBLAS).
#   usage: run.sh [--emulation] [REPORT.md]
# The report (default: report.md here) is written as far as the run got; what
# the steps printed is in logs/ beside it. Exit status: 0 all steps that ran
# agree, 1 not, or no device. Steps that do not fit into NEVA_RUN_SECONDS (450)
# are left out, and said to be.
# --emulation: the folder holds the emulation; for the test of this script.
set -u
seconds_in_all=${NEVA_RUN_SECONDS:-450}
here=$(cd "$(dirname "$0")" && pwd)
emulation=
if [ "${1:-}" = --emulation ]; then
  emulation=1
  shift
fi
if [ -n "$emulation" ] && [ ! -e "$here/EMULATION" ] ||
  [ -z "$emulation" ] && [ -e "$here/EMULATION" ]; then
  echo "run.sh: --emulation and what the folder holds do not fit"
  exit 1
fi
report=$(realpath "${1:-$here/report.md}")
logs=$(dirname "$report")/logs
mkdir -p "$logs"
: >"$report" || exit 1

# ---- the machine

# Folders of the machine that hold CUDA's libraries; ours come first.
paths=$here/lib
cublas=
add_folder () {
  [ -d "$1" ] || return 0
  paths=$paths:$1
  [ -n "$cublas" ] || ! [ -e "$1/libcublas.so.13" ] ||
    cublas=$1/libcublas.so.13
}
if [ -z "$emulation" ]; then
  for folder in /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64 \
    /usr/local/cuda*/targets/x86_64-linux/lib /usr/local/nvidia/lib64 \
    /usr/local/nvidia/lib /usr/local/cuda/compat /usr/lib/x86_64-linux-gnu \
    /usr/lib64 /usr/lib/wsl/lib /opt/cuda/lib64 \
    ${LD_LIBRARY_PATH:+${LD_LIBRARY_PATH//:/ }}; do
    add_folder "$folder"
  done
  if [ -z "$cublas" ]; then
    for folder in $(timeout 40 find / -xdev \( -name 'libcublas.so.13*' -o \
      -name 'libnccl.so.2' \) -printf '%h\n' 2>/dev/null | sort -u); do
      add_folder "$folder"
    done
  fi
fi
loader=$(echo "$here"/lib/ld-linux*)

# Runs a program of the folder with its own glibc.
own () {
  local program=$1
  shift
  "$loader" --library-path "$paths" "$here/bin/$program" "$@"
}

# Plugins are ours alone; GPU kernels of the folder, for every program.
export NEVA_CUDA_LIBRARY=$here/bin/libnevacuda.so NEVA_REQUIRE_DEVICE=1
export GST_PLUGIN_PATH_1_0=$here/plugins GST_PLUGIN_SYSTEM_PATH_1_0=
export GST_REGISTRY_FORK=no HOME="${HOME:-/tmp}" LC_ALL=C
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export GST_REGISTRY=$temporary/registry NEVA_SOURCE=$here

smi () {
  command -v nvidia-smi >/dev/null && timeout 60 nvidia-smi "$@" 2>/dev/null
}
gpus=$(smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm \
  --format=csv,noheader)
gpu_count=$(printf '%s' "$gpus" | grep -c .)
[ -z "$emulation" ] || gpus="none: the emulation"

say () {
  printf '%s\n' "$*" | tee -a "$report"
}

say "# The CUDA backend on a device"
say ""
say "| | |"
say "|---|---|"
say "| commit | $(cat "$here/COMMIT") |"
say "| date | $(date -u '+%Y-%m-%d %H:%M UTC') |"
while read -r line; do
  say "| GPU (name, driver, memory, capability, clock) | $line |"
done <<<"${gpus:-nvidia-smi does not say}"
say "| driver | $(head -n 1 /proc/driver/nvidia/version 2>/dev/null ||
  echo 'not told by /proc') |"
say "| cuBLAS | ${cublas:-not found in the usual places} |"
say "| CPU | $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), \
$(nproc) cores |"
say ""
say "| Step | Result | Seconds | Last line |"
say "|---|---|---|---|"

# ---- steps

# what the emulation does in minutes, a device does in seconds
seeds="1 2 3" references="*" forms="bf16 int8 int4" shape=7b
max_tokens=24 window=1s slow=1
if [ -n "$emulation" ]; then
  seeds=1 references="clip-llama-*" forms=bf16 shape=tiny
  seconds_in_all=${NEVA_RUN_SECONDS:-3600}
  max_tokens=3 window=60s slow=20
fi
failed=0
ran=0
left_out=0

# name, seconds at most, command: its exit status decides; 77 is not a pass.
step () {
  local name=$1 limit=$2 log status start=$SECONDS result last
  local left=$((seconds_in_all - SECONDS))
  shift 2
  if [ $left -lt 5 ]; then
    left_out=$((left_out + 1))
    not_run "$name" "the $seconds_in_all s are over"
    return 1
  fi
  [ "$limit" -le $left ] || limit=$left
  log=$logs/${name//[^a-zA-Z0-9._-]/-}.log
  timeout -k 10 "$limit" bash -c '"$@"' step "$@" >"$log" 2>&1
  status=$?
  case $status in
    0) result=ok ;;
    77) result="**nothing judged**" ;;
    124 | 137) result="**longer than $limit s**" ;;
    *) result="**failed ($status)**" ;;
  esac
  [ $status = 0 ] || failed=1
  ran=$((ran + 1))
  last=$(grep -v '^$' "$log" | tail -n 1 | cut -c 1-100 | tr '|' '/')
  say "| $name | $result | $((SECONDS - start)) | $last |"
  return $status
}

not_run () {
  say "| $1 | not run | | $2 |"
}

caption () { # device weights
  own neva-caption -q -m "$here/model" --device="$1" --weights="$2" \
    --max-tokens="$max_tokens" --window="$window" "$here/model/circle.avi"
}

same_captions () {
  caption cpu f32 >"$temporary/cpu" || return 1
  caption cuda f32 >"$temporary/cuda" || return 1
  [ -s "$temporary/cpu" ] || { echo "no captions"; return 1; }
  diff "$temporary/cpu" "$temporary/cuda" || return 1
  cat "$temporary/cuda"
}

# The machine's own GStreamer with our plugin, and with what of the folder the
# machine lacks: its CUDA elements do not fit into the folder.
machines_gst () {
  local own=$temporary/gst object
  mkdir -p "$own/lib" "$own/plugins"
  ln -sf "$here/plugins/libgstneva.so" "$own/plugins/"
  for object in $(ldd "$here/plugins/libgstneva.so" |
    sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p'); do
    ln -sf "$here/lib/$object" "$own/lib/"
  done
  env -u GST_PLUGIN_SYSTEM_PATH_1_0 GST_PLUGIN_PATH_1_0="$own/plugins" \
    GST_REGISTRY="$own/registry" \
    LD_LIBRARY_PATH="$own/lib:${LD_LIBRARY_PATH:-}${cublas:+:${cublas%/*}}" "$@"
}

caption_of () { # how frames go to the encoder
  machines_gst gst-launch-1.0 -q videotestsrc num-buffers=4 pattern=smpte75 ! \
    video/x-raw,format=NV12,width=640,height=360 ! "$@" ! \
    nevaframesampler num-frames=4 ! \
    nevaencoder model="$here/model" device=cuda weights=f32 ! \
    nevallm max-tokens="$max_tokens" output=text ! fdsink | cat
}

same_from_gpu_memory () {
  caption_of identity >"$temporary/host" || return 1
  caption_of cudaupload ! 'video/x-raw(memory:CUDAMemory)' \
    >"$temporary/gpu" || return 1
  [ -s "$temporary/host" ] || { echo "no captions"; return 1; }
  diff "$temporary/host" "$temporary/gpu" || return 1
  cat "$temporary/gpu"
}

sanitize () { # tool, cases of checkback
  compute-sanitizer --tool "$1" --error-exitcode 9 \
    "$loader" --library-path "$paths" "$here/bin/checkback" 1 --only "$2"
}

# Steps are commands of shells of their own, under a time limit.
export here loader paths temporary max_tokens window cublas
export -f own caption same_captions sanitize
export -f machines_gst caption_of same_from_gpu_memory
for seed in $seeds; do
  step "checkback, seed $seed" $((60 * slow)) own checkback $seed
done
for reference in "$here"/references/$references; do
  step "reference $(basename "$reference")" $((30 * slow)) own check-reference \
    --device cuda "$reference"
done
step "captions equal the CPU's" $((60 * slow)) same_captions
for weights in $forms; do
  step "captions, $weights" $((30 * slow)) caption cuda $weights
done
if machines_gst gst-inspect-1.0 --exists cudaupload >/dev/null 2>&1; then
  step "captions from the GPU's memory" 600 same_from_gpu_memory
else
  not_run "captions from the GPU's memory" "no GStreamer with cudaupload here"
fi
if [ "${gpu_count:-0}" -gt 1 ] || [ "${NEVA_CUDAEMU_DEVICES:-1}" -gt 1 ]; then
  step "reference, 2 GPUs" $((30 * slow)) own check-reference --device cuda --ranks 2x1 \
    "$here/references/clip-llama-8-heads"
else
  not_run "reference, 2 GPUs" "one GPU"
fi
# The weights are written first: 14 GB, in memory where there is room.
step "benchmark, LLaVA-$shape" $((240 * slow)) own bench-gpu "$shape"
if [ -n "$emulation" ]; then
  not_run "benchmark, 1.1B" "the emulation has no speed"
else
  step "benchmark, 1.1B" 100 env NEVA_BENCH_DEVICE=cuda \
    "$loader" --library-path "$paths" "$here/bin/bench-model"
fi
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck initcheck; do
    for name in rms_norm layer_norm rope copy_rows gather act_mul; do
      step "$tool $name" 40 sanitize $tool $name
    done
  done
else
  not_run compute-sanitizer "it is not on this machine"
fi

# ---- rates

say ""
say "LLaVA-$shape, synthetic weights. Limits are measured in the same run: bytes"
say "that a step has to read at the rate of a copy on the device, arithmetic of"
say "the weights at the rate of cuBLAS."
say ""
bench=$logs/benchmark--LLaVA-$shape.log
grep '^[^|{]*: copies' "$bench" 2>/dev/null | tee -a "$report"
say ""
grep '^|' "$bench" 2>/dev/null | tee -a "$report"
say ""
if [ -e "$logs/benchmark--1.1B.log" ]; then
  say "1.1B, lines of JSON:"
  say ""
  say '```'
  grep -v '^$' "$logs/benchmark--1.1B.log" | tee -a "$report"
  say '```'
fi
say ""
if [ $failed = 0 ]; then
  say "All $ran steps agree; $left_out were left out."
else
  say "**Not all of the $ran steps agree**; \`logs/\` has what they printed."
fi
exit $failed
