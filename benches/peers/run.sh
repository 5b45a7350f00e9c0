#!/usr/bin/env bash
# The same workloads for Switchboard, ejabberd and Prosody, one after the other on this machine:
# one table. Nothing else should run meanwhile.
#
#   run.sh [--quick] [--only switchboard,ejabberd,prosody] [--json FOLDER] [--programs FOLDER]
#          [OPTION OF `peer`]...
#
# --quick: fewer connections and shorter stages, to see that everything works. Sizes are options of
# `switchboard-loadtest peer`: --connections N, --pairs N, --rate N, --duration-s S, --room N,
# --room-rates N,N,…, --stage-s S. --json keeps each report in a folder; --programs takes both
# programs from there and builds nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/setup.sh

only=switchboard,ejabberd,prosody results='' programs='' options=()
while [ $# -gt 0 ]; do
    case $1 in
        --quick) options+=(--connections 500 --settle-s 4 --warm-up-s 2 --duration-s 4 --stage-s 3 \
            --room 100 --room-rates 10,50,100) ;;
        --only) only=$2; shift ;;
        --json) results=$(mkdir -p "$2" && cd "$2" && pwd); shift ;;
        --programs) programs=$2; shift ;;
        --help) sed -n '2,/^set /{/^# \{0,1\}/s///p}' "$0"; exit 0 ;;
        *) options+=("$1") ;;
    esac
    shift
done

need_node
if [ -z "$programs" ]; then
    need_rust
    need_c_compiler
    say "building"
    cargo build --release --quiet -p switchboard -p switchboard-loadtest || fail "cargo build --release"
    programs=target/release
fi
load=$programs/switchboard-loadtest
ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d)
results=${results:-$work}
server=''
stop() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$server" 2>/dev/null || true
    server=''
}
trap 'stop; rm -rf "$work"' EXIT

free_port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }

wait_port() {
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$2" >&2
    fail "$3 does not start"
}

# measure NAME ARGUMENT...: a run that fails is told, and goes on.
measure() {
    local name=$1
    shift
    "$load" peer "$@" "${options[@]}" >"$results/$name.json" 2>"$work/$name.log" \
        || { echo "$name: FAIL"; tail -n 12 "$work/$name.log"; }
}

wanted() { [[ ",$only," == *",$1,"* ]]; }

if wanted switchboard; then
    say "Switchboard"
    measure switchboard switchboard --server-bin "$programs/switchboard"
fi

if wanted ejabberd; then
    say "ejabberd"
    install_debian ejabberdctl ejabberd
    folder=$work/ejabberd port=$(free_port)
    mkdir -p "$folder/data"
    sed "s/PORT/$port/" benches/peers/ejabberd.yml >"$folder/ejabberd.yml"
    library=$(dirname "$(dpkg -L ejabberd | grep '/ebin/ejabberd.app$')")
    EJABBERD_CONFIG_PATH=$folder/ejabberd.yml EJABBERD_LOG_PATH=$folder/ejabberd.log \
        erl -noinput -pa "$library" +K true +P 500000 +Q 65536 -mnesia dir "\"$folder/data\"" \
        -s ejabberd >"$folder/out" 2>&1 &
    server=$!
    wait_port "$port" "$folder/out" ejabberd
    measure ejabberd xmpp --address "127.0.0.1:$port" --server-pid "$server"
    stop
fi

if wanted prosody; then
    say "Prosody"
    install_debian prosodyctl prosody
    folder=$work/prosody port=$(free_port)
    mkdir -p "$folder/data"
    sed -e "s/PORT/$port/" -e "s|FOLDER|$folder|" benches/peers/prosody.cfg.lua >"$folder/prosody.cfg.lua"
    prosody -F --config "$folder/prosody.cfg.lua" >"$folder/out" 2>&1 &
    server=$!
    wait_port "$port" "$folder/out" Prosody
    measure prosody xmpp --address "127.0.0.1:$port" --server-pid "$server"
    stop
fi

version() { dpkg-query --show --showformat '${Version}' "$1" 2>/dev/null || true; }
node benches/peers/table.mjs "$results" "ejabberd $(version ejabberd)" "Prosody $(version prosody)"
