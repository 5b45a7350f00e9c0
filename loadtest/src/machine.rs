//! What this machine takes for the two things that figures hang on most: handing a message to a
//! socket, and making a file durable. Figures of two machines are compared beside these.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

/// A delivered message of 100 bytes of text comes to about this.
const MESSAGE_BYTES: usize = 122;
const SENDS: u32 = 200_000;
const BATCH: usize = 10;
const SYNCS: usize = 500;
const PAGE_BYTES: usize = 4_096;

#[derive(Debug, Args)]
pub struct MachineArgs {
    /// Where files are made durable: on the disk that the store would use.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Costs of this machine.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Machine {
    /// CPU of the sending thread for one `send` of 122 bytes on loopback, microseconds.
    pub send_cpu_us: f64,
    /// The same for each of ten messages that leave in one call.
    pub send_in_ten_cpu_us: f64,
    /// `fdatasync` after a page of 4 KiB was appended, microseconds.
    pub sync_p50_us: f64,
    pub sync_p99_us: f64,
}

impl MachineArgs {
    /// Measures; takes some seconds.
    ///
    /// # Errors
    /// When a socket or a file cannot be used.
    pub fn run(&self) -> anyhow::Result<Machine> {
        let send_cpu_us = cpu_us_of_send(1)?;
        let send_in_ten_cpu_us = cpu_us_of_send(BATCH)? / BATCH as f64;
        let (sync_p50_us, sync_p99_us) = sync_us(&self.dir).context("a file")?;
        Ok(Machine { send_cpu_us, send_in_ten_cpu_us, sync_p50_us, sync_p99_us })
    }
}

/// Of one call that hands over so many messages.
fn cpu_us_of_send(messages: usize) -> anyhow::Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("a listener")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    sender.set_nodelay(true)?;
    let drained = thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while receiver.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    let bytes = vec![7; MESSAGE_BYTES * messages];
    let before = thread_cpu()?;
    for _ in 0..SENDS {
        sender.write_all(&bytes)?;
    }
    let spent = thread_cpu()? - before;
    drop(sender);
    let _ = drained.join();
    Ok(spent.as_secs_f64() * 1e6 / f64::from(SENDS))
}

/// On a processor so far: proc(5), `/proc/thread-self/schedstat`.
fn thread_cpu() -> anyhow::Result<Duration> {
    let file = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(file).context(file)?;
    let nanoseconds = text.split_whitespace().next().context(file)?.parse().context(file)?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Median and 99th percentile, microseconds.
fn sync_us(dir: &Path) -> anyhow::Result<(f64, f64)> {
    let path = dir.join(format!(".switchboard-sync-{}", std::process::id()));
    let measured = sync_times(&path);
    let _ = fs::remove_file(&path);
    let mut times = measured?;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok((at(0.5), at(0.99)))
}

fn sync_times(path: &Path) -> anyhow::Result<Vec<Duration>> {
    let mut file = File::create(path)?;
    let page = vec![7; PAGE_BYTES];
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { send_cpu_us, send_in_ten_cpu_us, sync_p50_us, sync_p99_us } = self;
        writeln!(
            formatter,
            "one send of {MESSAGE_BYTES} bytes on loopback: {send_cpu_us:.2} µs of CPU; ten in \
             one call: {send_in_ten_cpu_us:.2} µs each"
        )?;
        writeln!(formatter, "fdatasync: p50 {sync_p50_us:.0} µs, p99 {sync_p99_us:.0} µs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_measured() {
        let machine = MachineArgs { dir: std::env::temp_dir() }.run().unwrap();
        assert!(machine.send_cpu_us > 0.1, "{machine:?}");
        assert!(machine.send_in_ten_cpu_us < machine.send_cpu_us, "{machine:?}");
        assert!(machine.sync_p50_us <= machine.sync_p99_us, "{machine:?}");
    }
}
