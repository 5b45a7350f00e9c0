#!/usr/bin/env bash
# Everything that must hold: formatting, lints, all tests of the server and the load tester, the
# JavaScript client, and the chat page in a real browser. Installs what is missing.
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
install_debian chromium chromium
npm_install clients/typescript
npm_install tests/browser

say "formatting and lints"
cargo fmt --all --check || fail "formatting: run cargo fmt --all"
cargo clippy --workspace --all-targets --quiet -- -D warnings || fail "clippy"

say "the server, its parts, and the load tester"
cargo test --workspace --quiet || fail "cargo test"

say "the JavaScript client"
(cd clients/typescript && npm run --silent typecheck && npm test --silent) || fail "clients/typescript"

say "the chat page in a browser"
cargo build --quiet --package switchboard
SWITCHBOARD_BIN="$PWD/target/debug/switchboard" npm test --silent --prefix tests/browser \
    || fail "tests/browser"

say "all passed in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
