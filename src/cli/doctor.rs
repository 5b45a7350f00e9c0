//! `doctor`: what will make trouble on this machine, before it does.

use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::Instant;

use super::local;
use super::options::ServerOptions;
use super::{Outcome, print_json};
use crate::auth::accounts::{ADMIN_TOKEN_FILE, SIGNING_KEY_FILE};
use crate::config::Config;
use crate::config::limits::descriptor_limit;
use crate::gateway::HEARTBEAT_S;

#[derive(clap::Args)]
pub(super) struct DoctorArguments {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ServerOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    Good,
    /// Works, but not for long or not for many.
    Warning,
    /// The server will not run well.
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    grade: Grade,
    detail: String,
}

impl Finding {
    const fn new(check: &'static str, grade: Grade, detail: String) -> Self {
        Self { check, grade, detail }
    }
}

pub(super) fn run(arguments: &DoctorArguments) -> anyhow::Result<Outcome> {
    let config = arguments.options.load()?;
    let findings = examine(&config);
    if arguments.json {
        print_json(&findings)?;
    } else {
        let mut out = std::io::stdout();
        for Finding { check, grade, detail } in &findings {
            let mark = match grade {
                Grade::Good => "ok  ",
                Grade::Warning => "warn",
                Grade::Bad => "BAD ",
            };
            writeln!(out, "{mark} {check}: {detail}")?;
        }
    }
    let is_bad = findings.iter().any(|finding| finding.grade == Grade::Bad);
    Ok(if is_bad { Outcome::DoesNotHold } else { Outcome::Holds })
}

fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![descriptors(config), clock(SystemTime::now())];
    match std::fs::create_dir_all(&config.data_dir) {
        Err(error) => findings.push(Finding::new(
            "data directory",
            Grade::Bad,
            format!("{} cannot be made: {error}", config.data_dir.display()),
        )),
        Ok(()) => findings.extend([
            free_space(&config.data_dir),
            sync_time(&config.data_dir),
            secrets(&config.data_dir),
        ]),
    }
    let own = local::addresses(config);
    for (check, address) in [("listen", config.listen), ("internal_listen", config.internal_listen)]
    {
        findings.push(port(check, address, own.as_ref()));
    }
    findings.push(heartbeat());
    findings
}

fn descriptors(config: &Config) -> Finding {
    let (limit, sockets) = (descriptor_limit(), config.limits.connections_max());
    let detail = format!("{limit} may be open, {sockets} sockets will be taken");
    let grade = match limit {
        _ if u64::from(sockets) > limit => Grade::Bad,
        0..4096 => Grade::Warning,
        _ => Grade::Good,
    };
    let advice = if grade == Grade::Good { "" } else { " (raise it: ulimit -n, LimitNOFILE)" };
    Finding::new("descriptors", grade, format!("{detail}{advice}"))
}

/// Before this program was written, or absurdly far ahead.
fn clock(now: SystemTime) -> Finding {
    const EARLIEST: Duration = Duration::from_secs(1_763_000_000);
    const LATEST: Duration = Duration::from_secs(4_102_444_800);
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let grade = if (EARLIEST..LATEST).contains(&since_1970) { Grade::Good } else { Grade::Bad };
    let detail = format!("{} s since 1970 UTC; tokens tolerate 60 s", since_1970.as_secs());
    Finding::new("clock", grade, detail)
}

fn free_space(data_dir: &Path) -> Finding {
    const CHECK: &str = "free space";
    match rustix::fs::statvfs(data_dir) {
        Err(error) => Finding::new(CHECK, Grade::Bad, error.to_string()),
        Ok(facts) => {
            let free_mib = facts.f_bavail.saturating_mul(facts.f_frsize) >> 20;
            let grade = match free_mib {
                0..128 => Grade::Bad,
                128..2048 => Grade::Warning,
                _ => Grade::Good,
            };
            Finding::new(CHECK, grade, format!("{free_mib} MiB in {}", data_dir.display()))
        }
    }
}

