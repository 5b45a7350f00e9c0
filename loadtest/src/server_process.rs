//! A server of one's own: started, killed without warning, started again on the same data.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::client::Target;

/// From the start of the process to its addresses being written and reachable.
const READY_DEADLINE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Of the server's own output, in errors.
const OUTPUT_LINES: usize = 30;

/// Limits that exist to protect people would only measure themselves under load.
pub(crate) const ENVIRONMENT: [(&str, &str); 9] = [
    ("SWITCHBOARD_LIMITS__SENDS_PER_SECOND", "1000000"),
    ("SWITCHBOARD_LIMITS__SENDS_BURST", "1000000"),
    ("SWITCHBOARD_LIMITS__SIGN_INS_PER_MINUTE", "1000000"),
    ("SWITCHBOARD_LIMITS__SIGN_INS_PER_USER_PER_MINUTE", "1000000"),
    ("SWITCHBOARD_LIMITS__REGISTRATIONS_PER_HOUR", "1000000"),
    ("SWITCHBOARD_LIMITS__REQUESTS_PER_SECOND", "1000000"),
    ("SWITCHBOARD_LIMITS__REQUESTS_BURST", "1000000"),
    ("SWITCHBOARD_LIMITS__CONNECTIONS_PER_ADDRESS", "100000"),
    ("SWITCHBOARD_LIMITS__SILENT_CONNECTIONS_PER_ADDRESS", "100000"),
];

/// Which server to start, and where its data lie.
#[derive(Clone, Debug, Default)]
pub struct ServerSpec {
    pub binary: PathBuf,
    /// Kept afterwards. `None`: a folder of its own, removed at the end.
    pub data_dir: Option<PathBuf>,
    /// Added to the environment, after the raised limits.
    pub environment: Vec<(String, String)>,
}

/// `DATA_DIR/addresses.json`, written by the server once it listens.
#[derive(Clone, Debug, Deserialize)]
struct Addresses {
    public: String,
    internal: String,
}

/// A running (or killed) server. Dropping it kills the process.
#[derive(Debug)]
pub struct ServerProcess {
    spec: ServerSpec,
    data_dir: PathBuf,
    is_data_kept: bool,
    child: Child,
    addresses: Addresses,
}

impl ServerProcess {
    /// Starts `BINARY serve` on free loopback ports and waits until it is reachable.
    ///
    /// # Errors
    /// When it cannot be started, ends at once or is not ready in 30 s; with its last output.
    pub async fn start(spec: ServerSpec) -> anyhow::Result<Self> {
        ensure!(spec.binary.is_file(), "{}: no such program", spec.binary.display());
        let is_data_kept = spec.data_dir.is_some();
        let data_dir = spec.data_dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("switchboard-load-{}", uuid::Uuid::now_v7()))
        });
        fs::create_dir_all(&data_dir).with_context(|| data_dir.display().to_string())?;
        let free = Addresses { public: "127.0.0.1:0".into(), internal: "127.0.0.1:0".into() };
        let launched = launch(&spec, &data_dir, &free).await;
        if launched.is_err() && !is_data_kept {
            // Its last output is in the error.
            let _ = fs::remove_dir_all(&data_dir);
        }
        let (child, addresses) = launched?;
        Ok(Self { spec, data_dir, is_data_kept, child, addresses })
    }

    /// Where it listens, with its admin token when it has written one.
    #[must_use]
    pub fn target(&self) -> Target {
        let token = fs::read_to_string(self.data_dir.join("admin_token")).ok();
        Target {
            public: self.addresses.public.clone(),
            internal: Some(self.addresses.internal.clone()),
            admin_token: token.map(|token| token.trim().to_owned()),
        }
    }

    /// `None` once it was killed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Leaves the data folder behind, for whoever wants to know what happened.
    pub const fn keep_data(&mut self) {
        self.is_data_kept = true;
    }

    /// `kill -9`: not a word of farewell, no buffer flushed by the process.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub async fn kill_9(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill -9")
    }

    /// SIGTERM, and waits until it has ended by itself; killed after `deadline`.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn stop(&mut self, deadline: Duration) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        if tokio::time::timeout(deadline, self.child.wait()).await.is_err() {
            self.kill_9().await?;
        }
        Ok(())
    }

    /// Runs `audit --json` on its data, while it serves; `Err` in the result when the log does not
    /// hold.
    ///
    /// # Errors
    /// When it cannot be run, or cannot tell.
    pub async fn audit(&self) -> anyhow::Result<Result<serde_json::Value, serde_json::Value>> {
        let output = Command::new(&self.spec.binary)
            .args(["audit", "--json", "--data-dir"])
            .arg(&self.data_dir)
            .envs(self.spec.environment.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| self.spec.binary.display().to_string())?;
        audited(&output)
    }

    /// Sends a signal, and goes on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.context("it does not run")?, signal).context("it cannot be told")
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it goes on beyond `deadline`.
    pub async fn ended(&mut self, deadline: Duration) -> anyhow::Result<()> {
        tokio::time::timeout(deadline, self.child.wait()).await.context("it goes on")??;
        Ok(())
    }

    /// Everything it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(output_file(&self.data_dir)).unwrap_or_default()
    }

    /// Starts it again on the same data and the same ports; returns how long it took to be ready.
    ///
    /// # Errors
    /// As [`ServerProcess::start`].
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        (self.child, self.addresses) =
            launch(&self.spec, &self.data_dir, &self.addresses.clone()).await?;
        Ok(begun.elapsed())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        if !self.is_data_kept {
            let _ = fs::remove_dir_all(&self.data_dir);
        }
    }
}

