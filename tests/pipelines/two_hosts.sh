#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# neva-eval and neva-caption on two machines: two network namespaces with names
# and addresses of their own and a cable between them, over which mpirun starts
# processes and MPI speaks TCP. Then the cable is cut, and a machine dies: what
# was finished is kept, nothing waits longer than the bound, --resume completes.
# Needs namespaces (root, or user namespaces), and ip of iproute2.
# usage: two_hosts.sh NEVA-EVAL NEVA-CAPTION [MPIRUN]
set -u
eval=$(realpath "$1") caption=$(realpath "$2") mpirun=${3:-}

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

sent () { ip netns exec west cat /sys/class/net/cable-w/statistics/tx_bytes; }

# ---- Both programs ----

mkdir "$tmp/four" # of the demo's five layers four divide by two
ln -s "$demo"/*.* "$tmp/four/"
rm "$tmp/four/config.json"
sed 's/"num_hidden_layers": 5/"num_hidden_layers": 4/' "$demo/config.json" \
  >"$tmp/four/config.json"
prompts () { # rounds
  local n=0
  for _ in $(seq "$1"); do
    for clip in circle square-and-star story; do
      echo "{\"video\": \"$clip.mp4\", \"prompt\": \"Describe the video.\", \"id\": $((n += 1))}"
    done
  done
}
prompts 2 >"$tmp/p.jsonl"
rows=(inference.media_base_path="$demo/clips" inference.media_type=video
  inference.greedy=True weights=f32)
ask=("$demo"/clips/*.mp4 --weights f32 -f json)
ids () { sed 's/, "mean_logprob.*//' "$1"; }

for model in "$demo" "$tmp/four"; do
  name=$(basename "$model")
  "$eval" neva_model_file="$model" prompt_file="$tmp/p.jsonl" \
    output_file="$tmp/$name.jsonl" "${rows[@]}" >"$tmp/out" 2>"$tmp/err" \
    && "$caption" -m "$model" "${ask[@]}" >"$tmp/$name.captions" \
      2>"$tmp/err" || fail "one process"
done

shared () { # what, model, processes on each, TP, PP
  local before model=$2 name
  name=$(basename "$2")
  before=$(sent)
  job "$3" "$eval" neva_model_file="$model" prompt_file="$tmp/p.jsonl" \
    output_file="$tmp/e.jsonl" "${rows[@]}" tensor_model_parallel_size="$4" \
    pipeline_model_parallel_size="$5" || fail "neva-eval, $1"
  cmp -s "$tmp/e.jsonl" "$tmp/$name.jsonl" \
    && echo "ok: neva-eval, $1: $((($(sent) - before) / 1024)) KiB sent" \
    || fail "neva-eval, $1: other rows"
  before=$(sent)
  job "$3" "$caption" -m "$model" "${ask[@]}" --tensor-parallel "$4" \
    --pipeline-parallel "$5" || fail "neva-caption, $1"
  [ "$(ids "$tmp/out")" = "$(ids "$tmp/$name.captions")" ] \
    && echo "ok: neva-caption, $1: $((($(sent) - before) / 1024)) KiB sent" \
    || fail "neva-caption, $1: other captions"
}
shared "2 groups" "$demo" 1 1 1
shared "TP 2, a rank on each" "$demo" 1 2 1
shared "TP 2 x PP 2, a stage on each" "$tmp/four" 2 2 2
shared "2 groups of TP 2" "$demo" 2 2 1

# ---- A machine is lost ----

short=10

mkdir "$tmp/v"
for i in $(seq 20); do
  ln -s "$demo/clips/circle.mp4" "$tmp/v/$i.mp4"
done
many=("$tmp"/v/*.mp4 -m "fake:echo?delay=100" -w 1s -f json)
"$caption" "${many[@]}" >"$tmp/many.jsonl" 2>"$tmp/err" || fail "one process"
prompts 40 >"$tmp/long.jsonl"
sed 's/circle/square-and-star/' "$tmp/long.jsonl" >"$tmp/x"
"$eval" neva_model_file="$demo" prompt_file="$tmp/long.jsonl" \
  output_file="$tmp/long-alone.jsonl" "${rows[@]}" >"$tmp/out" 2>"$tmp/err" \
  || fail "one process, many rows"

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

# what happens, to which program, its output, processes on each, its arguments
lose () {
  local how=$1 name=$2 output=$3 processes=$4 start waited pid
  shift 4
  bound=$short job "$processes" "$@" &
  pid=$!
  for _ in $(seq 2400); do
    [ -s "$output" ] && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
  done
  [ -s "$output" ] || fail "$how, $name: nothing was written before"
  running "$name" || fail "$how, $name: it was over before"
  $how
  start=$SECONDS
  # mpirun itself may wait longer for its daemon on the lost machine
  while running "$name" && [ $((SECONDS - start)) -lt 200 ]; do
    sleep 0.2
  done
  waited=$((SECONDS - start))
  echo "    $how, $name: over after $waited s with $(wc -l <"$output") rows"
  grep -h -m 1 "^$name" "$tmp/err" | sed 's/^/    /'
  [ $waited -le "$longest" ] || fail "$how, $name: waits longer than the bound"
  heal
  wait $pid 2>/dev/null
}

resume () { # what, processes on each, its output, what is right, arguments
  local what=$1 processes=$2 output=$3 right=$4
  shift 4
  job "$processes" "$@" --resume || fail "$what: resume"
  cmp -s "$output" "$right" && echo "ok: $what, resumed" \
    || fail "$what: other rows"
}

for how in cut_cable kill_host; do
  longest=$((4 * short))
  out=$tmp/$how.jsonl
  captions=("$caption" "${many[@]}" -o "$out")
  lose $how neva-caption "$out" 1 "${captions[@]}"
  resume "$how, neva-caption" 1 "$out" "$tmp/many.jsonl" "${captions[@]}"
  out=$tmp/e-$how.jsonl
  answers=("$eval" neva_model_file="$demo" prompt_file="$tmp/long.jsonl"
    output_file="$out" "${rows[@]}")
  lose $how neva-eval "$out" 1 "${answers[@]}"
  resume "$how, neva-eval" 1 "$out" "$tmp/long-alone.jsonl" "${answers[@]}"
  # who waits for its leader's next model or step waits a minute at least
  longest=$((60 + 4 * short))
  out=$tmp/t-$how.jsonl
  answers=("$eval" neva_model_file="$demo" prompt_file="$tmp/long.jsonl"
    output_file="$out" "${rows[@]}" tensor_model_parallel_size=2)
  lose $how neva-eval "$out" 1 "${answers[@]}"
  resume "$how, neva-eval, TP 2" 1 "$out" "$tmp/long-alone.jsonl" "${answers[@]}"
done 2> >(grep -v Killed >&2)
exit $failed
