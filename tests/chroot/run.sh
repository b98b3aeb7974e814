#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A fresh Debian with nothing but git: clone, then run a command there.
# usage: tests/chroot/run.sh bookworm|trixie FOLDER [COMMAND…]
#   FOLDER   where the system is made (once; about 2 GB) and the clone goes
#   COMMAND  what to run in the clone; default: ./demo.sh
# Needs root, debootstrap and Debian's package mirror. ../shared, when it is
# there, is put beside the clone.
set -eu

suite=$1 root=$2
shift 2
[ $# -gt 0 ] || set -- ./demo.sh
source=$(cd "$(dirname "$0")/../.." && pwd)

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "SKIP: needs root and debootstrap"
  exit 77
fi

if [ ! -e "$root/etc/debian_version" ]; then
  debootstrap --variant=minbase "$suite" "$root" http://deb.debian.org/debian \
    >"$root.log" 2>&1 || { tail -n 5 "$root.log"; exit 1; }
fi
cp /etc/resolv.conf "$root/etc/"
for m in proc dev; do
  mountpoint -q "$root/$m" || mount --bind "/$m" "$root/$m"
done
chroot "$root" sh -c 'command -v git >/dev/null ||
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends git; }' \
  >>"$root.log" 2>&1

rm -rf "$root/home/neva"
mkdir -p "$root/home/neva"
git clone -q "$source" "$root/home/neva/clone"
[ -d "$source/../shared" ] && cp -r "$source/../shared" "$root/home/neva/shared"
printf 'Debian %s, %s\n' "$(cat "$root/etc/debian_version")" "$*"
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  LANG=C.UTF-8 sh -c 'cd /home/neva/clone && exec "$@"' sh "$@"
