//! What the operating system says of a process: time and memory. Linux only.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

/// The kernel shows times to programs in hundredths of a second, whatever it counts in itself.
const TICK: Duration = Duration::from_millis(10);
const PAGE_BYTES: u64 = 4_096;

/// CPU time of all threads since the start, user and system.
///
/// # Errors
/// When the process is gone.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    parse_cpu_time(&text).with_context(|| format!("{path}: {text:?}"))
}

fn parse_cpu_time(stat: &str) -> Option<Duration> {
    // The program's name, in brackets, may hold blanks and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Fields 14 and 15 of proc(5), counted from 1 with the name as 2.
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

/// Resident memory, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All of it, shared code included.
    pub resident_bytes: u64,
    /// Its own: heap and stacks.
    pub anonymous_bytes: u64,
}

/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let kibibytes = |name| kibibytes(&text, name).with_context(|| format!("{path}: no {name}"));
    Ok(Memory {
        resident_bytes: kibibytes("VmRSS")? * 1_024,
        anonymous_bytes: kibibytes("RssAnon")? * 1_024,
    })
}

/// Memory of the kernel, bytes, of the whole machine: differences tell what sockets take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelMemory {
    /// Buffers of TCP sockets, both ends.
    pub tcp_buffer_bytes: u64,
    /// Structures of the kernel, sockets among them.
    pub slab_bytes: u64,
}

/// `None` where the kernel does not tell.
#[must_use]
pub fn kernel_memory() -> Option<KernelMemory> {
    let sockets = fs::read_to_string("/proc/net/sockstat").ok()?;
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    Some(KernelMemory {
        tcp_buffer_bytes: tcp_pages(&sockets)? * PAGE_BYTES,
        slab_bytes: kibibytes(&machine, "Slab")? * 1_024,
    })
}

/// `TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 2`: pages of buffers.
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find(|line| line.starts_with("TCP:"))?;
    line.split_once(" mem ")?.1.split_ascii_whitespace().next()?.parse().ok()
}

/// A line such as `VmRSS:     1234 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a ) b (c) S 1 42 42 0 -1 4194560 900 0 1 0 250 50 0 0 20 0 9 0 7 8 9";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_cpu_time("42 (a) S 1"), None);
    }

    #[test]
    fn sizes_are_found() {
        assert_eq!(kibibytes("VmRSS:\t  1234 kB\nRssAnon:  7 kB\n", "RssAnon"), Some(7));
        assert_eq!(
            tcp_pages("sockets: used 9\nTCP: inuse 5 orphan 0 tw 0 alloc 7 mem 12\n"),
            Some(12)
        );
    }

    #[test]
    fn this_very_process_can_be_looked_at() {
        let pid = std::process::id();
        assert!(memory(pid).unwrap().resident_bytes > 100_000);
        assert!(cpu_time(pid).is_ok());
        assert!(cpu_time(u32::MAX).is_err());
    }
}
