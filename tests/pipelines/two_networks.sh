# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Two machines for a test: two network namespaces, west and east, with names and
# addresses of their own and a cable between them. For scripts that set eval,
# caption and mpirun and were called as usage says; they are started again in
# namespaces of their own, or end as skipped. Gives tmp, demo, failed, bound,
# options, fail, few_layers, job, heal, cut_cable, kill_host, running.

skip () {
  echo "SKIP: $*"
  exit 77
}

[ -n "$mpirun" ] || skip "no MPI"
command -v ip >/dev/null && command -v unshare >/dev/null \
  || skip "no ip and unshare"
if [ -z "${NEVA_TWO_HOSTS:-}" ]; then
  with=(--net --mount --uts)
  [ "$(id -u)" = 0 ] || with+=(--user --map-root-user)
  unshare "${with[@]}" true 2>/dev/null || skip "no namespaces here"
  NEVA_TWO_HOSTS=1 exec unshare "${with[@]}" bash "$0" "$@"
fi

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# s: of waiting for a message; short only where somebody is lost
bound=120
tmp=$(mktemp -d)
export TMPDIR=$tmp
demo=$NEVA_SOURCE/models/demo
failed=0

fail () {
  echo "FAIL: $*"
  cat "$tmp/err"
  failed=1
}

few_layers () { # into: the demo with four layers
  mkdir "$1"
  ln -s "$demo"/*.* "$1/"
  rm "$1/config.json"
  sed 's/"num_hidden_layers": 5/"num_hidden_layers": 4/' "$demo/config.json" \
    >"$1/config.json"
}

# ---- Two machines ----

mount -t tmpfs none /run 2>/dev/null && mkdir -p /run/netns \
  && printf '127.0.0.1 localhost\n10.77.0.1 west\n10.77.0.2 east\n' \
    >"$tmp/hosts" && mount --bind "$tmp/hosts" /etc/hosts \
  && ip netns add west && ip netns add east \
  && ip link add cable-w netns west type veth peer name cable-e netns east \
  && ip -n west addr add 10.77.0.1/24 dev cable-w \
  && ip -n east addr add 10.77.0.2/24 dev cable-e \
  && ip -n west link set lo up && ip -n east link set lo up \
  && ip -n west link set cable-w up && ip -n east link set cable-e up \
  && ip netns exec west true || skip "no two networks here"

cat >"$tmp/on" <<'EOF'
#!/bin/sh
# usage: on HOST COMMAND…, as ssh
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
EOF
chmod +x "$tmp/on"
trap 'for h in west east; do ip netns pids $h; done | xargs -r kill -9 2>/dev/null
  rm -rf "$tmp"' EXIT

options=()
job () { # processes on each, command…
  local n=$1
  shift
  NEVA_COMM_TIMEOUT=$bound timeout 300 "$tmp/on" west "$mpirun" \
    --mca plm_rsh_agent "$tmp/on" --mca btl tcp,self \
    --mca oob_tcp_if_include 10.77.0.0/24 --mca btl_tcp_if_include 10.77.0.0/24 \
    -x NEVA_COMM_TIMEOUT ${options[@]+"${options[@]}"} \
    --oversubscribe --host "west:$n,east:$n" -np $((2 * n)) "$@" \
    >"$tmp/out" 2>"$tmp/err"
}

job 1 hostname || skip "mpirun does not start a process on the other host: $(
  head -n 3 "$tmp/err")"
[ "$(sort "$tmp/out" | tr '\n' ' ')" = "east west " ] \
  || fail "one process on each: $(cat "$tmp/out")"

# ---- Losing one ----

heal () {
  ip -n west link set cable-w up
  for host in west east; do
    ip netns pids $host | xargs -r kill -9 2>/dev/null
  done
}
cut_cable () { ip -n west link set cable-w down; }
kill_host () { ip netns pids east | xargs -r kill -9; }

running () { # the program, on either machine
  { ip netns pids west; ip netns pids east; } | xargs -r -I{} \
    cat /proc/{}/comm 2>/dev/null | grep -q "^$1\$"
}
