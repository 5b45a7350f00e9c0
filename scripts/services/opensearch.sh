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

version=2.19.6
cache=${XDG_CACHE_HOME:-$HOME/.cache}/switchboard/opensearch-$version

usage() {
    sed -n '2,/^set /{/^# \{0,1\}/s///p}' "${BASH_SOURCE[0]}"
    exit 2
}

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

is_fetched() { [ -f "$cache/complete" ]; }

# One process at a time: the others wait and find it done.
fetch() {
    is_fetched && return
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    if ! is_fetched; then
        need_maven
        need_java
        say "fetching OpenSearch $version into $cache"
        rm -rf "$cache/lib.part"
        mvn --quiet --batch-mode --file "$here/opensearch/pom.xml" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DincludeScope=runtime "-DoutputDirectory=$cache/lib.part" \
            || fail "mvn dependency:copy-dependencies of OpenSearch $version"
        [ -f "$cache/lib.part/opensearch-$version.jar" ] || fail "Maven left no OpenSearch jar"
        rm -rf "$cache/lib"
        mv "$cache/lib.part" "$cache/lib"
        touch "$cache/complete"
    fi
    flock -u 9
    exec 9>&-
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

is_running() {
    local pid
    pid=$(cat "$dir/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

start() {
    fetch
    is_running && fail "it runs already in $dir: stop it first"
    mkdir -p "$dir"
    setsid bash "${BASH_SOURCE[0]}" node --dir "$dir" --address "$address" --port "$port" \
        --heap-mb "$heap_mb" </dev/null >"$dir/output.log" 2>&1 &
    echo $! >"$dir/pid"
    echo "http://$address:$port" >"$dir/url"
    local deadline=$((SECONDS + 120))
    until grep -q "Startup complete" "$dir/output.log" 2>/dev/null; do
        if ! is_running || [ $SECONDS -ge $deadline ]; then
            tail -n 30 "$dir/output.log" >&2
            fail "OpenSearch did not start; see $dir/output.log"
        fi
        sleep 0.2
    done
    cat "$dir/url"
}

stop() {
    local pid waited
    pid=$(cat "$dir/pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || true
    for ((waited = 0; waited < 100; waited++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$dir/pid"
}

status() {
    is_running || { echo "it does not run in $dir"; exit 1; }
    echo "$(cat "$dir/url"), process $(cat "$dir/pid")"
}

case $command in
    fetch | node | start | stop | status) "$command" ;;
    *) usage ;;
esac
