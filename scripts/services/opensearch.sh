#!/usr/bin/env bash
# OpenSearch for tests, without a container: one node on a loopback address.
#
#   opensearch.sh fetch     Downloads it by Maven into the cache folder, once.
#   opensearch.sh start     Starts it in the background; returns when it answers.
#   opensearch.sh status    Tells whether it runs.
#   opensearch.sh stop      Ends it. Its data stay in --dir.
#   opensearch.sh node      Runs it in the foreground (what `start` and the tests use).
#
# Options:   --dir DIR  --address ADDRESS (127.0.0.1)  --port PORT (9200)  --heap-mb MB (256)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../setup.sh"
source "$here/service.sh"

version=2.19.6
cache=${XDG_CACHE_HOME:-$HOME/.cache}/switchboard/opensearch-$version

command=${1:-}
shift || true
dir=${TMPDIR:-/tmp}/switchboard-opensearch address=127.0.0.1 port=9200 heap_mb=256
while [ $# -gt 0 ]; do
    case $1 in --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;; esac
    [ $# -ge 2 ] || usage
    case $1 in
        --dir) dir=$2 ;;
        --address) address=$2 ;;
        --port) port=$2 ;;
        --heap-mb) heap_mb=$2 ;;
        *) usage ;;
    esac
    shift 2
done

fetch() {
    fetch_by_maven OpenSearch "$here/opensearch/pom.xml" "opensearch-$version.jar"
}

node() {
    is_fetched || fetch
    need_java
    mkdir -p "$dir"
    cd "$dir"
    exec "$java" "-Xms${heap_mb}m" "-Xmx${heap_mb}m" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        "-XX:ErrorFile=$dir/hs_err.log" -cp "$cache/lib/*" \
        "$here/opensearch/OpenSearchForTests.java" "$dir" "$address" "$port"
}

start() {
    fetch
    is_running "$dir" && fail "it runs already in $dir: stop it first"
    begin "$dir" --dir "$dir" --address "$address" --port "$port" --heap-mb "$heap_mb"
    echo "http://$address:$port" >"$dir/url"
    local deadline=$((SECONDS + 120))
    until grep -q "Startup complete" "$dir/output.log" 2>/dev/null; do
        is_running "$dir" && [ $SECONDS -lt $deadline ] || did_not_start OpenSearch "$dir"
        sleep 0.2
    done
    cat "$dir/url"
}

stop() { end "$dir"; }

status() {
    is_running "$dir" || { echo "it does not run in $dir"; exit 1; }
    echo "$(cat "$dir/url"), process $(cat "$dir/pid")"
}

case $command in
    fetch | node | start | stop | status) "$command" ;;
    *) usage ;;
esac