/// What `switchboard audit --json` said.
pub(crate) fn audited(
    output: &std::process::Output,
) -> anyhow::Result<Result<serde_json::Value, serde_json::Value>> {
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let report = || serde_json::from_slice(&output.stdout).with_context(said);
    match output.status.code() {
        Some(0) => Ok(Ok(report()?)),
        Some(1) => Ok(Err(report()?)),
        _ => bail!("switchboard audit ended with {}: {}", output.status, said()),
    }
}

async fn launch(
    spec: &ServerSpec,
    data_dir: &Path,
    listen: &Addresses,
) -> anyhow::Result<(Child, Addresses)> {
    let ready_file = data_dir.join("addresses.json");
    match fs::remove_file(&ready_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("{}: {error}", ready_file.display())
        }
        _ => {}
    }
    let mut child = spawn(spec, data_dir, listen)?;
    let deadline = Instant::now() + READY_DEADLINE;
    loop {
        if let Some(addresses) = ready(&ready_file).await {
            return Ok((child, addresses));
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server ended at once ({status}); {}", last_output(data_dir));
        }
        if Instant::now() >= deadline {
            bail!("the server was not ready in 30 s; {}", last_output(data_dir));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn spawn(spec: &ServerSpec, data_dir: &Path, listen: &Addresses) -> anyhow::Result<Child> {
    // A file, not a pipe: reading the output would cost the load client its time.
    let output = File::options().create(true).append(true).open(output_file(data_dir))?;
    Command::new(&spec.binary)
        .arg("serve")
        .args(["--listen", &listen.public])
        .args(["--internal-listen", &listen.internal])
        .arg("--data-dir")
        .arg(data_dir)
        .envs(ENVIRONMENT)
        .envs(spec.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| spec.binary.display().to_string())
}

/// The addresses, once they are written whole and the public one takes connections.
async fn ready(file: &Path) -> Option<Addresses> {
    let addresses: Addresses = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    tokio::net::TcpStream::connect(&addresses.public).await.ok()?;
    Some(addresses)
}

fn output_file(data_dir: &Path) -> PathBuf {
    data_dir.join("server-output.log")
}

fn last_output(data_dir: &Path) -> String {
    let text = fs::read_to_string(output_file(data_dir)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(OUTPUT_LINES)..];
    format!("its last output:\n{}", tail.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_quoted() {
        let binary = PathBuf::from("/bin/sh");
        let error = ServerProcess::start(ServerSpec { binary, ..ServerSpec::default() })
            .await
            .expect_err("`sh serve` is no server");
        let text = format!("{error:#}");
        assert!(text.contains("ended at once") && text.contains("serve"), "{text}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let binary = PathBuf::from("/no/such/switchboard");
        let error =
            ServerProcess::start(ServerSpec { binary, ..ServerSpec::default() }).await.unwrap_err();
        assert!(error.to_string().contains("/no/such/switchboard"));
    }
}