/// Every acknowledgement waits for one of these.
fn sync_time(data_dir: &Path) -> Finding {
    const CHECK: &str = "sync";
    match measure_sync(data_dir) {
        Err(error) => Finding::new(CHECK, Grade::Bad, format!("cannot write: {error}")),
        Ok(median) => {
            let (grade, note) = match median.as_micros() {
                0..20 => (Grade::Warning, " (too fast to reach a disk: is this memory?)"),
                20..20_000 => (Grade::Good, ""),
                20_000..200_000 => (Grade::Warning, " (slow disk: sends will wait for it)"),
                _ => (Grade::Bad, " (much too slow)"),
            };
            let detail = format!("{:.2} ms to disk{note}", median.as_secs_f64() * 1e3);
            Finding::new(CHECK, grade, detail)
        }
    }
}

fn measure_sync(data_dir: &Path) -> std::io::Result<Duration> {
    let path = data_dir.join(format!(".doctor.{}", std::process::id()));
    let measure = || {
        let mut file = File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..15 {
            file.write_all(&[0; 4096])?;
            let started = Instant::now();
            file.sync_data()?;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    };
    let measured = measure();
    let _ = std::fs::remove_file(&path);
    measured
}

fn secrets(data_dir: &Path) -> Finding {
    let open: Vec<&str> = [SIGNING_KEY_FILE, ADMIN_TOKEN_FILE]
        .into_iter()
        .filter(|name| {
            let facts = std::fs::metadata(data_dir.join(name));
            facts.is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0)
        })
        .collect();
    if open.is_empty() {
        return Finding::new("secrets", Grade::Good, "for the owner alone".to_owned());
    }
    let detail = format!("others can read {} (chmod 600)", open.join(", "));
    Finding::new("secrets", Grade::Bad, detail)
}

fn port(check: &'static str, address: SocketAddr, own: Option<&local::Addresses>) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::new(check, Grade::Good, format!("{address} is free")),
        Err(_) if own.is_some_and(|own| own.holds(address)) => {
            Finding::new(check, Grade::Good, format!("{address} is this server's own"))
        }
        Err(error) => Finding::new(check, Grade::Bad, format!("{address}: {error}")),
    }
}

fn heartbeat() -> Finding {
    let detail = format!(
        "idle sockets are pinged every {HEARTBEAT_S} s: proxies must keep idle connections longer \
         (nginx proxy_read_timeout, HAProxy timeout tunnel: {} s or more)",
        HEARTBEAT_S * 3
    );
    Finding::new("proxies", Grade::Good, detail)
}

impl local::Addresses {
    /// Whether the server that wrote this lives and has the address.
    fn holds(&self, address: SocketAddr) -> bool {
        let address = address.to_string();
        let lives = Path::new(&format!("/proc/{}", self.pid)).exists();
        lives && (self.public == address || self.internal == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_machine_gets_findings_for_everything() {
        let data_dir = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: data_dir.path().join("new"), ..Config::default() };
        config.listen.set_port(0);
        config.internal_listen.set_port(0);
        let findings = examine(&config);
        assert_eq!(findings.len(), 8);
        assert!(findings.iter().all(|finding| !finding.detail.is_empty()));
        assert_eq!(std::fs::read_dir(&config.data_dir).unwrap().count(), 0);
    }

    #[test]
    fn taken_ports_open_secrets_and_a_lost_clock_are_bad() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let finding = port("listen", taken.local_addr().unwrap(), None);
        assert_eq!(finding.grade, Grade::Bad);

        let data_dir = tempfile::tempdir().unwrap();
        let path = data_dir.path().join(ADMIN_TOKEN_FILE);
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(secrets(data_dir.path()).grade, Grade::Bad);

        assert_eq!(clock(SystemTime::UNIX_EPOCH).grade, Grade::Bad);
    }
}
