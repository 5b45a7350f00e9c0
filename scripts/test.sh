#!/usr/bin/env bash
# Everything that must hold: formatting, lints, all tests of the server and the load tester (with a
# real Cassandra, a real Redis and a real OpenSearch), a cluster under faults, the JavaScript client,
# and the chat page in a real browser. Installs what is missing.
#
# CHAT_LOGS_DIR=FOLDER replays the chat logs (*.jsonl) of that folder; without it a made-up
# log is replayed.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

started=$SECONDS
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

say "set-up"
need_rust
need_c_compiler
need_node
need_redis
need_prometheus
need_proxies
need_java
need_maven
install_debian chromium chromium
bash scripts/services/cassandra.sh fetch || fail "Cassandra, which the cluster's tests start"
bash scripts/services/opensearch.sh fetch || fail "OpenSearch, which the tests of search start"
npm_install clients/typescript
npm_install tests/browser

say "formatting and lints"
cargo fmt --all --check || fail "formatting: run cargo fmt --all"
cargo clippy --workspace --all-targets --quiet -- -D warnings || fail "clippy"

say "the server, its parts, and the load tester"
cargo test --workspace --quiet || fail "cargo test"
# Each once, so that they go on working.
cargo test --workspace --quiet --bench hot_path >/dev/null || fail "the benchmarks"
# Built by the tests, with the very same parts: built again alone it would take minutes more.
programs="${CARGO_TARGET_DIR:-$PWD/target}/debug"
[ -x "$programs/switchboard" ] || fail "the tests left no $programs/switchboard"

say "a cluster of three nodes under faults"
"$programs/switchboard-loadtest" faults --server-bin "$programs/switchboard" --database-nodes 1 \
    --seconds 240 --pauses 20 --kills 10 --database-faults 10 --redis-faults 10 --partitions 2 \
    --longest-ms 8000 || fail "the cluster under faults"

say "what is deployed, and the book"
SWITCHBOARD_BIN="$programs/switchboard" bash scripts/check-deploy.sh

say "the JavaScript client"
(cd clients/typescript && npm run --silent typecheck && npm test --silent) || fail "clients/typescript"

say "the chat page in a browser"
SWITCHBOARD_BIN="$programs/switchboard" npm test --silent --prefix tests/browser \
    || fail "tests/browser"

say "all passed in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
