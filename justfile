# The same commands people and CI use. `just` lists them.

default:
    @just --list

# Start Switchboard with the embedded store and the chat page
run *arguments:
    bash scripts/run.sh {{ arguments }}

# Everything: set-up, lints, all tests, the browser, the ten logs
test:
    bash scripts/test.sh

# Formatting, lints, tidy rules: quick
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Figures of this machine: bytes per idle connection, messages per second
figures:
    cargo bench --bench connection_memory
    cargo run --release --package switchboard-loadtest -- direct --pairs 100 --server-bin target/release/switchboard
