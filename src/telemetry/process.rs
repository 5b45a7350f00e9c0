//! What the operating system says of this process, read when it is asked for. Linux only.

use std::fmt::Write as _;
use std::fs;
use std::sync::OnceLock;

use schema::metric::{self, Kind};

/// The kernel shows times to programs in hundredths of a second, whatever it counts in itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// The metrics that begin with `process_`, as text for Prometheus.
#[must_use]
pub fn render() -> String {
    let mut page = String::new();
    for (name, value) in figures() {
        let Some(facts) = metric::ALL.iter().find(|facts| facts.name == name) else { continue };
        let kind = if facts.kind == Kind::Counter { "counter" } else { "gauge" };
        let help = facts.help;
        let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
    }
    page
}

fn figures() -> Vec<(&'static str, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let descriptors = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let descriptors = descriptors.map(|count| count as f64);
    [
        (metric::PROCESS_CPU_SECONDS, cpu_seconds(&stat)),
        (metric::PROCESS_RESIDENT_BYTES, field(&status, "VmRSS:").map(|kib| kib * 1_024.0)),
        (metric::PROCESS_THREADS, field(&status, "Threads:")),
        (metric::PROCESS_OPEN_FDS, descriptors),
        (metric::PROCESS_MAX_FDS, field(&limits, "Max open files")),
        (metric::PROCESS_START_TIME, started_at(&stat)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// A field of proc(5)'s `stat`, counted as there.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    // The program's name, in brackets, may hold blanks and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

/// Seconds since 1970: when the machine started, and the process after it.
fn started_at(stat: &str) -> Option<f64> {
    static BOOTED_AT: OnceLock<Option<f64>> = OnceLock::new();
    let booted_at =
        BOOTED_AT.get_or_init(|| field(&fs::read_to_string("/proc/stat").ok()?, "btime"));
    Some((*booted_at)? + stat_field(stat, 22)? / TICKS_PER_SECOND)
}

/// The first number of the line that begins so.
fn field(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_figures() {
        let page = render();
        let names = metric::ALL.iter().filter(|facts| facts.name.starts_with("process_"));
        for facts in names {
            let line = page.lines().find(|line| line.starts_with(&format!("{} ", facts.name)));
            let value: f64 = line.unwrap_or_else(|| panic!("{}: {page}", facts.name))
                [facts.name.len() + 1..]
                .parse()
                .unwrap();
            assert!(value >= 0.0, "{}: {value}", facts.name);
        }
        assert!(page.contains("# TYPE process_cpu_seconds_total counter"));
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 4200 1 2";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(stat_field(stat, 22), Some(4200.0));
        assert_eq!(field("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(field("Max open files   unlimited x", "Max open files"), None);
    }
}
