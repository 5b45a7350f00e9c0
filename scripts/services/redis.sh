#!/usr/bin/env bash
# Redis for tests: keeps nothing on disk.
#
#   redis.sh start [--cluster]    One server in the background, or a cluster of three.
#   redis.sh status               Tells what runs.
#   redis.sh stop                 Ends it.
#   redis.sh node [-- SETTING..]  Runs one in the foreground (what `start` and the tests use).
#
# Options: --dir DIR  --port PORT (6379)  --address IP (127.0.0.1)
# A cluster is on PORT, PORT + 1 and PORT + 2.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../setup.sh"
source "$here/service.sh"

command=${1:-}
shift || true
dir=${TMPDIR:-/tmp}/switchboard-redis port=6379 address=127.0.0.1 cluster=no settings=()
while [ $# -gt 0 ]; do
    case $1 in
        --cluster) cluster=yes && shift && continue ;;
        --) shift && settings=("$@") && break ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    [ $# -ge 2 ] || usage
    case $1 in
        --dir) dir=$2 ;;
        --port) port=$2 ;;
        --address) address=$2 ;;
        *) usage ;;
    esac
    shift 2
done

node() {
    need_redis
    mkdir -p "$dir"
    cd "$dir"
    exec redis-server --bind "$address" --port "$port" --dir "$dir" --save '' --appendonly no \
        --protected-mode no --daemonize no ${settings[@]+"${settings[@]}"}
}

# launch PORT SETTING...: one in the background.
launch() {
    local at=$1
    shift
    mkdir -p "$dir"
    setsid bash "${BASH_SOURCE[0]}" node --dir "$dir" --address "$address" --port "$at" -- "$@" \
        </dev/null >"$dir/redis$at.log" 2>&1 &
    echo $! >"$dir/redis$at.pid"
}

ask() { redis-cli -h "$address" -p "$@" 2>/dev/null; }

# Until the one that was launched answers: another one may have the port.
wait_for() {
    local at=$1 tries
    for ((tries = 0; tries < 100; tries++)); do
        ask "$at" info server | grep "^process_id:$(cat "$dir/redis$at.pid")"$'\r' >/dev/null && return
        sleep 0.1
    done
    tail -n 20 "$dir/redis$at.log" >&2
    fail "Redis on port $at did not start"
}

start() {
    need_redis
    (status) >/dev/null 2>&1 && fail "one runs already in $dir: stop it first"
    if [ "$cluster" = no ]; then
        launch "$port"
        wait_for "$port"
        echo "redis://$address:$port"
        return
    fi
    local at nodes=()
    for at in "$port" $((port + 1)) $((port + 2)); do
        launch "$at" --cluster-enabled yes --cluster-config-file "nodes$at.conf" \
            --cluster-node-timeout 2000 --cluster-require-full-coverage no
        nodes+=("$address:$at")
    done
    for at in "${nodes[@]##*:}"; do wait_for "$at"; done
    redis-cli --cluster create "${nodes[@]}" --cluster-yes >"$dir/create.log" 2>&1 \
        || fail "redis-cli --cluster create; see $dir/create.log"
    local IFS=,
    echo "redis://${nodes[*]}"
}

stop() {
    local file
    for file in "$dir"/redis*.pid; do
        [ -f "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null || true
        rm -f "$file"
    done
    rm -f "$dir"/nodes*.conf
}

status() {
    local file pid running=0
    for file in "$dir"/redis*.pid; do
        pid=$(cat "$file" 2>/dev/null) && kill -0 "$pid" 2>/dev/null || continue
        running=$((running + 1))
        echo "$(basename "$file" .pid): process $pid"
    done
    [ "$running" -gt 0 ] || { echo "none runs in $dir"; exit 1; }
}

case $command in
    start | stop | status | node) "$command" ;;
    *) usage ;;
esac
