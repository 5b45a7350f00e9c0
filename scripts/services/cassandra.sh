#!/usr/bin/env bash
# Apache Cassandra for tests, without a container: one node or three on loopback addresses.
#
#   cassandra.sh fetch     Downloads it by Maven into the cache folder, once.
#   cassandra.sh start     Starts nodes in the background; returns when they answer.
#   cassandra.sh status    Tells which run.
#   cassandra.sh stop      Ends them. Their data stay in --dir.
#   cassandra.sh node      Runs one node in the foreground (what `start` and the tests use).
#
# Options of start:   --nodes 1|3  --dir DIR  --port-base PORT (9042)  --heap-mb MB (512)
#                     --address-base A.B.C (127.0.0: nodes are A.B.C.1 to A.B.C.3)
#                     --commitlog-sync periodic|batch
#                     --purpose tests|load (starts fast and stays small, or runs fast: all of the
#                     compiler, a young generation of half the heap, large memtables, timers
#                     that may be late by 1 ms)
# Options of node:    the same, and --index I (0 to nodes - 1)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../setup.sh"
source "$here/service.sh"

version=5.0.5
cache=${XDG_CACHE_HOME:-$HOME/.cache}/switchboard/cassandra-$version

command=${1:-}
shift || true
nodes=1 index=0 dir=${TMPDIR:-/tmp}/switchboard-cassandra port=9042 heap_mb=512
address_base=127.0.0 commitlog_sync=periodic purpose=tests
while [ $# -gt 0 ]; do
    case $1 in --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;; esac
    [ $# -ge 2 ] || usage
    case $1 in
        --nodes) nodes=$2 ;;
        --index) index=$2 ;;
        --dir) dir=$2 ;;
        --port-base) port=$2 ;;
        --heap-mb) heap_mb=$2 ;;
        --address-base) address_base=$2 ;;
        --commitlog-sync) commitlog_sync=$2 ;;
        --purpose) purpose=$2 ;;
        *) usage ;;
    esac
    shift 2
done
case $nodes in 1 | 3) ;; *) fail "--nodes $nodes: 1 or 3" ;; esac
case $purpose in
    tests) memtable_mb=64 commitlog_mb=128 segment_mb=8 purpose_options=() ;;
    load)
        memtable_mb=$((heap_mb / 4)) commitlog_mb=2048 segment_mb=32
        purpose_options=(-XX:TieredStopAtLevel=4 "-Xmn$((heap_mb / 2))m")
        ;;
    *) fail "--purpose $purpose: tests or load" ;;
esac
# Between nodes. Apart from the CQL port whatever that is.
storage_port=$((port - 2042))

address_of() { echo "$address_base.$(($1 + 1))"; }
folder_of() { echo "$dir/node$1"; }

fetch() {
    fetch_by_maven Cassandra "$here/cassandra/pom.xml" "cassandra-all-$version.jar"
}

# Evenly round the ring, so that nothing has to be agreed at the start.
tokens() {
    local count=$((nodes * 4)) position list=""
    # 2^64 / count; sums wrap round as they should.
    local step=$((9223372036854775807 / count * 2))
    for ((position = index; position < count; position += nodes)); do
        list+=${list:+,}$((-9223372036854775807 + position * step))
    done
    echo "$list"
}

# All of them: a seed starts without waiting for others.
seeds() {
    local i list=""
    for ((i = 0; i < nodes; i++)); do
        list+=${list:+,}$(address_of "$i")
    done
    echo "$list"
}

