#!/usr/bin/env bash
# The figures that Switchboard is held to, measured on this machine: one table with goal and
# measured value. Takes about fifteen minutes; nothing else should run meanwhile.
#
#   figures.sh [--quick] [--without-cluster]
#
# --quick: fewer connections and shorter runs, to see that everything works.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

quick=no cluster=yes
for option in "$@"; do
    case $option in
        --quick) quick=yes ;;
        --without-cluster) cluster=no ;;
        *) sed -n '2,/^set /{/^# \{0,1\}/s///p}' "$0"; exit 2 ;;
    esac
done

need_rust
need_c_compiler
need_node
say "building"
cargo build --release --quiet --workspace --bins || fail "cargo build --release"
load=target/release/switchboard-loadtest
server=target/release/switchboard
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

connections=10000 seconds=20 storm=1
if [ "$quick" = yes ]; then connections=500 seconds=3 storm=0.05; fi

# measure NAME SCENARIO OPTION...: keeps the report; a run that fails is told and goes on.
measure() {
    local name=$1 scenario=$2
    shift 2
    say "$name"
    "$load" run "$scenario" --server-bin "$server" --quiet --report "$results/$name.json" "$@" \
        >"$results/$name.log" 2>&1 || { echo "$name: FAIL"; tail -n 12 "$results/$name.log"; }
}

say "machine"
"$load" machine --json >"$results/machine.json"
say "idle"
"$load" idle --connections "$connections" --server-bin "$server" --json \
    >"$results/bytes.json" 2>"$results/bytes.log" || { echo "idle: FAIL"; tail -n 12 "$results/bytes.log"; }
measure idle idle --set "silent.connections=$connections"
say "direct"
"$load" direct --pairs 100 --warmup-s 5 --duration-s "$seconds" --server-bin "$server" --json \
    >"$results/direct.json" 2>"$results/direct.log" || { echo "direct: FAIL"; tail -n 12 "$results/direct.log"; }
measure direct-open direct-open --set "timing.duration_s=$seconds"
measure hot-conversation hot-conversation
say "cold start"
"$load" cold-start --server-bin "$server" --json \
    >"$results/cold-start.json" 2>"$results/cold-start.log" || { echo "cold start: FAIL"; tail -n 12 "$results/cold-start.log"; }
printf '%s\n' 'name = "bursts"' 'summary = "A room of 200, one sender with ten messages on their way"' '[[conversations]]' \
    'kind = "group"' 'members = 200' '[traffic]' 'loop = "closed"' 'in_flight = 10' 'text_bytes = 100' '[timing]' \
    'warm_up_s = 2.0' 'duration_s = 5.0' >"$results/bursts.toml"
measure bursts "$results/bursts.toml"
printf '%s\n' 'name = "room-10k"' 'summary = "A room of 500, 20 messages a second"' '[[conversations]]' 'kind = "group"' \
    'members = 500' 'senders = 20' '[traffic]' 'loop = "open"' 'rate = 20.0' 'text_bytes = 100' '[timing]' \
    'warm_up_s = 3.0' "duration_s = $seconds.0" >"$results/room-10k.toml"
measure room-10k "$results/room-10k.toml"
measure room room
sed -e 's/room-10k/room-saturated/' -e 's/20 messages/1,300 messages/' -e 's/rate = 20.0/rate = 1300.0/' \
    -e 's/duration_s = .*/duration_s = 8.0/' "$results/room-10k.toml" >"$results/room-saturated.toml"
printf '%s\n' '[thresholds]' 'sustained_p99_ms = 100.0' >>"$results/room-saturated.toml"
measure room-saturated "$results/room-saturated.toml"
measure reconnect-storm reconnect-storm --scale "$storm"
[ "$quick" = yes ] || measure slow-consumer slow-consumer
if [ "$cluster" = yes ]; then
    say "cluster"
    bash scripts/measure-cluster.sh --duration-s "$seconds" >"$results/cluster.txt" 2>&1 \
        || { echo "cluster: FAIL"; tail -n 12 "$results/cluster.txt"; }
    # Cassandra compiles its hottest code in the first minute.
    warm_up=60.0
    [ "$quick" = yes ] && warm_up=5.0
    for scenario in direct-open hot-conversation; do
        measure "cluster-$scenario" "$scenario" --nodes 2 --set "timing.warm_up_s=$warm_up" --set server.shards=4 \
            --set "timing.duration_s=$seconds"
    done
fi
node scripts/figures.mjs "$results"
