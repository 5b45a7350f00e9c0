//! Redis: one server that keeps nothing on disk, as the bridge between nodes uses it.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::process::{Launch, ServiceProcess};
use super::{AddressBlock, WorkFolder, redis_command, script};

/// Of a block.
pub(super) const PORT: u16 = 379;
pub(super) const READY_DEADLINE: Duration = Duration::from_secs(30);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Which Redis to start.
#[derive(Clone, Debug, Default)]
pub struct RedisSpec {
    /// More of its settings: `--name`, `value` and so on.
    pub arguments: Vec<String>,
}

/// A running Redis. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    folder: WorkFolder,
    _block: Arc<AddressBlock>,
}

/// One Redis process, alone or in a cluster.
#[derive(Debug)]
pub(super) struct Server {
    pub process: ServiceProcess,
    pub address: SocketAddrV4,
}

impl Redis {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started; with its last output.
    pub async fn start(spec: RedisSpec) -> anyhow::Result<Self> {
        Self::start_at(spec, Arc::new(AddressBlock::take(&[(1, PORT)])?)).await
    }

    /// The same on the first address of a given block.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_at(spec: RedisSpec, block: Arc<AddressBlock>) -> anyhow::Result<Self> {
        let folder = WorkFolder::create()?;
        let server = Server::start(0, &block, &folder, spec.arguments)?;
        server.wait_ready().await?;
        Ok(Self { server, folder, _block: block })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// The bridge setting that names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.server.address)
    }

    /// Its process, to pause, resume, kill or measure it.
    #[must_use]
    pub const fn process(&self) -> &ServiceProcess {
        &self.server.process
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.server.process.pause()
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.server.process.resume()
    }

    /// `kill -9`; false when it did not run.
    pub fn kill(&self) -> bool {
        self.server.process.kill_9()
    }

    /// Starts it again, empty, on the same port; kills it first when it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.server.process.start_again()?;
        self.server.wait_ready().await?;
        Ok(begun.elapsed())
    }

    /// Forgets all keys.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn flush_all(&self) -> anyhow::Result<()> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }

    /// Cuts off every client, subscribers among them; returns how many.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn kill_clients(&self) -> anyhow::Result<u64> {
        let mut killed = 0;
        for kind in ["pubsub", "normal"] {
            killed += self.command(&["CLIENT", "KILL", "TYPE", kind]).await?.parse::<u64>()?;
        }
        Ok(killed)
    }

    /// Any command with a simple answer.
    ///
    /// # Errors
    /// When it does not answer, or with an error.
    pub async fn command(&self, words: &[&str]) -> anyhow::Result<String> {
        redis_command(&self.address(), words).await
    }

    /// Leaves its log behind; tells where.
    pub fn keep_data(&mut self) -> PathBuf {
        self.folder.keep();
        self.folder.path().to_owned()
    }
}

impl Server {
    /// Starts one on the block's address `index + 1`.
    pub fn start(
        index: u8,
        block: &AddressBlock,
        folder: &WorkFolder,
        more: Vec<String>,
    ) -> anyhow::Result<Self> {
        let address = block.address(index + 1, PORT);
        let mut arguments = vec![
            "node".to_owned(),
            format!("--address={}", address.ip()),
            format!("--port={}", address.port()),
            format!("--dir={}", folder.path().display()),
            "--".to_owned(),
        ];
        arguments.extend(more);
        let launch = Launch {
            program: script("redis.sh")?,
            arguments,
            output: folder.path().join(format!("redis{index}.log")),
            ..Launch::default()
        };
        Ok(Self { process: ServiceProcess::start(launch)?, address })
    }

    pub async fn wait_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        let address = self.address.to_string();
        loop {
            if redis_command(&address, &["PING"]).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.ended() {
                bail!("Redis ended at once ({status}); {}", self.process.last_output());
            }
            if Instant::now() >= deadline {
                bail!("Redis did not answer in 30 s; {}", self.process.last_output());
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

static FOR_TESTS: OnceCell<Redis> = OnceCell::const_new();

/// One for all tests of a program, started by the first that asks; it ends with the program. Tests
/// that break it start their own.
///
/// # Errors
/// When it does not start.
pub async fn redis_for_tests() -> anyhow::Result<&'static Redis> {
    let start = || async { Redis::start(RedisSpec::default()).await.context("Redis for tests") };
    FOR_TESTS.get_or_try_init(start).await
}
