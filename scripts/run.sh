#!/usr/bin/env bash
# Builds and starts Switchboard with the embedded store and the chat page. Arguments go to
# `switchboard serve`.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

need_rust
need_c_compiler
program=${CARGO_TARGET_DIR:-target}/release/switchboard
[ -x "$program" ] || say "building; the first time takes some minutes"
cargo build --release --package switchboard || fail "the build"
exec "$program" serve "$@"