write_settings() {
    local folder=$1 sync_setting=""
    case $commitlog_sync in
        periodic) sync_setting="commitlog_sync_period: 1000ms" ;;
        batch) ;;
        *) fail "--commitlog-sync $commitlog_sync: periodic or batch" ;;
    esac
    mkdir -p "$folder"
    sed -e "s|@CLUSTER@|switchboard $address_base|" \
        -e "s|@TOKENS@|$(tokens)|" \
        -e "s|@SEEDS@|$(seeds)|" \
        -e "s|@ADDRESS@|$(address_of "$index")|" \
        -e "s|@STORAGE_PORT@|$storage_port|" \
        -e "s|@NATIVE_PORT@|$port|" \
        -e "s|@DIR@|$folder|" \
        -e "s|@MEMTABLE_MB@|$memtable_mb|" \
        -e "s|@COMMITLOG_MB@|$commitlog_mb|" \
        -e "s|@SEGMENT_MB@|$segment_mb|" \
        -e "s|@COMMITLOG_SYNC@|$commitlog_sync|" \
        -e "s|@COMMITLOG_SYNC_SETTING@|$sync_setting|" \
        "$here/cassandra/cassandra.yaml" >"$folder/cassandra.yaml"
}

node() {
    is_fetched || fetch
    need_java
    local folder
    folder=$(folder_of "$index")
    write_settings "$folder"
    cd "$folder"
    if [ "$purpose" = load ]; then
        # Workers without work sleep 10 microseconds at a time until they have some: 33,000 changes of
        # threads a second, and half of Cassandra's CPU on two cores. Inherited by all of its threads.
        echo 1000000 2>/dev/null >"/proc/$$/timerslack_ns" ||
            echo "cassandra.sh: timers cannot be made late here: it takes more CPU" >&2
    fi
    # How long a starting node listens for others.
    local ring_delay_ms=$((nodes > 1 ? 1000 : 0))
    exec "$java" "@$here/cassandra/jvm.options" "-Xms${heap_mb}m" "-Xmx${heap_mb}m" \
        "${purpose_options[@]}" \
        "-XX:ErrorFile=$folder/hs_err.log" \
        "-Dcassandra.config=file://$folder/cassandra.yaml" \
        "-Dcassandra.storagedir=$folder" \
        "-Dlogback.configurationFile=file://$here/cassandra/logback.xml" \
        "-Dcassandra.ring_delay_ms=$ring_delay_ms" \
        -cp "$cache/lib/*" org.apache.cassandra.service.CassandraDaemon
}

# With the other nodes up as well: reads of all three replicas need that.
is_ready() {
    local log
    log=$(folder_of "$1")/output.log
    grep -q "Startup complete" "$log" 2>/dev/null || return 1
    [ "$(grep -o "InetAddress .* is now UP" "$log" | sort -u | wc -l)" -ge $((nodes - 1)) ]
}

all_ready() {
    local i
    for ((i = 0; i < nodes; i++)); do
        is_ready "$i" || return 1
    done
}

start() {
    fetch
    local i folder deadline=$((SECONDS + 180))
    for ((i = 0; i < nodes; i++)); do
        folder=$(folder_of "$i")
        is_running "$folder" && fail "a node runs already in $folder: stop it first"
        begin "$folder" --index "$i" --nodes "$nodes" --dir "$dir" \
            --port-base "$port" --heap-mb "$heap_mb" --address-base "$address_base" \
            --commitlog-sync "$commitlog_sync" --purpose "$purpose"
    done
    until all_ready; do
        for ((i = 0; i < nodes; i++)); do
            is_running "$(folder_of "$i")" && [ $SECONDS -lt $deadline ] && continue
            did_not_start "node $i" "$(folder_of "$i")"
        done
        sleep 0.2
    done
    echo "cql://$(address_of 0):$port"
}

stop() {
    local folder
    for folder in "$dir"/node*; do end "$folder"; done
}

status() {
    local i running=0
    for ((i = 0; i < 3; i++)); do
        [ -d "$(folder_of "$i")" ] || continue
        if is_running "$(folder_of "$i")"; then
            running=$((running + 1))
            echo "node $i: $(address_of "$i"):$port, process $(cat "$(folder_of "$i")/pid")"
        else
            echo "node $i: not running"
        fi
    done
    [ "$running" -gt 0 ] || { echo "no node runs in $dir"; exit 1; }
}

case $command in
    fetch | node | start | stop | status) "$command" ;;
    *) usage ;;
esac
