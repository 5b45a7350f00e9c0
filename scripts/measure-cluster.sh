#!/usr/bin/env bash
# Two nodes on one Cassandra and one Redis, pairs of users in a closed loop on each node: messages
# a second, entries a commit, and where the CPU went. Build with `cargo build --release` first.
#
#   measure-cluster.sh [--shards N (4)] [--pairs N (50, on each node)] [--warmup-s S (60)]
#                      [--duration-s S (20)] [--heap-mb MB (1536)] [--port-base PORT (23000)]
#                      [--commitlog-sync periodic|batch] [--purpose load|tests]
#                      [--workers N (1, of each node: two nodes share this machine's cores)]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$here/../target/release

shards=4 pairs=50 warmup_s=60 duration_s=20 heap_mb=1536 port=23000 commitlog_sync=periodic
purpose=load workers=1
while [ $# -gt 1 ]; do
    case $1 in
        --shards) shards=$2 ;;
        --pairs) pairs=$2 ;;
        --warmup-s) warmup_s=$2 ;;
        --duration-s) duration_s=$2 ;;
        --heap-mb) heap_mb=$2 ;;
        --port-base) port=$2 ;;
        --commitlog-sync) commitlog_sync=$2 ;;
        --purpose) purpose=$2 ;;
        --workers) workers=$2 ;;
        *) break ;;
    esac
    shift 2
done
[ $# -eq 0 ] || { sed -n '2,/^set /{/^# \{0,1\}/s///p}' "${BASH_SOURCE[0]}"; exit 2; }

dir=$(mktemp -d)
cql=$((port + 42)) redis=$((port + 79))
stop() {
    [ -f "$dir/pids" ] && kill $(cat "$dir/pids") 2>/dev/null
    sleep 1
    bash "$here/services/cassandra.sh" stop --dir "$dir/cassandra" >/dev/null 2>&1
    bash "$here/services/redis.sh" stop --dir "$dir"
    rm -rf "$dir"
}
trap 'stop || true' EXIT

bash "$here/services/cassandra.sh" start --dir "$dir/cassandra" --port-base "$cql" \
    --purpose "$purpose" --heap-mb "$heap_mb" --commitlog-sync "$commitlog_sync" >/dev/null
bash "$here/services/redis.sh" start --dir "$dir" --port "$redis" >/dev/null
store="cql://127.0.0.1:$cql/load?shards=$shards&replication_factor=1"
"$bin/switchboard" config cluster --store "$store" --bridge "redis://127.0.0.1:$redis" >"$dir/config"
chmod 600 "$dir/config"
"$bin/switchboard" migrate --config "$dir/config" >/dev/null
sed -n 's/^admin_token = "\(.*\)"$/\1/p' "$dir/config" >"$dir/admin"

for limit in SENDS_PER_SECOND SENDS_BURST CONNECTIONS_PER_ADDRESS SILENT_CONNECTIONS_PER_ADDRESS \
    REQUESTS_PER_SECOND REQUESTS_BURST; do
    export "SWITCHBOARD_LIMITS__$limit=1000000"
done
export SWITCHBOARD_WORKERS=$workers
for node in 1 2; do
    "$bin/switchboard" serve --config "$dir/config" --data-dir "$dir/node$node" \
        --listen "127.0.0.1:$((port + node))" --internal-listen "127.0.0.1:$((port + 10 + node))" \
        >"$dir/node$node.log" 2>&1 &
    echo $! >>"$dir/pids"
done
for node in 1 2; do
    until curl -sf "127.0.0.1:$((port + 10 + node))/readyz" >/dev/null; do sleep 0.5; done
done

clients=()
for node in 1 2; do
    "$bin/switchboard-loadtest" direct --pairs "$pairs" --warmup-s "$warmup_s" \
        --duration-s "$duration_s" --target "http://127.0.0.1:$((port + node))" \
        --internal "http://127.0.0.1:$((port + 10 + node))" --admin-token-file "$dir/admin" \
        --server-pid "$(sed -n "${node}p" "$dir/pids")" >"$dir/client$node" 2>&1 &
    clients+=($!)
done

# CPU ticks of the nodes, Cassandra, Redis and the clients; then entries and commits so far.
look() {
    local pid
    for pid in $(cat "$dir/pids" "$dir/cassandra/node0/pid" "$dir/redis$redis.pid") "${clients[@]}"; do
        awk '{ printf "%d ", $14 + $15 }' "/proc/$pid/stat"
    done
    for node in 1 2; do curl -s "127.0.0.1:$((port + 10 + node))/metrics"; done |
        awk '/commit_entries_sum/ { e += $2 } /commit_entries_count/ { c += $2 } END { print e, c }'
}
# The clients make their users first, so the middle of their time is surely measured time.
sleep $((warmup_s + 4))
before=$(look)
sleep $((duration_s - 8))
after=$(look)
echo "$before $after" | awk -v s=$((duration_s - 8)) -v hz="$(getconf CLK_TCK)" '{
    n = $15 - $7; us = 1e6 / hz / n
    printf "%d messages/s, %.1f entries a commit, %d commits/s\n", n / s, n / ($16 - $8), ($16 - $8) / s
    printf "CPU a message, us: servers %.1f, Cassandra %.1f, Redis %.1f, clients %.1f\n",
        ($9 + $10 - $1 - $2) * us, ($11 - $3) * us, ($12 - $4) * us, ($13 + $14 - $5 - $6) * us
}'
wait "${clients[@]}" || echo "a client failed"
cat "$dir/client1" "$dir/client2"
"$bin/switchboard" audit --config "$dir/config"
