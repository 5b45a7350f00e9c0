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

# The table of figures, goal and measured: ten minutes on a quiet machine
figures *options:
    bash scripts/figures.sh {{ options }}