//! OpenSearch: one node, for search in a cluster.
//!
//! `scripts/services/opensearch.sh` fetches it and knows how it is run; here it is started,
//! watched, paused and killed.

use std::net::SocketAddrV4;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::process::{Launch, ServiceProcess};
use super::{AddressBlock, WorkFolder, script};

/// Of a block.
const PORT: u16 = 200;
/// A busy machine needs a minute.
const READY_DEADLINE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A running OpenSearch. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct OpenSearch {
    process: ServiceProcess,
    address: SocketAddrV4,
    http: reqwest::Client,
    _folder: WorkFolder,
    _block: AddressBlock,
}

impl OpenSearch {
    /// Starts it, after fetching it if need be, and waits until it answers.
    ///
    /// # Errors
    /// When that is not so within three minutes; with its last output.
    pub async fn start() -> anyhow::Result<Self> {
        fetch().await?;
        let block = AddressBlock::take(&[(1, PORT)])?;
        let folder = WorkFolder::create()?;
        let address = block.address(1, PORT);
        let launch = Launch {
            program: script("opensearch.sh")?,
            arguments: vec![
                "node".to_owned(),
                format!("--dir={}", folder.path().join("opensearch").display()),
                format!("--address={}", address.ip()),
                format!("--port={}", address.port()),
            ],
            output: folder.path().join("opensearch.log"),
            ..Launch::default()
        };
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build()?;
        let process = ServiceProcess::start(launch)?;
        let it = Self { process, address, http, _folder: folder, _block: block };
        it.wait_ready().await?;
        Ok(it)
    }

    /// The search setting that names it and what its indexes' names begin with.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        format!("http://{}/{prefix}", self.address)
    }

    /// Its process, to pause, resume, kill or measure it.
    #[must_use]
    pub const fn process(&self) -> &ServiceProcess {
        &self.process
    }

    /// Starts it again on its data, killing it first when it runs.
    ///
    /// # Errors
    /// As [`OpenSearch::start`].
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.process.start_again()?;
        self.wait_ready().await
    }

    /// Asks it directly: method, path, JSON body; the status and the JSON answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> anyhow::Result<(u16, serde_json::Value)> {
        let mut request = self.http.request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    async fn wait_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            let health = self.ask(reqwest::Method::GET, "_cluster/health", None).await;
            if health.is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            if let Some(status) = self.process.ended() {
                bail!("OpenSearch ended ({status}); {}", self.process.last_output());
            }
            if Instant::now() >= deadline {
                bail!("OpenSearch is not ready in time; {}", self.process.last_output());
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

async fn fetch() -> anyhow::Result<()> {
    let fetching =
        Command::new(script("opensearch.sh")?).arg("fetch").stdin(Stdio::null()).output();
    let output = fetching.await.context("opensearch.sh fetch")?;
    ensure!(
        output.status.success(),
        "opensearch.sh fetch: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

static FOR_TESTS: OnceCell<OpenSearch> = OnceCell::const_new();

/// One for all tests of a program, started by the first that asks; it ends with the program. Each
/// test takes a prefix of its own.
///
/// # Errors
/// When it does not start.
pub async fn opensearch_for_tests() -> anyhow::Result<&'static OpenSearch> {
    FOR_TESTS.get_or_try_init(OpenSearch::start).await
}
