#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is missing on a Debian or Ubuntu machine, and says what.
# usage: tools/install-deps.sh [run|test]
#   run   build and run (default)
#   test  also what the test suite needs (compilers with sanitizers, formatters)
set -eu

what=${1:-run}

run="gcc g++ meson ninja-build pkg-config ca-certificates
  libglib2.0-dev libjson-glib-dev libsentencepiece-dev libpcre2-dev
  libarchive-dev libyaml-dev libsoup-3.0-dev libjpeg-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
  gstreamer1.0-x"
test="clang clang-format libgstreamer-plugins-bad1.0-dev binutils git"
# libgstreamer-plugins-bad1.0-dev (headers of libgstcuda) brings OpenCV: who has
# no CUDA elements builds without it.
# The sanitizer and fuzzer runtimes of clang have the version in their name.
# MPI, a browser for neva-live's page, a server for rtspsrc: tested where they
# can be had.
optional="libclang-rt-dev fonts-dejavu-core chromium libopenmpi-dev openmpi-bin
  libgstrtspserver-1.0-dev"

wanted=$run
[ "$what" = test ] && wanted="$run $test"

if ! command -v apt-get >/dev/null; then
  echo "install-deps: no apt-get here; install by hand:" $wanted >&2
  exit 0
fi

missing () {
  for p in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null \
      | grep -qx installed || echo "$p"
  done
}

need=$(missing $wanted)
[ "$what" = test ] && need="$need $(missing $optional)"
[ -n "$(echo $need)" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "install-deps: not root and no sudo; install by hand:" $need >&2
    exit 1
  }
  as_root="sudo"
fi

echo "install-deps: installing" $need
$as_root apt-get update -qq
available=
for p in $need; do
  if apt-cache show "$p" >/dev/null 2>&1; then
    available="$available $p"
  else
    echo "install-deps: $p is not in this distribution, going on without"
  fi
done
log=$(mktemp)
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
  --no-install-recommends $available >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
