//! The `switchboard` program.

/// Less time per message than the system's, and memory of a burst goes back.
#[cfg(not(debug_assertions))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The same, counted: tests hold how many allocations a delivery takes.
#[cfg(debug_assertions)]
#[global_allocator]
static ALLOCATOR: switchboard::telemetry::allocations::Counting<mimalloc::MiMalloc> =
    switchboard::telemetry::allocations::Counting(mimalloc::MiMalloc);

fn main() -> std::process::ExitCode {
    switchboard::cli::main()
}
